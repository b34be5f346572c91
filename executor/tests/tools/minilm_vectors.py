#!/usr/bin/env python3
"""Writes the ids that Python's `tokenizers` gives all-MiniLM-L6-v2 for twenty texts.

    pip install tokenizers==0.23.3
    python3 minilm_vectors.py TOKENIZER.json OUT.jsonl

Truncation is off: one of the texts is longer than the 128 tokens that the file would cut at. Special tokens in the text
are plain text. Lines are `[text, 0, ids]`, as for `tokenizer_vectors.py`.
"""

import json
import sys

TEXTS = [
    "This is an example sentence", "Each sentence is converted", "The quick brown fox jumps over the lazy dog.",
    "Hello, world! How's it going?", "", "   ", "Zürich naïve café ÀÉÎ", "日本語のテキスト mixed with English",
    "😀 emoji 👩\u200d🚀", "supercalifragilisticexpialidocious antidisestablishmentarianism",
    "[CLS] is not [SEP] special [MASK] here", "tabs\tand\nnewlines\r\n", "numbers 1234567890 3.14159 1,000,000",
    "email@example.org https://example.org/?q=1", "Привет, мир!", "مرحبا بالعالم",
    "e\u0301 combining \u0000 control \u200b zero", "UPPER lower MiXeD", "a" * 150, "word " * 600,
]


def main(source, out):
    from tokenizers import Tokenizer
    tokenizer = Tokenizer.from_file(source)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True
    with open(out, "w", encoding="utf-8", newline="\n") as file:
        for text in TEXTS:
            file.write(json.dumps([text, 0, tokenizer.encode(text).ids], separators=(",", ":")) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
