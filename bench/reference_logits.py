"""Logits of llama.cpp for every position of a token list, as JSON: the float truth that importers are tested against.

Weights are used as they are in the file (make it F32), the KV cache is F32, flash attention is off, one
thread: as close to plain float arithmetic as llama.cpp gets. Made for tiny random models, one file per
architecture: the output holds positions x vocabulary numbers.
"""

import argparse
import ctypes
import json
import sys

import llama_cpp as llama
import numpy as np
from peer import errors_only

# The value of ggml's enum ggml_type.
GGML_TYPE_F32 = 0


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a GGUF file")
    parser.add_argument("tokens", help='token ids as JSON ("[1, 2, 3]"), or the path of a file that holds them')
    return parser.parse_args()


def read_tokens(text):
    if text.lstrip().startswith("["):
        return json.loads(text)
    with open(text, encoding="utf-8") as file:
        return json.load(file)


def load(path):
    params = llama.llama_model_default_params()
    params.n_gpu_layers = 0
    params.use_extra_bufts = False  # no repacking: the kernels that work on the file's own layout
    model = llama.llama_model_load_from_file(path.encode(), params)
    return model or sys.exit(f"reference_logits: llama.cpp cannot load {path}")


def context(model, n_tokens):
    params = llama.llama_context_default_params()
    params.n_ctx = n_tokens
    params.n_batch = n_tokens
    params.n_ubatch = n_tokens
    params.n_outputs_max = n_tokens
    params.n_threads = 1
    params.n_threads_batch = 1
    params.type_k = GGML_TYPE_F32
    params.type_v = GGML_TYPE_F32
    params.flash_attn_type = llama.LLAMA_FLASH_ATTN_TYPE_DISABLED
    params.swa_full = True
    return llama.llama_init_from_model(model, params) or sys.exit("reference_logits: llama.cpp refused the context")


def logits(model, tokens):
    """float32 array of shape (positions, vocabulary)."""
    n_vocab = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(model))
    ctx = context(model, len(tokens))
    batch = llama.llama_batch_init(len(tokens), 0, 1)
    batch.n_tokens = len(tokens)
    for position, token in enumerate(tokens):
        batch.token[position] = token
        batch.pos[position] = position
        batch.n_seq_id[position] = 1
        batch.seq_id[position][0] = 0
        batch.logits[position] = True
    status = llama.llama_decode(ctx, batch)
    if status != 0:
        sys.exit(f"reference_logits: llama_decode failed with status {status}")
    rows = [llama.llama_get_logits_ith(ctx, position) for position in range(len(tokens))]
    return np.stack([np.ctypeslib.as_array(row, shape=(n_vocab,)).copy() for row in rows])


def main():
    args = arguments()
    tokens = read_tokens(args.tokens)
    llama.llama_log_set(errors_only, ctypes.c_void_p(0))
    llama.llama_backend_init()
    rows = logits(load(args.model), tokens)
    # str() of a numpy float32 is its shortest text that reads back the same.
    shown = [[float(str(value)) for value in row] for row in rows]
    print(json.dumps({"llama_cpp_python": llama.__version__, "tokens": tokens, "n_vocab": rows.shape[1], "logits": shown}))


if __name__ == "__main__":
    main()
