#!/usr/bin/env bash
# Starts run.py in the peer's Python; arguments are passed on (`make bench BENCH="--rounds 3"`).
. "$(dirname "$0")/../scripts/lib.sh"
exec "$STATE/bench/venv/bin/python" bench/run.py "$@"
