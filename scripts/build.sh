#!/usr/bin/env bash
# The release binary. `build.sh CARGO-ARGUMENTS` builds something else the same way, so that nothing is compiled twice.
. "$(dirname "$0")/lib.sh"

if [ "$TORCH" != 0 ]; then
    scripts/libtorch.sh
fi
if [ $# = 0 ]; then
    set -- --bin refute
fi
exec cargo build --release --locked "${FEATURES[@]}" "$@"
