#!/usr/bin/env bash
# Exports the models of executor/tests/data/pt2 anew. PyTorch takes 5 GB in .cache/fixtures: only this script installs it.
# With the locked versions on the same kind of processor the files come out bit for bit as they are checked in; another
# processor may round the training differently, and the tests then judge the new files by what PyTorch said of them.
. "$(dirname "$0")/lib.sh"

PYTORCH=$STATE/fixtures
DATA=executor/tests/data/pt2
LOCK=scripts/fixtures.lock

environment() {
    cmp -s "$LOCK" "$PYTORCH/lock" && return
    need_pip
    python3 -c 'import ensurepip, venv' 2>/dev/null || install_packages python3-venv
    say "installing PyTorch in .cache/fixtures (5 GB; rm -rf takes it away again)"
    rm -rf "$PYTORCH"
    python3 -m venv "$PYTORCH"
    "$PYTORCH/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir --require-hashes \
        --only-binary :all: -r "$LOCK" >&2 || die "cannot install PyTorch: is the package registry reachable?"
    cp "$LOCK" "$PYTORCH/lock"
}

export_models() { "$PYTORCH/bin/python" executor/tests/tools/export_pt2.py "$@"; }

[ -d "$SOURCES/all-MiniLM-L6-v2" ] || die "all-MiniLM-L6-v2 is missing: run make setup"
environment
say "exporting and training (a minute)"
export_models tiny "$DATA"
export_models digits "$DATA"
export_models minilm-graph "$DATA/minilm-graph.json" "$SOURCES/all-MiniLM-L6-v2"
for name in encoder ops padded; do
    cp "$DATA/$name.pt2" "fuzz/corpus/pt2/$name"
done
say "what changed: $(git diff --stat -- "$DATA" | tail -1 | grep . || echo nothing)"
