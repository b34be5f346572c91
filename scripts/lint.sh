#!/usr/bin/env bash
# Everything that can be said about the code without running it. The first complaint ends it.
. "$(dirname "$0")/lib.sh"

# A path of somebody's machine in a tracked file works nowhere else.
no_home_paths() {
    local pattern='(^|[^[:alnum:]_.~-])/(ro[o]t|home/[[:alnum:]_.-]+|Users/[[:alnum:]_.-]+)/'
    if git grep -nIE "$pattern" -- . ':!*.lock'; then
        die "the lines above hold an absolute path of a home folder"
    fi
}

# The advisory database is a git repository that an offline machine cannot have; the rest of deny.toml always runs.
deny() {
    cargo deny --log-level warn check bans licenses sources
    if timeout 120 cargo deny fetch db >"$STATE/advisories.log" 2>&1; then
        cargo deny --log-level warn check --disable-fetch advisories
    else
        say "WARNING: the advisory database cannot be reached: NO CHECK FOR KNOWN VULNERABILITIES WAS MADE"
    fi
}

tool cargo-deny
no_home_paths
for script in scripts/*.sh docker/*.sh bench/*.sh .ci/run; do bash -n "$script"; done
if command -v shellcheck >/dev/null; then shellcheck scripts/*.sh docker/*.sh bench/*.sh .ci/run; fi
cargo fmt --all --check
scripts/contracts.sh forge fmt --check
if [ "$TORCH" != 0 ]; then scripts/libtorch.sh; fi
# In the tests' profile: what C and C++ the dependencies bring is compiled once for both.
cargo clippy --locked --profile test --workspace "${FEATURES[@]}" --all-targets -- -D warnings
RUSTDOCFLAGS='-D warnings' cargo doc --locked --profile test --workspace "${FEATURES[@]}" --no-deps --quiet
deny
say "lint is clean"
