"""Writes the vectors beside this file: random blocks and what the PyPI package `gguf` decodes them to.

pip install gguf; python generate.py
"""
import json
import pathlib

import numpy as np
from gguf import GGMLQuantizationType as Kind
from gguf.constants import GGML_QUANT_SIZES
from gguf.quants import dequantize

# Byte offsets of the f16 scales of a block.
SCALES = {
    "F32": [], "F16": [], "BF16": [], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2],
    "Q8_0": [0], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
}
random = np.random.default_rng(20261122)
for name, offsets in SCALES.items():
    kind = Kind[name]
    numbers, size = GGML_QUANT_SIZES[kind]
    if offsets:
        blocks = random.integers(0, 256, (2, size), dtype=np.uint8)
        for offset in offsets:
            scales = random.normal(0, 0.02, (2, 1)).astype("<f2")
            blocks[:, offset:offset + 2] = scales.view(np.uint8)
        stored = blocks.reshape(1, -1)
    else:
        values = random.normal(0, 1, (1, 32)).astype("<f4")
        if name == "F16":
            stored = values.astype("<f2").view(np.uint8)
        elif name == "BF16":
            stored = (values.view("<u4") >> 16).astype("<u2").view(np.uint8)
        else:
            stored = values.view(np.uint8)
    if name in ("F32", "F16"):
        decoded = stored.view("<f4" if name == "F32" else "<f2").astype("<f4")
    else:
        decoded = dequantize(stored, kind).astype("<f4")
    vector = {"encoding": name, "stored": stored.tobytes().hex(), "f32": decoded.tobytes().hex()}
    path = pathlib.Path(__file__).with_name(f"{name.lower()}.json")
    path.write_text(json.dumps(vector, indent=1) + "\n")
