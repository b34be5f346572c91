"""Requantises a GGUF file to Q8_0, the format the peer is measured in: `quantize.py IN.gguf OUT.gguf`."""

import os
import sys

import llama_cpp as llama


def main():
    source, target = sys.argv[1:3]
    params = llama.llama_model_quantize_default_params()
    params.ftype = llama.LLAMA_FTYPE_MOSTLY_Q8_0
    params.allow_requantize = True
    params.nthread = os.cpu_count()
    unfinished = target + ".part"
    if llama.llama_model_quantize(source.encode(), unfinished.encode(), params) != 0:
        sys.exit(f"quantize: llama.cpp refused {source}")
    os.replace(unfinished, target)


if __name__ == "__main__":
    main()
