"""One run of the peer (llama.cpp through llama-cpp-python's C bindings), printed as one JSON line.

The command line and the keys printed are those of `refute bench`, so that run.py treats both alike.
Fairness: the same two threads, one warm-up on the same context, weights repacked for the machine as
llama.cpp likes them, and greedy choice inside the timed loop because our side chooses there too
(an argmax over 49,152 floats: about 20 us a token).
"""

import argparse
import ctypes
import json
import sys
import time

import llama_cpp as llama
import numpy as np

FLASH = {
    "on": llama.LLAMA_FLASH_ATTN_TYPE_ENABLED,
    "off": llama.LLAMA_FLASH_ATTN_TYPE_DISABLED,
}
BATCH_TOKENS = 512
WARM_UP_TOKENS = 16


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="a GGUF file")
    parser.add_argument("--measure", required=True, choices=["decode", "prefill", "batch"])
    parser.add_argument("--tokens", type=int, required=True, help="generated per sequence, or prefilled")
    parser.add_argument("--context", type=int, default=16, help="tokens before the first generated one")
    parser.add_argument("--sequences", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--flash", choices=sorted(FLASH), default="on")
    return parser.parse_args()


@ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
def errors_only(level, text, _):
    """ggml's log: 4 is an error, anything lower is talk."""
    if level == 4:
        sys.stderr.write(text.decode(errors="replace"))


class Peer:
    """A model and one context; sequence ids run from 0."""

    def __init__(self, args, ctx_tokens_per_sequence):
        llama.llama_log_set(errors_only, ctypes.c_void_p(0))
        llama.llama_backend_init()
        model_params = llama.llama_model_default_params()
        model_params.n_gpu_layers = 0
        self.model = llama.llama_model_load_from_file(args.model.encode(), model_params)
        if not self.model:
            sys.exit(f"peer: cannot load {args.model}; `make bench` makes it")
        self.n_vocab = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(self.model))
        params = llama.llama_context_default_params()
        params.n_ctx = ctx_tokens_per_sequence * args.sequences
        params.n_batch = BATCH_TOKENS
        params.n_ubatch = BATCH_TOKENS
        params.n_seq_max = args.sequences
        params.n_threads = args.threads
        params.n_threads_batch = args.threads
        params.flash_attn_type = FLASH[args.flash]
        params.no_perf = True
        self.ctx = llama.llama_init_from_model(self.model, params)
        if not self.ctx:
            sys.exit("peer: llama.cpp refused the context")
        self.batch = llama.llama_batch_init(BATCH_TOKENS, 0, 1)

    def decode(self, rows):
        """Runs rows of (token, position, sequence, wants_logits) as one batch; returns the greedy
        choice of every row that wanted logits, in order."""
        batch = self.batch
        batch.n_tokens = len(rows)
        outputs = []
        for i, (token, position, sequence, wants_logits) in enumerate(rows):
            batch.token[i] = token
            batch.pos[i] = position
            batch.n_seq_id[i] = 1
            batch.seq_id[i][0] = sequence
            batch.logits[i] = wants_logits
            if wants_logits:
                outputs.append(i)
        status = llama.llama_decode(self.ctx, batch)
        if status != 0:
            sys.exit(f"peer: llama_decode failed with status {status}")
        return [self.argmax(i) for i in outputs]

    def argmax(self, row):
        logits = llama.llama_get_logits_ith(self.ctx, row)
        return int(np.ctypeslib.as_array(logits, shape=(self.n_vocab,)).argmax())

    def prefill(self, tokens, sequence):
        """Fills a sequence from position 0; returns the greedy next token."""
        chosen = []
        for start in range(0, len(tokens), BATCH_TOKENS):
            block = tokens[start : start + BATCH_TOKENS]
            rows = [(t, start + i, sequence, start + i + 1 == len(tokens)) for i, t in enumerate(block)]
            chosen += self.decode(rows)
        return chosen[0]

    def clear(self):
        llama.llama_memory_clear(llama.llama_get_memory(self.ctx), False)

    def prompt(self, n_tokens, sequence):
        """The same tokens in every run, different ones in every sequence."""
        return [(7919 * (i + 1) + 104729 * sequence) % (self.n_vocab - 64) + 64 for i in range(n_tokens)]


def decode_seconds(peer, sequences, context, tokens):
    """Seconds for `tokens` steps of all sequences together, after their prompts."""
    peer.clear()
    last = [peer.prefill(peer.prompt(context, s), s) for s in range(sequences)]
    start = time.perf_counter()
    for step in range(tokens):
        last = peer.decode([(token, context + step, s, True) for s, token in enumerate(last)])
    return time.perf_counter() - start


def prefill_seconds(peer, tokens):
    peer.clear()
    prompt = peer.prompt(tokens, 0)
    start = time.perf_counter()
    peer.prefill(prompt, 0)
    return time.perf_counter() - start


def main():
    args = arguments()
    if args.measure == "prefill":
        peer = Peer(args, args.tokens)
        prefill_seconds(peer, args.tokens)
        seconds, total = prefill_seconds(peer, args.tokens), args.tokens
    else:
        peer = Peer(args, args.context + args.tokens + WARM_UP_TOKENS)
        decode_seconds(peer, args.sequences, args.context, WARM_UP_TOKENS)
        seconds = decode_seconds(peer, args.sequences, args.context, args.tokens)
        total = args.tokens * args.sequences
    print(json.dumps({"measure": args.measure, "tokens": total, "seconds": seconds, "tokens_per_s": total / seconds}))


if __name__ == "__main__":
    main()
