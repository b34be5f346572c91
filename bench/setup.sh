#!/usr/bin/env bash
# The peer: llama.cpp built from source for this machine (about four minutes, once) and the same weights
# as Q8_0. All in .cache/bench.
. "$(dirname "$0")/../scripts/lib.sh"

bench=$STATE/bench
venv=$bench/venv
source=$STATE/sources/SmolLM2-135M-Instruct.Q4_1.gguf
target=$bench/smollm2-135m-q8_0.gguf

# The stamp changes with the locked source archive and with the pinned Python packages.
wanted=$(sha256sum bench/requirements.txt <(locked llama_cpp_python-) | sha256sum | cut -d' ' -f1)

build_peer() {
    local archive
    need_packages c++:build-essential
    python3 -c 'import ensurepip' 2>/dev/null || install_packages python3-venv
    archive=$(fetch llama_cpp_python-)
    say "building llama.cpp from source: about four minutes on two cores"
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r bench/requirements.txt >&2
    CMAKE_BUILD_PARALLEL_LEVEL=$(nproc) "$venv/bin/pip" install --quiet --disable-pip-version-check \
        --no-deps --no-cache-dir "$archive" >&2
    printf '%s\n' "$wanted" >"$venv/stamp"
}

[ -e "$source" ] || die "$source is missing: run make setup"
mkdir -p "$bench"
[ "$(cat "$venv/stamp" 2>/dev/null)" = "$wanted" ] || build_peer
if [ ! -e "$target" ]; then
    say "requantising the weights to Q8_0"
    "$venv/bin/python" bench/quantize.py "$source" "$target" 2>"$bench/quantize.log" ||
        die "llama.cpp could not requantise: see .cache/bench/quantize.log"
fi
