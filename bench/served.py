"""What being served costs: a generation through a sequencer, with its receipts, batches and posting to L1, against
the same generation by the engine alone.

A whole devnet runs meanwhile, except that challenger and defender stand still: they are other people's machines. Two
figures come out. The ratio of times is what an agent feels: from question to answer, against the same tokens from
`refute bench`, in turn. The share of processor time is what it costs whatever the machine is
doing: all threads of the sequencer but the engine's, against the engine's, while it answers.
"""

import argparse
import http.client
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
TOKENS = 256
CONTEXT = 16
# As in `refute bench`: the first ids are special tokens in most vocabularies.
FIRST_ID = 64
VOCABULARY = 49_152
TICKS = os.sysconf("SC_CLK_TCK")


class BenchError(Exception):
    """Something the person at the terminal can put right."""


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--model", type=Path, default=Path(".cache/models/smollm2-135m-w8"))
    parser.add_argument("--binary", type=Path, default=Path(os.environ.get("CARGO_TARGET_DIR", "target"), "release/refute"))
    return parser.parse_args()


class Devnet:
    """`refute devnet` while the `with` lasts."""

    def __init__(self, args):
        self.folder = ROOT / ".cache/bench/devnet"
        command = [args.binary, "devnet", "--json", "--folder", self.folder, "--port", "18080", "--l1-port", "18545"]
        self.command = [str(part) for part in (*command, "--model", f"smollm2={args.model}")]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        text = ""
        while True:
            line = self.process.stdout.readline()
            if not line:
                raise BenchError(f"the devnet ended; its logs are in {self.folder}")
            text += line
            try:
                self.about = json.loads(text)
                return self
            except json.JSONDecodeError:
                continue

    def __exit__(self, *_):
        for process in self.services("challenger"):
            os.kill(process, signal.SIGCONT)
        self.process.send_signal(signal.SIGINT)
        self.process.wait()

    def services(self, command):
        """Processes of the devnet that run `refute COMMAND`."""
        out = subprocess.run(["pgrep", "-P", str(self.process.pid), "-f", f"refute.* {command}"], capture_output=True, text=True)
        return [int(line) for line in out.stdout.split()]

    def metric(self, name):
        address = urlsplit(self.about["api"])
        connection = http.client.HTTPConnection(address.hostname, address.port)
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
        return [line.rsplit(" ", 1) for line in lines if line.startswith(name)]


def prompt(sequence):
    ids = ((7919 * (i + 1) + 104_729 * sequence) % (VOCABULARY - FIRST_ID) + FIRST_ID for i in range(CONTEXT))
    return list(ids)


def served(devnet, sequence):
    """Seconds from question to answer, the receipt included; None if the text ended early."""
    address = urlsplit(devnet.about["api"])
    connection = http.client.HTTPConnection(address.hostname, address.port)
    body = {"model": "smollm2", "prompt": prompt(sequence), "max_tokens": TOKENS + 1, "temperature": 0}
    headers = {"authorization": f"Bearer {devnet.about['api_key']}", "content-type": "application/json"}
    begin = time.perf_counter()
    connection.request("POST", f"{address.path}/completions", json.dumps(body), headers)
    response = connection.getresponse()
    answer = json.loads(response.read())
    seconds = time.perf_counter() - begin
    if response.status != 200:
        raise BenchError(f"the sequencer answered {response.status}: {answer}")
    if "receipt" not in answer["refute"]:
        raise BenchError("an answer came without a receipt")
    return seconds if answer["choices"][0]["finish_reason"] == "length" else None


def measure(args, name, tokens):
    command = [args.binary, "bench", "--model", args.model, "--measure", name, "--tokens", tokens]
    command += ["--context", CONTEXT, "--threads", 1, "--json"]
    out = subprocess.run([str(part) for part in command], cwd=ROOT, capture_output=True, text=True)
    if out.returncode:
        raise BenchError(f"refute bench failed:\n{out.stderr}")
    return json.loads(out.stdout)["seconds"]


def alone(args):
    """Seconds of the same work by the engine alone."""
    return measure(args, "prefill", CONTEXT) + measure(args, "decode", TOKENS)


def thread_seconds(process):
    """(the engine's threads, all others) seconds of processor time."""
    engine = others = 0
    for task in Path(f"/proc/{process}/task").iterdir():
        name, _, rest = (task / "stat").read_text().partition("(")[2].rpartition(")")
        fields = rest.split()
        ticks = int(fields[11]) + int(fields[12])
        if name.startswith(("engine", "kernel")):
            engine += ticks
        else:
            others += ticks
    return engine / TICKS, others / TICKS


def receipt_median(devnet):
    """Upper edge in milliseconds of the bucket in which half of the receipts had come."""
    buckets = [(label.split('le="')[1].split('"')[0], float(n)) for label, n in devnet.metric("refute_sequencer_receipt_seconds_bucket")]
    total = buckets[-1][1]
    return next(float(edge) for edge, n in buckets if n >= total / 2) * 1000


def main():
    args = arguments()
    if not (ROOT / args.binary).exists() or not (ROOT / args.model).exists():
        raise BenchError("the binary or the model is missing: run make model")
    ours, theirs = [], []
    with Devnet(args) as devnet:
        for process in devnet.services("challenger"):
            os.kill(process, signal.SIGSTOP)
        (sequencer,) = devnet.services("sequencer")
        usable = [s for s in range(8) if served(devnet, s) is not None]
        if not usable:
            raise BenchError("every prompt ended early")
        engine = others = 0
        for number in range(args.rounds):
            if number % 2:
                theirs.append(alone(args))
            before = thread_seconds(sequencer)
            ours.append(served(devnet, usable[0]))
            after = thread_seconds(sequencer)
            engine, others = engine + after[0] - before[0], others + after[1] - before[1]
            if number % 2 == 0:
                theirs.append(alone(args))
            print(f"round {number + 1} of {args.rounds}", file=sys.stderr)
        posted = (devnet.folder / "sequencer.log").read_text().count("a batch is posted")
        receipt = receipt_median(devnet)
    show = lambda times: f"{statistics.median(times):.3f} s ({min(times):.3f} to {max(times):.3f})"
    print(f"| {TOKENS} tokens, one thread, {args.rounds} rounds in turn | median (range) |\n|---|---|")
    print(f"| engine alone | {show(theirs)} |")
    print(f"| served: API, store, receipt, batches on L1 | {show(ours)} |")
    print(f"| ratio of medians; of the fastest | {statistics.median(ours) / statistics.median(theirs):.4f}; {min(ours) / min(theirs):.4f} |")
    print(f"| processor time of everything but the engine's thread | {others:.2f} s of {engine:.2f} s, {others / engine:.2%} |")
    print(f"| last token to receipt, half of them within | {receipt:g} ms |")
    print(f"| batches posted meanwhile | {posted} |")


if __name__ == "__main__":
    try:
        main()
    except BenchError as error:
        sys.exit(f"error: {error}")
