#!/usr/bin/env bash
# Makes what docker/compose.yaml reads as secrets, once: a key for every role, random passwords, the sequencer's settings
# with the store's password; and docker/.env from example.env, with the roles' addresses. What is there stays.
# REFUTE_IMAGE names the image whose `refute` makes the keys. For trying things out; docs/operators.md says what a real
# rollup does otherwise.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=${SECRETS_FOLDER:-$here/secrets}
settings=${ENV_FILE:-$here/.env}
image=${REFUTE_IMAGE:-refute:latest}
DOCKER=${DOCKER:-docker}

say() { printf '%s\n' "refute: $*" >&2; }
die() {
    say "$*"
    exit 1
}

command -v "$DOCKER" >/dev/null || die "Docker is missing: on Debian, as root: apt-get install docker.io docker-compose"
"$DOCKER" image inspect "$image" >/dev/null 2>&1 ||
    die "there is no image $image: build it (docker build -f docker/Dockerfile -t $image .) or name yours in REFUTE_IMAGE"

# The folder is closed. The files in it are readable, since each is mounted alone, for a service with a user of its own.
umask 077
mkdir -p "$folder"
chmod 700 "$folder"
[ -e "$settings" ] || cp "$here/example.env" "$settings"

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

# put FILE : standard input, whole or not at all.
put() {
    cat >"$folder/$1.part"
    chmod 444 "$folder/$1.part"
    mv "$folder/$1.part" "$folder/$1"
}

# set NAME VALUE in the settings
set_value() {
    sed "/^$1=/d" "$settings" >"$settings.part"
    printf '%s=%s\n' "$1" "$2" >>"$settings.part"
    mv "$settings.part" "$settings"
}

for role in owner sequencer challenger defender agent; do
    [ -e "$folder/$role.json" ] && continue
    random | put "$role.password"
    # As whoever runs this: the files belong to the folder's owner.
    made=$("$DOCKER" run --rm --network none --user "$(id -u):$(id -g)" --volume "$folder:/secrets" "$image" \
        --json keystore "/secrets/$role.json" --password-file "/secrets/$role.password")
    chmod 444 "$folder/$role.json"
    address=$(grep -oE '0x[0-9a-fA-F]{40}' <<<"$made" | head -1)
    set_value "${role^^}_ADDRESS" "$address"
    say "$role is $address"
done
if [ ! -e "$folder/database.password" ]; then
    random | put database.password
    printf 'store = "postgres://refute:%s@database/refute"\n' "$(cat "$folder/database.password")" | put sequencer.toml
fi
say "secrets are in $folder, settings in $settings"
