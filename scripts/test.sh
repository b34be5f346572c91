#!/usr/bin/env bash
# Every test, from nothing: set-up, the contracts, the models that tests read, documentation tests, then the suite.
# One compilation serves both the imports and the suite: the `test` profile, optimised, overflow checks on.
. "$(dirname "$0")/lib.sh"

scripts/setup.sh
scripts/contracts.sh forge test
scripts/snapshots.sh check
cargo build --locked --workspace --bins --profile test
export REFUTE=${CARGO_TARGET_DIR:-target}/debug/refute
PRECISION=w8 KV=i16 scripts/model.sh smollm2
PRECISION=w8 KV=i16 scripts/model.sh minilm
cargo test --locked --workspace --doc --quiet
cargo nextest run --locked --workspace "$@"
