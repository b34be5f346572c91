#!/usr/bin/env bash
# Base images for docker/ without a registry: Debian by debootstrap, this machine's Rust toolchain, Debian's Node and
# PostgreSQL, under the names refute-local/... They stand in for the official images where none can be pulled.
. "$(dirname "$0")/lib.sh"

DOCKER=${DOCKER:-docker}
MIRROR=${DEBIAN_MIRROR:-http://deb.debian.org/debian}

have() { "$DOCKER" image inspect "$1" >/dev/null 2>&1; }

# build NAME : an image from a Dockerfile on standard input.
build() { DOCKER_BUILDKIT=1 "$DOCKER" build --network host --progress plain -q -t "$1" - >/dev/null; }

debian() {
    local folder
    have refute-local/debian && return
    say "making refute-local/debian with debootstrap"
    folder=$(mktemp -d)
    # shellcheck disable=SC2064 # this folder, not a later one
    trap "rm -rf --one-file-system '$folder'" EXIT
    debootstrap --variant=minbase bookworm "$folder/tree" "$MIRROR" >"$folder/log" 2>&1 ||
        die "debootstrap failed: $(tail -3 "$folder/log")"
    # As the official image: apt keeps neither packages nor indexes, dpkg no documentation.
    rm -rf "$folder"/tree/var/cache/apt/* "$folder"/tree/var/lib/apt/lists/* "$folder"/tree/usr/share/{doc,locale,man}/*
    printf '%s\n' 'Dir::Cache::pkgcache "";' 'Dir::Cache::srcpkgcache "";' 'APT::Keep-Downloaded-Packages "false";' \
        >"$folder/tree/etc/apt/apt.conf.d/docker-clean"
    printf '%s\n' 'path-exclude /usr/share/doc/*' 'path-exclude /usr/share/man/*' 'path-exclude /usr/share/locale/*' \
        >"$folder/tree/etc/dpkg/dpkg.cfg.d/docker"
    tar -C "$folder/tree" --numeric-owner -c . |
        "$DOCKER" import --change 'CMD ["bash"]' --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
            - refute-local/debian >/dev/null
}

# As the official slim image: a C compiler, and the toolchain with nothing that only developers use.
rust() {
    local container sysroot
    have refute-local/rust && return
    command -v rustc >/dev/null || die "Rust is missing: install it from https://rustup.rs, then run again"
    say "making refute-local/rust from this machine's toolchain"
    sysroot=$(rustc --print sysroot)
    container=$("$DOCKER" create --network host refute-local/debian bash -c 'export DEBIAN_FRONTEND=noninteractive; apt-get update -q && apt-get install -y -q \
        --no-install-recommends ca-certificates gcc libc6-dev && rm -rf /var/lib/apt/lists/*')
    tar -C "$sysroot" --transform 's,^,rust/,' --exclude='lib/rustlib/src' --exclude='lib/rustlib/wasm*' \
        -c bin/cargo bin/rustc lib | "$DOCKER" cp - "$container:/usr/local"
    "$DOCKER" start --attach "$container" >/dev/null || die "a C compiler cannot be installed: does $MIRROR answer?"
    "$DOCKER" commit --change 'ENV PATH=/usr/local/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
        --change 'CMD ["bash"]' "$container" refute-local/rust >/dev/null
    "$DOCKER" rm "$container" >/dev/null
}

node() {
    have refute-local/node && return
    say "making refute-local/node from Debian's package"
    build refute-local/node <<'END'
FROM refute-local/debian
RUN apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
    ca-certificates nodejs npm && rm -rf /var/lib/apt/lists/*
END
}

# What docker/compose.yaml uses of the official image: user, folders, the three variables, initdb at the first start.
postgres() {
    have refute-local/postgres && return
    say "making refute-local/postgres from Debian's package"
    build refute-local/postgres <<'END'
FROM refute-local/debian
RUN groupadd --gid 999 postgres && useradd --uid 999 --gid 999 --home-dir /var/lib/postgresql postgres && \
    apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
    postgresql-15 && rm -rf /var/lib/apt/lists/* /var/lib/postgresql/* && \
    install -d -m 700 -o postgres -g postgres /var/lib/postgresql/data && \
    install -d -m 2775 -o postgres -g postgres /var/run/postgresql
RUN printf '%s\n' '#!/bin/bash' 'set -euo pipefail' \
    'if [ ! -s "$PGDATA/PG_VERSION" ]; then' \
    '    initdb -U "$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" --auth-host=scram-sha-256 --auth-local=trust >/dev/null' \
    '    echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"' \
    '    echo "create database \"$POSTGRES_DB\"" | postgres --single -D "$PGDATA" postgres >/dev/null' \
    'fi' 'exec "$@" -c listen_addresses="*"' >/usr/local/bin/docker-entrypoint.sh && chmod 755 /usr/local/bin/docker-entrypoint.sh
ENV PATH=/usr/lib/postgresql/15/bin:$PATH PGDATA=/var/lib/postgresql/data
VOLUME /var/lib/postgresql/data
STOPSIGNAL SIGINT
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["postgres"]
END
}

[ "$(id -u)" = 0 ] || die "debootstrap needs root: run as root, or pull the official images instead (leave BASES out)"
need_packages debootstrap:debootstrap
debian
rust
node
postgres
