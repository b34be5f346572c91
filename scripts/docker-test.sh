#!/usr/bin/env bash
# docker/ for real: builds the images, brings everything up on a chain for trying things out, takes one inference to
# finality, looks at health, users and file systems, and takes everything down again.
#
#   BASES=local            makes the base images on this machine (debootstrap) instead of pulling them
#   DOCKER, COMPOSE        the commands, where they are not `docker` and `docker compose` or `docker-compose`
#   BUILD_ARGUMENTS        more arguments of `docker build`: --network host, --secret id=ca,src=FILE, ...
#   REFUTE_IMAGE, L1_IMAGE images that are there already: nothing is built
#   FINALITY_SECONDS       how long an answer may take to be final (default 300)
#   KEEP=1                 leaves everything running, for looking around
. "$(dirname "$0")/lib.sh"

DOCKER=${DOCKER:-docker}
PROJECT=refute-test
WORK=$STATE/docker
PORT=${PORT:-18080}
API=http://127.0.0.1:$PORT
FINALITY_SECONDS=${FINALITY_SECONDS:-300}

need_packages docker:docker.io python3:python3
"$DOCKER" info >/dev/null 2>&1 ||
    die "the Docker daemon does not answer: start it (systemctl start docker, or dockerd as root) and be in its group"
if [ -n "${COMPOSE:-}" ]; then
    read -r -a compose_command <<<"$COMPOSE"
elif "$DOCKER" compose version >/dev/null 2>&1; then
    compose_command=("$DOCKER" compose)
else
    need_packages docker-compose:docker-compose
    compose_command=(docker-compose)
fi
# Since Docker 23 the client needs a plugin for BuildKit; Debian 12's has it built in.
can_build() { "$DOCKER" buildx version >/dev/null 2>&1 || [ "$("$DOCKER" version -f '{{.Client.Version}}' | cut -d. -f1)" -lt 23 ]; }

compose() {
    "${compose_command[@]}" --project-name "$PROJECT" --env-file "$WORK/env" \
        --file docker/compose.yaml --file docker/compose.l1.yaml "$@"
}

build() {
    local arguments=()
    can_build || die "$DOCKER cannot use BuildKit: install its buildx plugin, or name another client in DOCKER (Debian 12: /usr/bin/docker of docker.io)"
    if [ "${BASES:-}" = local ]; then
        scripts/docker-bases.sh
        arguments+=(--build-arg RUST_IMAGE=refute-local/rust --build-arg DEBIAN_IMAGE=refute-local/debian
            --build-arg NODE_IMAGE=refute-local/node)
        export POSTGRES_IMAGE=${POSTGRES_IMAGE:-refute-local/postgres}
    fi
    # shellcheck disable=SC2206 # several arguments in one variable
    arguments+=(${BUILD_ARGUMENTS:-})
    local target
    for target in refute l1; do
        say "building the image $PROJECT/$target"
        DOCKER_BUILDKIT=1 "$DOCKER" build --progress plain "${arguments[@]}" --file docker/Dockerfile --target "$target" \
            --tag "$PROJECT/$target" . >"$WORK/build-$target.log" 2>&1 || {
            tail -n 30 "$WORK/build-$target.log" >&2
            die "the image cannot be built: the whole log is in .cache/docker/build-$target.log"
        }
    done
    export REFUTE_IMAGE=$PROJECT/refute L1_IMAGE=$PROJECT/l1
}

# The model is imported by the image itself, unless it is here.
model() {
    scripts/setup.sh
    cat >"$WORK/refute" <<END
#!/bin/sh
exec $DOCKER run --rm --network none --user $(id -u):$(id -g) -v '$STATE:$STATE' -v '$SOURCES:$SOURCES:ro' $REFUTE_IMAGE "\$@"
END
    chmod +x "$WORK/refute"
    REFUTE=$WORK/refute PRECISION=w8 KV=i16 scripts/model.sh smollm2
}

finish() {
    local code=$?
    trap - EXIT
    if [ "$code" != 0 ]; then
        compose ps >&2 || true
        compose logs --no-color --tail 25 >&2 || true
    fi
    if [ "${KEEP:-}" = 1 ]; then
        say "everything is left running: ${compose_command[*]} --project-name $PROJECT ps"
    else
        compose --profile agent down --volumes --timeout 40 >/dev/null 2>&1 || true
    fi
    exit "$code"
}

container() { compose ps -q "$1"; }
agent() { compose run --rm -T agent --json rollup "$@"; }
field() { python3 -c 'import json,sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }

# until_healthy SERVICE...
until_healthy() {
    local service state end=$((SECONDS + 240))
    for service in "$@"; do
        until state=$("$DOCKER" inspect -f '{{.State.Health.Status}}' "$(container "$service")") && [ "$state" = healthy ]; do
            [ $SECONDS -lt $end ] || die "$service is $state after four minutes"
            sleep 1
        done
        say "$service is healthy"
    done
}

# Neither root, nor a way to become it, nor a file system to change.
check_confined() {
    local service id users
    for service in "$@"; do
        id=$(container "$service")
        users=$("$DOCKER" top "$id" -eo pid,uid | awk 'NR > 1 { print $2 }' | sort -u | xargs)
        [[ $users =~ ^[1-9][0-9]*$ ]] || die "$service does not run as one user without rights: uid ${users:-unknown}"
        [ "$("$DOCKER" inspect -f '{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}}' "$id")" = "true [ALL]" ] ||
            die "$service has capabilities or a file system that can be written"
        "$DOCKER" exec "$id" bash -c '! touch /etc/x /usr/local/bin/x 2>/dev/null' || die "$service can write to its system"
        "$DOCKER" exec "$id" grep -q '^NoNewPrivs:[[:space:]]*1$' /proc/self/status || die "$service can gain privileges"
    done
    say "no process of root, no file system that can be written: $*"
}

# What a service logs is JSON, line by line.
check_logs() {
    local service
    for service in "$@"; do
        "$DOCKER" logs "$(container "$service")" 2>&1 |
            python3 -c 'import json,sys; n = sum(1 for line in sys.stdin if json.loads(line)); sys.exit(n == 0)' ||
            die "$service logs something that is no JSON line, or nothing"
    done
    say "logs are JSON: $*"
}

mkdir -p "$WORK"
chmod 700 "$WORK"
if [ -z "${REFUTE_IMAGE:-}" ] || [ -z "${L1_IMAGE:-}" ]; then build; fi
export REFUTE_IMAGE L1_IMAGE DOCKER
model
rm -rf "$WORK/secrets" "$WORK/env"
export MODELS_FOLDER=$STATE/models API_ADDRESS=127.0.0.1:$PORT SECRETS_FOLDER=$WORK/secrets ENV_FILE=$WORK/env
docker/secrets.sh
trap finish EXIT
compose --profile agent down --volumes >/dev/null 2>&1 || true # what a test that was killed left behind

services=(database l1 sequencer challenger defender)
say "bringing everything up"
compose up -d "${services[@]}" >"$WORK/up.log" 2>&1 || {
    tail -n 20 "$WORK/up.log" >&2
    die "compose cannot bring everything up"
}
until_healthy "${services[@]}"
check_confined "${services[@]}"

say "a user deposits, makes an API key and asks"
account=$(agent deposit --amount 1 | field account)
key=
for _ in $(seq 60); do
    key=$(agent key --account "$account" --cap 0.5 2>"$WORK/key.log" | field api_key 2>/dev/null) && break
    sleep 2
done
[ -n "$key" ] || die "the sequencer gives no API key within two minutes: $(cat "$WORK/key.log")"
request=$(API_KEY=$key python3 scripts/docker-ask.py "$API" "$FINALITY_SECONDS")
agent proof "$request" >/dev/null || die "the sequencer says that $request is final, and the contract does not"
say "the contract confirms it"

check_logs sequencer challenger defender
say "everything is stopped, and started again"
compose stop --timeout 40 >/dev/null 2>&1
compose up -d "${services[@]}" >"$WORK/up.log" 2>&1 || die "compose cannot start again what it stopped: $(tail -n 5 "$WORK/up.log")"
until_healthy "${services[@]}"
[ "$("$DOCKER" inspect -f '{{.State.ExitCode}}' "$(compose ps -a -q deploy 2>/dev/null || container deploy)")" = 0 ] ||
    die "deploy fails when all is done already"
API_KEY=$key python3 scripts/docker-ask.py "$API" 60 "$request" >/dev/null
say "docker/ works"
