#!/bin/bash
# In the image: libtorch with its CUDA libraries in FOLDER/torch and FOLDER/nvidia, as PyTorch's wheels lay them out, with
# nothing of Python. What links against it needs FOLDER/torch/include.
set -euo pipefail

folder=$1
if [ -e /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi
apt-get update -q
DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends ca-certificates python3 python3-pip
# Of the lock's packages the library and what it is linked against; a package's hashes are the lines below its name.
awk '/^[a-z]/ { wanted = /^(torch|nvidia-)/ } wanted' scripts/fixtures.lock >/tmp/lock
pip install --quiet --disable-pip-version-check --root-user-action ignore --no-cache-dir --no-compile \
    --no-deps --require-hashes --only-binary :all: --target /tmp/wheels -r /tmp/lock
mkdir -p "$folder/torch"
mv /tmp/wheels/torch/lib /tmp/wheels/torch/include "$folder/torch/"
mv /tmp/wheels/nvidia "$folder/nvidia"
rm -f "$folder/torch/lib/libtorch_python.so"
find "$folder/nvidia" \( -name '*.a' -o -name include -o -name bin -o -name '__*' \) -prune -exec rm -rf {} +
# torch-sys asks the linker for -lgomp.
ln -s libgomp.so.1 "$folder/torch/lib/libgomp.so"
rm -rf /tmp/wheels /var/lib/apt/lists/*
