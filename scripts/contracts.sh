#!/usr/bin/env bash
# The tools of contracts/: `contracts.sh setup`, or `contracts.sh forge|anvil|cast|halmos|slither ARGUMENT...`,
# which sets up and runs that tool in contracts/. Compiler and libraries are in .cache/solidity, linked as contracts/lib.
. "$(dirname "$0")/lib.sh"

SOLIDITY=$STATE/solidity
ANALYSIS=$STATE/analysis

setup() {
    local name
    need_packages node:nodejs
    npm_folder solc- package "$SOLIDITY/solc"
    npm_folder chainlink-contracts- package/src/v0.8/vendor/forge-std "$SOLIDITY/forge-std"
    npm_folder solady- package/src "$SOLIDITY/solady"
    [ "$(readlink contracts/lib 2>/dev/null)" = ../.cache/solidity ] || ln -sfn ../.cache/solidity contracts/lib
    if [ -z "$(locked foundry-rs-forge-)" ]; then
        say "WARNING: there is no locked Foundry for $(uname -m): forge, anvil and cast must be in the PATH"
        return
    fi
    mkdir -p "$TOOLS/bin"
    for name in forge anvil cast; do
        npm_folder "foundry-rs-$name-" package/bin "$TOOLS/foundry-$name"
        ln -sfn "../foundry-$name/$name" "$TOOLS/bin/$name"
    done
}

# halmos and slither are 300 MB of Python: only their own targets install them.
analysis() {
    cmp -s scripts/analysis.lock "$ANALYSIS/lock" && return
    need_pip
    python3 -c 'import ensurepip, venv' 2>/dev/null || install_packages python3-venv
    say "installing halmos and slither in .cache/analysis"
    rm -rf "$ANALYSIS"
    python3 -m venv "$ANALYSIS"
    "$ANALYSIS/bin/pip" install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
        -r scripts/analysis.lock >&2 || die "cannot install halmos and slither: is the package registry reachable?"
    cp scripts/analysis.lock "$ANALYSIS/lock"
}

run() {
    command -v "$1" >/dev/null || die "$1 is missing, and without it the contracts cannot be built or tested"
    cd contracts
    exec "$@"
}

case ${1:-} in
setup) setup ;;
forge | anvil | cast)
    setup
    run "$@"
    ;;
halmos | slither)
    setup
    analysis
    # Both build in their own way (slither cleans first): not over what forge keeps.
    export PATH=$ANALYSIS/bin:$PATH FOUNDRY_OUT=../.cache/contracts/$1 FOUNDRY_CACHE_PATH=../.cache/contracts/$1-cache
    run "$@"
    ;;
*) die "usage: contracts.sh setup, or contracts.sh forge|anvil|cast|halmos|slither ARGUMENT..." ;;
esac
