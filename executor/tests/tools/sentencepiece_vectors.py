#!/usr/bin/env python3
"""Trains two small SentencePiece BPE models, as Llama 2 and Gemma use them, and writes down how SentencePiece tokenises.

    pip install sentencepiece==0.2.3
    python3 sentencepiece_vectors.py OUT.json

The output is a list of `{vocabulary, vectors}`: the vocabulary as a GGUF file would carry it (`tokenizer.ggml.*`), and
`[text, 0, ids]` triples. The texts are those of `tokenizer_vectors.py`; no published model is involved.
"""

import io
import itertools
import json
import random
import sys

from tokenizer_vectors import ARABIC, CJK, CODE, SEED, WORDS, draw

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
TEXTS = 900


def train(texts, add_space_prefix):
    import sentencepiece
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_writer=model, vocab_size=700, model_type="bpe", byte_fallback=True,
        character_coverage=0.98, hard_vocab_limit=False, add_dummy_prefix=add_space_prefix,
        remove_extra_whitespaces=False, normalization_rule_name="identity", split_digits=True,
        allow_whitespace_only_pieces=True, user_defined_symbols=[] if add_space_prefix else ["<user>", "\n"],
        control_symbols=["<turn>"], num_threads=1, minloglevel=2)
    return sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())


def vocabulary(sp, add_space_prefix):
    def kind(i):
        if sp.id_to_piece(i) in ("<user>", "\n"):
            return USER_DEFINED
        return (UNKNOWN if sp.is_unknown(i) else CONTROL if sp.is_control(i) else UNUSED if sp.is_unused(i)
                else BYTE if sp.is_byte(i) else NORMAL)
    ids = range(sp.vocab_size())
    return {"model": "llama", "tokens": [sp.id_to_piece(i) for i in ids], "token_types": [kind(i) for i in ids],
            "scores": [sp.get_score(i) for i in ids], "unk": sp.unk_id(), "bos": sp.bos_id(), "eos": sp.eos_id(),
            "add_space_prefix": add_space_prefix}


def main(out):
    r = random.Random(SEED)
    # The first 385 draws are single characters.
    drawn = list(itertools.islice(draw(r), 385 + TEXTS))
    texts = [t for t in drawn[::3] if len(t) < 130] + ["x <user> y\n\n<turn></s>", "<user><user>", " <0x41> </s><s>"]
    corpus = CODE + [CJK, ARABIC] + ["  ".join(r.choices(WORDS, k=12)) for _ in range(2000)]
    rows = []
    for add_space_prefix in (True, False):
        sp = train([t.replace("\n", " ") for t in corpus], add_space_prefix)
        rows.append({"vocabulary": vocabulary(sp, add_space_prefix), "vectors": [[t, 0, sp.encode(t)] for t in texts]})
    with open(out, "w", encoding="utf-8", newline="\n") as file:
        for row, (start, end) in zip(rows, [("[", ",\n"), ("", "]\n")]):
            file.write(start + json.dumps(row, ensure_ascii=True, separators=(",", ":")) + end)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
