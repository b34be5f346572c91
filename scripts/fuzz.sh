#!/usr/bin/env bash
# Runs every fuzz target for FUZZ_SECONDS (600) each; a crash ends it and is kept in fuzz/artifacts.
. "$(dirname "$0")/lib.sh"

[ -d fuzz/fuzz_targets ] || die "there are no fuzz targets in fuzz/fuzz_targets"
rustup toolchain list | grep -q '^nightly' || die "libFuzzer needs a nightly compiler: rustup toolchain install nightly"
need_packages c++:build-essential
tool cargo-fuzz
for target in fuzz/fuzz_targets/*.rs; do
    target=$(basename "$target" .rs)
    say "fuzzing $target for ${FUZZ_SECONDS:-600} s"
    mkdir -p "fuzz/corpus/$target"
    cargo +nightly fuzz run "$target" -- -max_total_time="${FUZZ_SECONDS:-600}" -rss_limit_mb=1024 -timeout=10
done
