#!/usr/bin/env bash
# A whole rollup on this machine: `demo.sh demo ...` shows it and ends, `demo.sh devnet ...` keeps it running. Does its own set-up.
. "$(dirname "$0")/lib.sh"

[ $# -gt 0 ] || die "say what to run: scripts/demo.sh demo|devnet, with the options of refute demo|devnet"
scripts/setup.sh
scripts/build.sh
export REFUTE=${CARGO_TARGET_DIR:-target}/release/refute
PRECISION=w8 KV=i16 scripts/model.sh smollm2
PRECISION=w8 KV=i16 scripts/model.sh minilm
exec "$REFUTE" "$@"
