#!/bin/bash
# In the image: builds `refute` into /out. Arguments are cargo's.
set -euo pipefail

if [ -e /run/secrets/ca ]; then export CARGO_HTTP_CAINFO=/run/secrets/ca; fi
if [ -z "${CARGO_BUILD_JOBS:-}" ]; then unset CARGO_BUILD_JOBS; fi
# The image's own toolchain, whatever rust-toolchain.toml would make rustup fetch beside it; they must be the same one.
# Sources, dependencies and tools are at fixed paths, and Cargo.lock is binding: the same commit makes the same binary.
pinned=$(sed -n 's/^channel = "\(.*\)"$/\1/p' rust-toolchain.toml)
export RUSTUP_TOOLCHAIN=$pinned CARGO_HOME=/usr/local/cargo
case "$(rustc --version)" in
"rustc $pinned "*) ;;
*)
    echo "rust-toolchain.toml wants $pinned" >&2
    exit 1
    ;;
esac
cargo build --release --locked --bin refute "$@"
mkdir /out
strip --strip-debug -o /out/refute target/release/refute
