#!/usr/bin/env bash
# The portable back end on another architecture: checks that the workspace compiles for aarch64.
# The cross compiler is for the C parts of dependencies (oniguruma).
. "$(dirname "$0")/lib.sh"

target=aarch64-unknown-linux-gnu
rustup target add "$target" || die "the standard library of $target cannot be installed"
need_packages aarch64-linux-gnu-gcc:gcc-aarch64-linux-gnu
[ -e /usr/aarch64-linux-gnu/include/stdio.h ] || install_packages libc6-dev-arm64-cross
cargo check --locked --workspace --all-targets --target "$target"
