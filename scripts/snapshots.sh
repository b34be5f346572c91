#!/usr/bin/env bash
# What others build on: ABI and creation code, storage layouts, gas of every move. `snapshots.sh` writes contracts/abi and
# contracts/snapshots anew; `snapshots.sh check` fails if ABI, code or layouts are stale, `forge test` if the
# gas is.
. "$(dirname "$0")/lib.sh"

CONTRACTS=(BondVault DisputeGame StandInAssertions StepVerifier
    TablesProver NormsProver ProductsProver AttentionProver SamplingProver
    ModelRegistry Inbox Batches Assertions StepGame LedgerVerifier ShapeVerifier Exits Results Receipts)

# Ids of the compiler's syntax tree change with every line: they are left out.
write() {
    local folder=$1 name
    mkdir -p "$folder/abi" "$folder/snapshots"
    for name in "${CONTRACTS[@]}"; do
        python3 - ".cache/contracts/out/$name.sol/$name.json" "$folder" "$name" <<'PYTHON'
import json, re, sys

source, folder, name = sys.argv[1:]
artefact = json.load(open(source))
layout = [
    {key: re.sub(r"\)\d+", ")", str(entry[key])) for key in ("slot", "offset", "label", "type")}
    for entry in artefact["storageLayout"]["storage"]
]
structs = {
    re.sub(r"\)\d+", ")", key): [
        {k: re.sub(r"\)\d+", ")", str(m[k])) for k in ("slot", "offset", "label", "type")} for m in of["members"]
    ]
    for key, of in (artefact["storageLayout"]["types"] or {}).items()
    if "members" in of
}
code = artefact["bytecode"]["object"]
assert "__$" not in code, name + " needs a library to be linked: make its functions internal"
contract = {"abi": artefact["abi"], "bytecode": {"object": code}}
for path, value in (("abi/%s.json", contract), ("snapshots/%s.storage.json", {"storage": layout, "structs": structs})):
    with open(folder + "/" + path % name, "w") as out:
        json.dump(value, out, indent=1, sort_keys=True)
        out.write("\n")
PYTHON
    done
}

scripts/contracts.sh forge build
case ${1:-} in
'')
    FORGE_SNAPSHOT_CHECK=false FORGE_SNAPSHOT_EMIT=true scripts/contracts.sh forge test --match-path test/Gas.t.sol
    write contracts
    ;;
check)
    fresh=$STATE/contracts/fresh
    rm -rf "$fresh"
    write "$fresh"
    for file in "$fresh"/*/*.json; do
        cmp "$file" "contracts/${file#"$fresh"/}" || die "contracts/${file#"$fresh"/} is stale: make snapshots"
    done
    ;;
*) die "usage: snapshots.sh [check]" ;;
esac
