#!/usr/bin/env bash
# The portable back end on another architecture: compiles the workspace for aarch64, and with `test` runs
# its tests there too, on an emulator.
. "$(dirname "$0")/lib.sh"

target=aarch64-unknown-linux-gnu
rustup target add "$target" || die "the standard library of $target cannot be installed"
need_packages aarch64-linux-gnu-gcc:gcc-aarch64-linux-gnu
[ -e /usr/aarch64-linux-gnu/include/stdio.h ] || install_packages libc6-dev-arm64-cross
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
case ${1:-check} in
check) cargo check --locked --workspace --all-targets --target "$target" ;;
test)
    shift
    need_packages qemu-aarch64:qemu-user
    tool cargo-nextest
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER='qemu-aarch64 -L /usr/aarch64-linux-gnu'
    cargo nextest run --locked --workspace --target "$target" "$@"
    ;;
*) die "usage: aarch64.sh [check|test [FILTER...]]" ;;
esac
