#!/usr/bin/env python3
"""Draws strings and writes down how llama.cpp tokenises them.

    pip install llama-cpp-python==0.3.36
    python3 tokenizer_vectors.py MODEL.gguf OUT.jsonl

Each line of the output is `[text, special, ids]`: with `special` 1, special tokens written in the text are recognised.
The draw is fixed by SEED, so that the same model and version of llama.cpp give the same file. The checked-in
`data/tokenizer/smollm2.jsonl` was made from SmolLM2-135M-Instruct.Q4_1.gguf.
"""

import json
import random
import sys
import unicodedata

SEED = 20261122
COUNT = 3200

WORDS = """the of and to in a is that for it as was with be by on not he his but at are this have from or had an they
which one you were all her she there would their we him been has when who will no more if out so up said what its
about than into them can only other time new some could these two may first then do any like my now over such our
man me even most made after also did many off before must well back through years much where your way down should
because long each just state those people too mister little good world make very year still see own work men day
get here old between both life being under three never know same last another while us might great go come since
against right came take used himself few house use place American during without again home around small however
found Mrs thought went say part once high general upon school every don't can't I'll you're we've it's he'd I'm
O'Neil rock'n'roll DON'T WE'LL naïve café Zürich señor coöperate façade Ελληνικά привет мир Москва здравствуйте""".split()
CODE = [
    "fn main() {\n    println!(\"{}\", x);\n}", "def f(a, b=2):\n\treturn a**b", "for (int i=0;i<n;++i) a[i]+=b[i];",
    "SELECT * FROM t WHERE id >= 10 AND name LIKE '%x%';", "<div class=\"a b\">&nbsp;</div>", "{\"key\": [1, 2.5e-3, null]}",
    "if (a && b || !c) { return x?.y ?? z; }", "#include <stdio.h>\n\nint main(void){return 0;}", "$ git commit -m 'fix: a' && ls -la",
    "https://example.org/a/b?c=d&e=%20#f", "user@example.com", "C:\\Users\\x\\y.txt", "\\frac{a}{b} \\sum_{i=0}^{n}", "```rust\nlet x = 1;\n```",
    "x = [i for i in range(10) if i % 2 == 0]", "0xDEADBEEF ^ 0b1010", "a->b::c<d>(e)", "\t\tindent\n        indent\n    \t mixed", "/* c */ // d", "@media (max-width:100px){a{b:c}}",
]
SCRIPTS = [
    (0x20, 0x7E), (0xA0, 0x24F), (0x250, 0x2FF), (0x370, 0x3FF), (0x400, 0x52F), (0x530, 0x58F), (0x590, 0x5FF),
    (0x600, 0x6FF), (0x700, 0x7FF), (0x900, 0x97F), (0xA80, 0xBFF), (0xE00, 0xE7F), (0x10A0, 0x10FF), (0x1100, 0x11FF),
    (0x1E00, 0x1EFF), (0x2000, 0x206F), (0x2070, 0x209F), (0x20A0, 0x20CF), (0x2100, 0x218F), (0x2190, 0x22FF),
    (0x2460, 0x24FF), (0x2500, 0x27BF), (0x3000, 0x30FF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xFB00, 0xFDFF),
    (0xFE00, 0xFEFF), (0xFF00, 0xFFEF), (0x10000, 0x100FF), (0x10330, 0x1034F), (0x1D400, 0x1D7FF), (0x1F300, 0x1F6FF),
    (0x1F900, 0x1FAFF), (0x20000, 0x20FFF), (0xE0000, 0xE007F), (0xF0000, 0xF00FF), (0xE000, 0xE0FF), (0x80, 0x9F),
]
EMOJI = ["😀", "👍🏽", "👨‍👩‍👧‍👦", "🏳️‍🌈", "🇨🇭", "🇺🇳", "1️⃣", "❤️", "❤", "👩🏿‍🚀", "🧑‍💻", "🤷‍♀️", "☺️", "©️", "🫠", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "⌚", "\u200d", "\ufe0f"]
SPACES = [" "] * 8 + ["  ", "   ", "\t", "\n", "\n\n", "\r\n", "\r", "\x0b", "\x0c", "\xa0", "\u1680", "\u2003", "\u2028", "\u2029", "\u202f", "\u3000", "\u200b", "\ufeff", "\x85"]
PUNCTUATION = list(".,;:!?'\"()[]{}<>/\\|@#$%^&*-_=+~`") + ["...", "--", "—", "–", "…", "“", "”", "‘", "’", "«", "»", "。", "、", "！", "？", "¿", "¡", "'s", "'LL", "'re ", "||", "=>", "://"]
DIGITS = ["0123456789", "٠١٢٣٤٥٦٧٨٩", "०१२३४५६७८९", "０１２３４５６７８９", "ⅠⅡⅢⅣⅤ", "½¼¾⅓", "²³¹⁴", "①②③", "一二三", "𝟘𝟙𝟚"]
CJK = "日本語中文字符测试漢字かなカナ한국어글자你好世界東京北京서울ありがとう我们的人工智能模型"
ARABIC = "السلام عليكم مرحبا بالعالم كتاب مدرسة لا إله שלום עולם فارسی گپ پنج"
INDIC = "नमस्ते दुनिया क्षत्रिय தமிழ் ภาษาไทย ទឹក བོད་ཡིག"
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<repo_name>", "<file_sep>", "<gh_stars>", "<empty_output>",
           "<|im_start|>system\n", "<|im_end", "|im_start|>", "< |im_end|>", "<|IM_END|>", "<|im_start|><|im_end|>", "<reponame"]


def scalar(r, low, high):
    while True:
        code = r.randint(low, high)
        if not 0xD800 <= code <= 0xDFFF:
            return chr(code)


def words(r):
    return "".join(r.choice(WORDS) + r.choice([" ", " ", " ", " ", ", ", ". ", "-", "'", ""]) for _ in range(r.randint(1, 9)))


def script(r):
    low, high = r.choice(SCRIPTS)
    return "".join(scalar(r, low, high) for _ in range(r.randint(1, 14)))


def mixed(r):
    kinds = [script, digits, spaces, punctuation, emoji, cjk]
    return "".join(r.choice(kinds)(r)[:8] + r.choice(["", " ", r.choice(WORDS)]) for _ in range(r.randint(2, 5)))


def digits(r):
    alphabet = r.choice(DIGITS[:1] * 8 + DIGITS)
    number = "".join(r.choice(alphabet) for _ in range(r.randint(1, 12)))
    return r.choice(["", " ", "$", "-", "v", "  "]) + number + r.choice(["", " ", ".5", ",000", "%", "th", "e10", " 7"])


def spaces(r):
    return "".join(r.choice(SPACES) * r.randint(1, 4) + r.choice(["", "", "a", "B1", "!", "é"]) for _ in range(r.randint(1, 6)))


def punctuation(r):
    return "".join(r.choice(PUNCTUATION) for _ in range(r.randint(1, 12)))


def emoji(r):
    return "".join(r.choice(EMOJI) + r.choice(["", "", " ", "x"]) for _ in range(r.randint(1, 5)))


def combining(r):
    base = "".join(r.choice("aeiouncszy gAEO") + "".join(scalar(r, 0x300, 0x36F) for _ in range(r.randint(0, 3))) for _ in range(r.randint(1, 8)))
    return unicodedata.normalize(r.choice(["NFC", "NFD"]), base)


def cjk(r):
    return "".join(r.choice(CJK) for _ in range(r.randint(1, 16))) + r.choice(["", "。", " ok", "123", "\n"])


def slices(r):
    text = r.choice([ARABIC, INDIC])
    start = r.randrange(len(text))
    return text[start:start + r.randint(1, 20)]


def code(r):
    text = r.choice(CODE)
    return text if r.random() < 0.4 else text[r.randrange(len(text)):] + r.choice(CODE)[:r.randint(0, 20)]


def control(r):
    return "".join(scalar(r, 0, 0x1F) if r.random() < 0.4 else r.choice(["a", " ", "word", "!", "!!", "\x7f", "é"]) for _ in range(r.randint(1, 10)))


def anything(r):
    return "".join(scalar(r, 0, 0x10FFFF) for _ in range(r.randint(1, 8)))


def special(r):
    return "".join(r.choice([r.choice(SPECIAL), r.choice(WORDS), r.choice(SPACES), "user\n"]) for _ in range(r.randint(1, 6)))


def long_word(r):
    piece = r.choice(["a", "ab", "antidisestablishmentarianism", "的", "é", " ", "\n", "=", "-", "0", "x1", "Aa", "ha", "\t", "👍"])
    return (piece * r.randint(40, 160))[:r.randint(60, 200)]


KINDS = [(words, 18), (script, 14), (mixed, 14), (digits, 7), (spaces, 9), (punctuation, 5), (emoji, 6), (combining, 6),
         (cjk, 5), (slices, 5), (code, 9), (control, 4), (anything, 4), (special, 12), (long_word, 1)]


def draw(r):
    yield ""
    for code_point in range(0x180):
        yield chr(code_point)
    kinds, weights = zip(*KINDS)
    while True:
        yield r.choices(kinds, weights)[0](r)


def main(model, out):
    from llama_cpp import Llama
    llama = Llama(model, vocab_only=True, verbose=False)
    r = random.Random(SEED)
    seen = set()
    with open(out, "w", encoding="utf-8", newline="\n") as file:
        for text in draw(r):
            key = (text, int(r.random() < 0.3 or "<|" in text and r.random() < 0.5))
            if key in seen:
                continue
            seen.add(key)
            ids = llama.tokenize(text.encode(), add_bos=False, special=bool(key[1]))
            file.write(json.dumps([text, key[1], ids], ensure_ascii=True, separators=(",", ":")) + "\n")
            if len(seen) == COUNT:
                break


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
