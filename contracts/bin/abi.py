#!/usr/bin/env python3
"""Writes what Rust needs of each deployed contract: ABI and creation code, from forge's output.

    abi.py OUT_FOLDER SNAPSHOT_FOLDER NAME...
"""
import json
import pathlib
import sys

out, snapshots, names = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3:]
for name in names:
    artifact = json.loads((out / f"{name}.sol" / f"{name}.json").read_text())
    code = artifact["bytecode"]["object"]
    if "__$" in code:
        sys.exit(f"{name} needs a library to be linked: make its functions internal")
    lean = {"abi": artifact["abi"], "bytecode": {"object": code}}
    (snapshots / f"{name}.json").write_text(json.dumps(lean, indent=1) + "\n")
