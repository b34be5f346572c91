#!/usr/bin/env bash
# libtorch for the feature `torch`, without its CUDA libraries, in .cache/libtorch: its headers, its processor library and
# what that is linked against. From the wheels of PyPI, of which nothing else is kept. Idempotent.
. "$(dirname "$0")/lib.sh"

FOLDER=$STATE/libtorch
STAMP=$FOLDER/lock
# The order in which torch-sys links does not matter: libtorch.so is a script that names the one library.
WANTED=$(grep -E '^(torch|nvidia-cuda-(runtime|cupti))==' scripts/sources.lock | sha256sum)

if [ "$(uname -m)" != x86_64 ]; then
    die "libtorch is locked for x86_64 alone: build with TORCH=0 here"
fi
if [ "$(cat "$STAMP" 2>/dev/null)" = "$WANTED" ]; then
    exit
fi
need_packages python3:python3
torch=$(fetch torch-)
runtime=$(fetch nvidia_cuda_runtime-)
cupti=$(fetch nvidia_cuda_cupti-)
rm -rf "$FOLDER" "$FOLDER.part"
mkdir -p "$FOLDER.part/lib"
python3 - "$FOLDER.part" "$torch" "$runtime" "$cupti" <<'END'
"""Takes out of wheels what is wanted and nothing else: the whole of them is two gigabytes."""
import shutil
import sys
import zipfile
from pathlib import Path

folder, wheels = Path(sys.argv[1]), sys.argv[2:]
LIBRARIES = {"libtorch_cpu.so", "libc10.so", "libgomp.so.1", "libcudart.so.13", "libcupti.so.13"}
found = set()
for wheel in wheels:
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            name = Path(entry.filename).name
            if entry.filename.startswith("torch/include/") and not entry.is_dir():
                to = folder / entry.filename.removeprefix("torch/")
            elif name in LIBRARIES:
                to = folder / "lib" / name
                found.add(name)
            else:
                continue
            to.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(entry) as source, open(to, "wb") as out:
                shutil.copyfileobj(source, out)
if found != LIBRARIES:
    sys.exit(f"the wheels lack {', '.join(sorted(LIBRARIES - found))}")
END
ln -s libgomp.so.1 "$FOLDER.part/lib/libgomp.so"
echo 'INPUT(libtorch_cpu.so)' >"$FOLDER.part/lib/libtorch.so"
mv "$FOLDER.part" "$FOLDER"
printf '%s\n' "$WANTED" >"$STAMP"
say "unpacked libtorch in .cache/libtorch"
