#!/usr/bin/env bash
# The official OpenAI clients against a real sequencer: PyPI's `openai` in a virtual environment and npm's `openai`, both
# pinned below, both in .cache. REFUTE names the binary, else a release build is made. With SmolLM2 it answers for real.
. "$(dirname "$0")/lib.sh"

PYTHON_CLIENT=openai==3.54.0
NODE_CLIENT=openai@7.57.0

clients=$STATE/clients
model=$STATE/models/smollm2-135m-w8
embedder=$STATE/models/all-minilm-l6-v2-w8
[ -d "$model" ] || die "$model is missing: run make model"
[ -d "$embedder" ] || die "$embedder is missing: run make model-minilm"
need_pip
need_packages node:nodejs npm:npm

mkdir -p "$clients"
if [ "$(cat "$clients/python.lock" 2>/dev/null)" != "$PYTHON_CLIENT" ]; then
    python3 -m venv "$clients/python" 2>/dev/null || {
        install_packages python3-venv
        python3 -m venv "$clients/python"
    }
    "$clients/python/bin/pip" install --quiet --disable-pip-version-check "$PYTHON_CLIENT"
    echo "$PYTHON_CLIENT" >"$clients/python.lock"
fi
if [ "$(cat "$clients/node.lock" 2>/dev/null)" != "$NODE_CLIENT" ]; then
    mkdir -p "$clients/node"
    npm install --prefix "$clients/node" --loglevel=error --no-audit --no-fund "$NODE_CLIENT" >/dev/null
    echo "$NODE_CLIENT" >"$clients/node.lock"
fi

if [ -z "${REFUTE:-}" ]; then
    scripts/build.sh
    REFUTE=${CARGO_TARGET_DIR:-target}/release/refute
fi

work=$(mktemp -d)
server=
finish() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
"$REFUTE" --json sequencer --dev --listen 127.0.0.1:0 --store "sqlite:$work/store.db" \
    --model "smollm2=$model" --model "minilm=$embedder" --model echo >"$work/out" 2>"$work/log" &
server=$!
for _ in $(seq 300); do
    [ -s "$work/out" ] && break
    kill -0 "$server" 2>/dev/null || die "the sequencer did not start: $(tail -5 "$work/log")"
    sleep 0.1
done
[ -s "$work/out" ] || die "the sequencer did not start in 30 seconds"
read_out() { python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$work/out" "$1"; }
OPENAI_BASE_URL=$(read_out url)
OPENAI_API_KEY=$(read_out api_key)
export OPENAI_BASE_URL OPENAI_API_KEY

"$clients/python/bin/python" scripts/clients.py
cp scripts/clients.mjs "$clients/node/clients.mjs"
node "$clients/node/clients.mjs"

kill -TERM "$server"
wait "$server" || die "the sequencer did not stop cleanly: $(tail -5 "$work/log")"
server=
say "both official clients are served as they expect"
