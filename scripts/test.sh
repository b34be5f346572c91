#!/usr/bin/env bash
# Every test, from nothing: set-up, the contracts, the models that tests read, documentation tests, then the suite.
# One compilation serves both the imports and the suite: the `test` profile, optimised, overflow checks on.
. "$(dirname "$0")/lib.sh"

scripts/setup.sh
# The sequencer's store is tested on SQLite and on PostgreSQL; a cluster of its own, whatever the machine runs.
command -v initdb >/dev/null || need_packages pg_ctlcluster:postgresql
scripts/contracts.sh forge test
scripts/snapshots.sh check
cargo build --locked --workspace "${FEATURES[@]}" --bins --profile test
export REFUTE=${CARGO_TARGET_DIR:-target}/debug/refute
PRECISION=w8 KV=i16 scripts/model.sh smollm2
PRECISION=w8 KV=i16 scripts/model.sh minilm
cargo test --locked --workspace "${FEATURES[@]}" --doc --quiet
cargo nextest run --locked --workspace "${FEATURES[@]}" --test-threads $((2 * $(nproc))) "$@"
