# Shared by the scripts of this folder; sourced, never run. Every path is derived from the checkout.
# shellcheck shell=bash
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
STATE=$ROOT/.cache
DOWNLOADS=${XDG_CACHE_HOME:-$HOME/.cache}/refute/downloads
# shellcheck disable=SC2034 # setup.sh reads it
SOURCES=${XDG_CACHE_HOME:-$HOME/.cache}/refute/sources
TOOLS=$STATE/tools
export PATH=$TOOLS/bin:$PATH
cd "$ROOT"

# libtorch is part of what is built unless TORCH=0. There is a locked one for x86_64 alone.
if [ "$(uname -m)" = x86_64 ]; then TORCH=${TORCH:-1}; else TORCH=0; fi
export TORCH
FEATURES=()
if [ "$TORCH" != 0 ]; then
    # shellcheck disable=SC2034 # whoever builds reads it
    FEATURES=(--features "executor/torch,refute/torch")
    export LIBTORCH=$STATE/libtorch
    # Tests are linked without a path to it; the binary has one.
    export LD_LIBRARY_PATH=$LIBTORCH/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
fi

say() { printf '%s\n' "refute: $*" >&2; }
die() {
    say "$*"
    exit 1
}

# need_packages COMMAND:PACKAGE... : names the Debian packages whose command is missing, then installs them.
need_packages() {
    local pair missing=()
    for pair in "$@"; do
        command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
    done
    if [ ${#missing[@]} -gt 0 ]; then
        install_packages "${missing[@]}"
    fi
}

install_packages() {
    local run=()
    [ "$(id -u)" = 0 ] || run=(sudo)
    say "these Debian packages are missing and will be installed: $*"
    command -v apt-get >/dev/null || die "no apt-get here: install the equivalents of '$*' and run again"
    [ ${#run[@]} = 0 ] || command -v sudo >/dev/null || die "as root, run: apt-get install $*"
    "${run[@]}" apt-get update -q >&2
    "${run[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >&2
}

# Python with a working pip (Debian ships them apart).
need_pip() {
    need_packages python3:python3
    python3 -m pip --version >/dev/null 2>&1 || install_packages python3-pip
}

has_sha256() { echo "$2  $1" | sha256sum --check --status 2>/dev/null; }

# fetch PREFIX : prints the path of the one locked file whose name begins with PREFIX and fits this
# machine, downloading it if the cache does not have it with the locked hash.
fetch() {
    local package hash file
    read -r package hash file < <(locked "$1") || die "scripts/sources.lock has no $1 for $(uname -m)"
    if ! has_sha256 "$DOWNLOADS/$file" "$hash"; then
        say "downloading $package"
        download "$package" "$file"
        has_sha256 "$DOWNLOADS/$file" "$hash" || {
            rm -f "$DOWNLOADS/$file"
            die "$file is not the file of scripts/sources.lock (sha256 differs); it was removed"
        }
    fi
    printf '%s\n' "$DOWNLOADS/$file"
}

# The locked line of a file; npm's archives (.tgz) name a machine in their own way, or none at all.
locked() {
    local machine npm
    machine=$(uname -m)
    case $machine in x86_64) npm=linux-amd64 ;; aarch64) npm=linux-arm64 ;; *) npm=linux-$machine ;; esac
    awk -v prefix="$1" -v machine="$machine" -v npm="$npm" \
        '$3 && !/^#/ && index($3, prefix) == 1 && ($3 ~ /[.]tgz$/ ? $3 !~ /linux-/ || index($3, npm) \
            : $3 ~ /none-any|[.]tar[.]gz$/ || index($3, machine))' \
        "$ROOT/scripts/sources.lock"
}

download() {
    local package=$1 file=$2 form=(--only-binary :all:)
    mkdir -p "$DOWNLOADS"
    rm -f "$DOWNLOADS/$file"
    if [[ $file == *.tgz ]]; then
        need_packages node:nodejs npm:npm
        npm pack --loglevel=error --pack-destination "$DOWNLOADS" "${package/==/@}" >/dev/null ||
            die "cannot download $package: is the package registry reachable?"
        return
    fi
    need_pip
    [[ $file == *.whl ]] || form=(--no-binary "${package%%=*}")
    # A wheel of one version of Python (we want the libraries in it) is fetched whatever the machine's version is.
    if [[ $file =~ -cp([0-9]+)-(cp[0-9]+)-(.*)[.]whl$ ]]; then
        form+=(--implementation cp --python-version "${BASH_REMATCH[1]}" --abi "${BASH_REMATCH[2]}" --platform "${BASH_REMATCH[3]}")
    fi
    python3 -m pip download --quiet --disable-pip-version-check --no-deps "${form[@]}" \
        --dest "$DOWNLOADS" "$package" >&2 || die "cannot download $package: is the package registry reachable?"
}

# unpack ARCHIVE FOLDER-INSIDE TARGET : a folder of a wheel or of an npm archive, put in place in one move.
unpack() {
    local partial=$3.part.$$
    rm -rf "$partial"
    mkdir -p "$partial"
    case $1 in
    *.tgz) tar -xzf "$1" -C "$partial" "$2" ;;
    *) python3 -m zipfile -e "$1" "$partial" ;;
    esac
    rm -rf "$3"
    mkdir -p "$(dirname "$3")"
    mv "$partial/$2" "$3"
    rm -rf "$partial"
}

# tool NAME : the cargo tool NAME at the locked version, in .cache/tools and nowhere else.
tool() {
    local package hash file wheel stamp=$TOOLS/$1.lock
    read -r package hash file < <(locked "astral_dev_toolchain_${1//-/_}-") || die "no locked $1 for $(uname -m)"
    if [ -x "$TOOLS/bin/$1" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$hash" ]; then
        return
    fi
    wheel=$(fetch "$file")
    mkdir -p "$TOOLS/bin"
    unpack "$wheel" "${file%%-py3*}.data/scripts" "$TOOLS/unpacked-$1"
    install -m 755 "$TOOLS/unpacked-$1/$1" "$TOOLS/bin/$1"
    rm -rf "$TOOLS/unpacked-$1"
    printf '%s\n' "$hash" >"$stamp"
    say "installed ${package##*toolchain-} in .cache/tools"
}

# npm_folder PREFIX FOLDER-INSIDE TARGET : a folder of a locked npm archive, unpacked again when the lock changes.
npm_folder() {
    local package hash file archive stamp=$3.lock
    read -r package hash file < <(locked "$1") || die "scripts/sources.lock has no $1 for $(uname -m)"
    if [ -d "$3" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$hash" ]; then
        return
    fi
    archive=$(fetch "$file")
    unpack "$archive" "$2" "$3"
    printf '%s\n' "$hash" >"$stamp"
    say "unpacked $package"
}
