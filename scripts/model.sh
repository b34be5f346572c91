#!/usr/bin/env bash
# Imports a model into .cache/models: `model.sh smollm2|minilm`.
# PRECISION=w8|w16 and KV=i16|i8 choose the variant; REFUTE names the binary, else a release build is made.
# An import is done again when its source, its flags or the importing code has changed.
. "$(dirname "$0")/lib.sh"

which=${1:?usage: model.sh smollm2|minilm}
precision=${PRECISION:-w8}
kv=${KV:-i16}

case $which in
smollm2) source=$STATE/sources/SmolLM2-135M-Instruct.Q4_1.gguf name=smollm2-135m ;;
minilm) source=$STATE/sources/all-MiniLM-L6-v2 name=all-minilm-l6-v2 ;;
*) die "unknown model '$which': smollm2 or minilm" ;;
esac
case $precision in w8 | w16) name=$name-$precision ;; *) die "PRECISION=$precision: w8 or w16" ;; esac
flags=(--precision "$precision")
case $which-$kv in
*-i16) ;;
smollm2-i8) name=$name-kv8 flags+=(--kv i8) ;;
*) die "KV=$kv: i16 or i8, and i8 only for a model with a KV cache" ;;
esac
target=$STATE/models/$name

[ -e "$source" ] || die "$source is missing: run make setup"

# What decides an import's result: the sources' hashes, the flags, and the code.
fingerprint() {
    {
        cat scripts/models.sha256
        printf '%s\n' "${flags[@]}"
        find bisection executor Cargo.lock -type f \( -name '*.rs' -o -name '*.toml' -o -name '*.lock' \) -print0 |
            sort -z | xargs -0 sha256sum
    } | sha256sum | cut -d' ' -f1
}

now=$(fingerprint)
if [ -d "$target" ] && [ "$(cat "$target.imported" 2>/dev/null)" = "$now" ]; then
    say "$name is up to date"
    exit 0
fi
if [ -z "${REFUTE:-}" ]; then
    scripts/build.sh
    REFUTE=${CARGO_TARGET_DIR:-target}/release/refute
fi
say "importing $name"
mkdir -p "$STATE/models"
rm -rf "$target" "$target.imported" "$target.part"
"$REFUTE" model import "$source" -o "$target.part" "${flags[@]}"
mv "$target.part" "$target"
printf '%s\n' "$now" >"$target.imported"
say "$name is at .cache/models/$name"
