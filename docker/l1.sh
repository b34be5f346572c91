#!/bin/bash
# A chain for trying things out: anvil, which gives each address of FUNDED a thousand ether at its first start. Its state
# is kept in this folder, so that a restart of everything finds the contracts again.
set -euo pipefail

anvil --host 0.0.0.0 --chain-id "${CHAIN_ID:-31337}" --accounts 0 --state state.json --state-interval 10 \
    --slots-in-an-epoch 4 --block-time "${BLOCK_SECONDS:-1}" --quiet "$@" &
node=$!
trap 'kill -TERM "$node"' TERM INT

# ask BODY : a JSON-RPC call; fails without an answer that has a result.
ask() {
    local answer
    exec 3<>/dev/tcp/127.0.0.1/8545 || return 1
    printf 'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s' \
        "${#1}" "$1" >&3
    answer=$(cat <&3)
    exec 3<&-
    [[ $answer == *'"result"'* ]]
}

until { ask '{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}'; } 2>/dev/null; do
    kill -0 "$node"
    sleep 0.2
done
if [ ! -e funded ]; then
    for address in $FUNDED; do
        ask '{"jsonrpc":"2.0","id":1,"method":"anvil_setBalance","params":["'"$address"'","0x3635c9adc5dea00000"]}'
    done
    touch funded
fi
# The first wait ends with a signal, the second when the state is written.
wait "$node" || wait "$node"
