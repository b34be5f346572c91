#!/bin/bash
# What happens once in the life of a rollup: its contracts, the models with their prices, the bond behind the receipts.
# What is done is noted beside the deployment's file, so that this may run at every start.
set -euo pipefail

folder=/deployment
deployment=$folder/deployment.json

# as ROLE COMMAND... : a command of `refute rollup`, paid by a role's key.
as() {
    local role=$1
    shift
    REFUTE_KEYSTORE=/run/secrets/$role.json REFUTE_PASSWORD_FILE=/run/secrets/$role.password refute rollup "$@"
}

# once NAME COMMAND...
once() {
    local mark=$folder/$1.done
    shift
    [ -e "$mark" ] && return
    "$@"
    touch "$mark"
}

if [ ! -e "$deployment" ]; then
    # shellcheck disable=SC2086 # several arguments in one variable
    as owner deploy --sequencer "$SEQUENCER_ADDRESS" --output "$deployment" ${DEPLOY_ARGUMENTS:-}
fi
for model in $MODELS; do
    once "announced-${model#*=}" as owner announce --deployment "$deployment" --model "/models/${model#*=}" \
        --price-in "$PRICE_IN" --price-out "$PRICE_OUT"
done
once bonded as sequencer bond --deployment "$deployment" --amount "$BOND"
