"""Refute against llama.cpp on this machine: same weights, same threads, interleaved.

Memory bandwidth of shared machines swings by tens of per cent, so a figure alone says nothing: every round
runs the peer and us one after the other, in turn first, and only ratios of medians are compared.
Prints a Markdown table; everything measured is kept in .cache/bench/results.json.
"""

import argparse
import datetime
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BENCH = ROOT / ".cache/bench"
PEER_MODEL = BENCH / "smollm2-135m-q8_0.gguf"
ISA_FLAGS = ["avx2", "avx_vnni", "avx512f", "avx512vl", "avx512_vnni", "amx_int8", "asimd", "asimddp", "i8mm"]
# Above this the machine is doing something else, and a thread that waits for a core stalls the other one.
BUSY_MAX = 0.1


@dataclass(frozen=True)
class Measure:
    """One line of the table: the arguments given to both sides."""

    key: str
    title: str
    args: tuple
    has_peer: bool = True


MEASURES = [
    Measure("decode", "decode, one stream, 16 + 256 tokens", ("decode", 256, 16, 1)),
    Measure("decode_512", "decode, one stream, at context 512 (64 tokens)", ("decode", 64, 512, 1)),
    Measure("prefill", "prefill of 512 tokens", ("prefill", 512, 0, 1)),
    Measure("batch", "eight sequences together, 16 + 256 tokens each, total", ("batch", 256, 16, 8)),
    Measure("verify", "verify a 256-token generation", ("verify", 256, 16, 1), has_peer=False),
]


class BenchError(Exception):
    """Something the person at the terminal can put right."""


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--model", type=Path, default=Path(".cache/models/smollm2-135m-w8"))
    parser.add_argument("--binary", type=Path, default=Path(os.environ.get("CARGO_TARGET_DIR", "target"), "release/refute"))
    parser.add_argument("--only", action="append", choices=[m.key for m in MEASURES], help="may be repeated")
    parser.add_argument("--peer-only", action="store_true", help="measure llama.cpp alone")
    args = parser.parse_args()
    if args.rounds < 1:
        parser.error("--rounds must be at least 1")
    return args


def run(command, who):
    """Runs one measurement; returns its JSON with the peak resident memory added."""
    process = subprocess.Popen([str(part) for part in command], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    shown = shlex.join(str(part) for part in command)
    if process.returncode != 0:
        raise BenchError(f"{who} failed with exit code {process.returncode}; to see it alone:\n  {shown}")
    try:
        result = json.loads(output.strip().splitlines()[-1])
    except (IndexError, json.JSONDecodeError):
        raise BenchError(f"{who} printed no JSON; to see it alone:\n  {shown}") from None
    missing = {"seconds", "tokens_per_s"} - result.keys()
    if missing:
        raise BenchError(f"{who} printed no {', '.join(sorted(missing))}; to see it alone:\n  {shown}")
    result["peak_rss_mib"] = usage.ru_maxrss / 1024
    return result


def flags(measure, threads):
    name, tokens, context, sequences = measure.args
    common = ["--measure", name, "--tokens", tokens, "--context", context, "--sequences", sequences]
    return [*common, "--threads", threads]


def run_peer(measure, args, flash):
    command = [sys.executable, "bench/peer.py", "--model", PEER_MODEL.relative_to(ROOT), "--flash", flash]
    return run([*command, *flags(measure, args.threads)], "llama.cpp")


def run_ours(measure, args):
    """Expects what peer.py prints; for `verify`, `seconds` is the checking and `making_seconds` the making, and
    `mac_per_s_cap` (i16 x i8) and `bytes_per_s_cap` are what this machine's cores and memory were seen to do at best."""
    command = [args.binary, "bench", "--model", args.model, "--json"]
    return run([*command, *flags(measure, args.threads)], "refute bench")


def best_flash(measures, args):
    """The peer is measured with whichever attention suits it on this machine, measure by measure."""
    best = {}
    for measure in measures:
        if measure.has_peer:
            rates = {"on": [], "off": []}
            for _ in range(3):
                for flash, seen in rates.items():
                    seen.append(run_peer(measure, args, flash)["tokens_per_s"])
            best[measure.key] = max(rates, key=lambda flash: statistics.median(rates[flash]))
    return best


def cpu_ticks():
    """(busy, total) ticks of all cores since boot; stolen time counts as busy."""
    ticks = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)


def busy_fraction():
    """How much of the machine others are using, over one second in which we do nothing."""
    busy, total = cpu_ticks()
    time.sleep(1)
    busy_after, total_after = cpu_ticks()
    return (busy_after - busy) / max(1, total_after - total)


def interleave(measures, args, flash):
    """{key: {"peer": [...], "ours": [...]}}: one result of each side per round, in turn first; and the
    largest share of the machine that others used before a round."""
    results = {m.key: {"peer": [], "ours": []} for m in measures}
    busy = 0.0
    for round_number in range(args.rounds):
        busy = max(busy, busy_fraction())
        for measure in measures:
            sides = []
            if measure.has_peer:
                sides.append(("peer", lambda m=measure: run_peer(m, args, flash[m.key])))
            if not args.peer_only:
                sides.append(("ours", lambda m=measure: run_ours(m, args)))
            for side, go in sides if round_number % 2 == 0 else reversed(sides):
                results[measure.key][side].append(go())
        print(f"round {round_number + 1} of {args.rounds}", file=sys.stderr)
    return results, busy


def median(runs, field="tokens_per_s"):
    return statistics.median(r[field] for r in runs)


def spread(runs):
    """Median and range, as printed in the table."""
    rates = [r["tokens_per_s"] for r in runs]
    return f"{statistics.median(rates):,.0f} ({min(rates):,.0f} to {max(rates):,.0f})"


def speed_table(results, flash):
    """Lines for the measures that the peer has too."""
    lines = ["| what | Refute, tok/s | llama.cpp Q8_0, tok/s | ratio |", "|---|---|---|---|"]
    for measure in MEASURES:
        runs = results.get(measure.key)
        if not runs or not measure.has_peer:
            continue
        ours, peer = runs["ours"], runs["peer"]
        ratio = f"{median(ours) / median(peer):.2f}x" if ours else "-"
        shown = spread(ours) if ours else "-"
        lines.append(f"| {measure.title} | {shown} | {spread(peer)}, flash {flash[measure.key]} | {ratio} |")
    return lines


def scaling_lines(results):
    """Eight sequences together against one, for each side by itself."""
    lines = []
    for side, who in (("ours", "Refute"), ("peer", "llama.cpp")):
        batch, one = (results.get(key, {}).get(side) for key in ("batch", "decode"))
        if batch and one:
            lines.append(f"{who}: eight sequences together give {median(batch) / median(one):.2f}x the tokens of one.")
    return lines


def verify_lines(results):
    """Verification against making, with what the hardware would allow at best.

    Making reads every weight once per token; verifying multiplies by every weight once per token. So no
    program can verify in less than (bytes per second / multiply-adds per second) of the time that a
    bandwidth-bound program takes to make, one byte a weight.
    """
    runs = results.get("verify", {}).get("ours")
    if not runs:
        return []
    making, verifying = median(runs, "making_seconds"), median(runs, "seconds")
    line = f"Verifying 256 tokens: {verifying:.3f} s; making them: {making:.3f} s; ratio 1/{making / verifying:.1f}."
    if all("mac_per_s_cap" in r and "bytes_per_s_cap" in r for r in runs):
        macs, octets = median(runs, "mac_per_s_cap"), median(runs, "bytes_per_s_cap")
        line += f" Hardware's cap: 1/{macs / octets:.1f} ({macs / 1e9:.0f} G multiply-adds/s over {octets / 1e9:.1f} GB/s)."
    return [line]


def command_output(*command):
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def machine():
    """What a reader needs to place the figures."""
    info = {"cpu": platform.processor() or platform.machine(), "isa": []}
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            info["cpu"] = value.strip()
        if name.strip() in ("flags", "Features"):
            info["isa"] = [flag for flag in ISA_FLAGS if flag in value.split()]
    info["cores"] = len(os.sched_getaffinity(0))
    info["kernel"] = platform.release()
    return info


def versions(args):
    import llama_cpp

    ours = "not measured" if args.peer_only else command_output(str(args.binary), "--version")
    commit = command_output("git", "describe", "--always", "--dirty")
    return {"refute": ours, "commit": commit, "llama_cpp_python": llama_cpp.__version__, "rustc": command_output("rustc", "--version")}


def refuse_missing(args):
    if not PEER_MODEL.exists():
        raise BenchError("the peer's model is missing: run bench/setup.sh (or make bench)")
    if args.peer_only:
        return
    if not (ROOT / args.binary).exists():
        raise BenchError(f"{args.binary} is missing: run make build")
    if not (ROOT / args.model).exists():
        raise BenchError(f"{args.model} is missing: run make model")


def report(about, measures, results, flash):
    host, version = about["machine"], about["versions"]
    lines = [
        f"{host['cpu']}, {host['cores']} cores ({' '.join(host['isa'])}), {about['threads']} threads;"
        f" {version['refute']} ({version['commit']}), llama-cpp-python {version['llama_cpp_python']}, {version['rustc']};"
        f" {about['rounds']} interleaved rounds, medians (range), {about['date']}.",
        "",
        f"`{about['command']}`",
        "",
        *speed_table(results, flash),
        "",
        *[text for line in scaling_lines(results) + verify_lines(results) for text in (line, "")],
    ]
    if about["busy_max"] > BUSY_MAX:
        lines.append(f"**Not a quiet machine** (others used {about['busy_max']:.0%} of it): these figures mean little.")
    return "\n".join(lines)


def main():
    args = arguments()
    measures = [m for m in MEASURES if (not args.only or m.key in args.only) and (m.has_peer or not args.peer_only)]
    try:
        refuse_missing(args)
        about = {
            "command": shlex.join(["make", "bench"] + ([f"BENCH={shlex.join(sys.argv[1:])}"] if sys.argv[1:] else [])),
            "date": datetime.date.today().isoformat(),
            "machine": machine(),
            "versions": versions(args),
            "rounds": args.rounds,
            "threads": args.threads,
        }
        print("choosing the peer's attention", file=sys.stderr)
        flash = best_flash(measures, args)
        results, about["busy_max"] = interleave(measures, args, flash)
    except BenchError as error:
        sys.exit(f"bench: {error}")
    kept = {**about, "peer_flash_attention": flash, "results": results}
    (BENCH / "results.json").write_text(json.dumps(kept, indent=1) + "\n")
    print(report(about, measures, results, flash))


if __name__ == "__main__":
    main()
