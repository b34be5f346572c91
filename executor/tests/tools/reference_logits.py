"""Runs the tests' small models through other implementations and writes down their logits.

    cargo run -p executor --example tiny_models -- FOLDER
    pip install llama-cpp-python==0.3.36 gguf==0.19.0 numpy
    python executor/tests/tools/reference_logits.py llama.cpp FOLDER executor/tests/data/logits
    python executor/tests/tools/reference_logits.py dequantised SMOLLM2.gguf executor/tests/data/logits
    pip install torch==2.11.0 transformers==5.23.0
    python executor/tests/tools/reference_logits.py transformers FOLDER executor/tests/data/logits
    python executor/tests/tools/reference_logits.py sentences MINILM_FOLDER executor/tests/data/logits

Both implementations add to the same files; everything is computed in f32. Positions are chosen around the windows.
`dequantised` writes a quantised file's weights as F32 first: llama.cpp would round activations to 8 bits otherwise.
"""
import json
import pathlib
import sys
import tempfile

POSITIONS = [0, 1, 8, 9, 10, 24, 39]
SENTENCES = [
    "The cat sits on the warm windowsill.",
    "A feline rests where the sun comes in.",
    "Interest rates rose by a quarter of a point.",
    "Optimistic rollups assume that a result is right until somebody proves otherwise.",
    "Hi",
    "What is the capital of France?",
    "Paris is the capital and largest city of France.",
    "def add(a, b): return a + b",
    "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich, 12345 times in 2024!",
    "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolishness, "
    "it was the epoch of belief, it was the epoch of incredulity, it was the season of Light, it was the season of "
    "Darkness, it was the spring of hope, it was the winter of despair.",
]


def rounded(row):
    return [float(f"{x:.6g}") for x in row]


def add(path, tokens, positions, name, rows):
    data = json.loads(path.read_text()) if path.exists() else {"tokens": tokens, "positions": positions, "references": {}}
    if (data["tokens"], data["positions"]) != (tokens, positions):
        data = {"tokens": tokens, "positions": positions, "references": {}}
    data["references"][name] = [rounded(row) for row in rows]
    path.write_text(json.dumps(data, separators=(",", ":")).replace('"references"', '\n"references"').replace("]],", "]],\n") + "\n")


def cases(folder):
    for file in sorted(pathlib.Path(folder).glob("*/sequence.json")):
        yield file.parent, json.loads(file.read_text())["tokens"]


def evaluate(gguf, tokens=None, text=None):
    """Tokens and logits of every position, on the CPU, everything in F32."""
    import llama_cpp

    llama = llama_cpp.Llama(
        str(gguf), n_ctx=256, n_batch=256, n_ubatch=256, n_threads=1, n_threads_batch=1, logits_all=True, verbose=False,
        type_k=llama_cpp.GGML_TYPE_F32, type_v=llama_cpp.GGML_TYPE_F32, flash_attn=False,
    )
    tokens = tokens or llama.tokenize(text.encode(), add_bos=False)
    llama.eval(tokens)
    return tokens, llama.scores, f"llama.cpp (llama-cpp-python {llama_cpp.__version__})"


def llama_cpp(folder, out):
    for case, tokens in cases(folder):
        gguf = case.with_suffix(".gguf")
        if gguf.exists():
            _, logits, name = evaluate(gguf, tokens)
            add(out / f"{case.name}.json", tokens, POSITIONS, name, [logits[p] for p in POSITIONS])


def dequantised(source, out):
    import gguf
    import numpy

    with tempfile.TemporaryDirectory() as folder:
        plain, reader = pathlib.Path(folder) / "f32.gguf", gguf.GGUFReader(source)
        writer = gguf.GGUFWriter(plain, reader.fields["general.architecture"].contents())
        for key, field in reader.fields.items():
            if not key.startswith("GGUF.") and key not in ("general.architecture", "general.file_type"):
                writer.add_key_value(key, field.contents(), field.types[0], sub_type=field.types[-1])
        for tensor in reader.tensors:
            writer.add_tensor(tensor.name, gguf.dequantize(tensor.data, tensor.tensor_type).astype(numpy.float32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        tokens, logits, name = evaluate(plain, text="\n".join(SENTENCES))
    positions = list(range(0, len(tokens), 20))
    tops = [int(logits[p].argmax()) for p in positions]
    ids = list(range(0, logits.shape[1], 997))
    rows = [rounded(logits[p][ids]) for p in positions]
    data = {"reference": name, "tokens": tokens, "positions": positions, "tops": tops, "ids": ids, "logits": rows}
    path = out / f"{pathlib.Path(source).name.split('.')[0]}.json"
    path.write_text(json.dumps(data, separators=(",", ":")).replace("],", "],\n") + "\n")


def embed(model, tokens):
    """Mean over the positions, divided by its length: sentence-transformers' Pooling and Normalize."""
    import torch

    x = model(torch.tensor([tokens])).last_hidden_state[0].mean(0)
    return x / x.norm()


def version():
    import torch
    import transformers

    return f"transformers {transformers.__version__} (torch {torch.__version__.split('+')[0]})"


def transformers(folder, out):
    import torch
    import transformers

    torch.set_grad_enabled(False)
    name = version()
    for case, tokens in cases(folder):
        bert = json.loads((case / "config.json").read_text())["model_type"] == "bert"
        kind = transformers.AutoModel if bert else transformers.AutoModelForCausalLM
        model = kind.from_pretrained(case, dtype=torch.float32, attn_implementation="eager").eval()
        if bert:
            positions, rows = [len(tokens) - 1], [embed(model, tokens).tolist()]
        else:
            logits = model(torch.tensor([tokens])).logits[0]
            positions, rows = POSITIONS, [logits[p].tolist() for p in POSITIONS]
        add(out / f"{case.name}.json", tokens, positions, name, rows)


def sentences(folder, out):
    import torch
    import transformers

    torch.set_grad_enabled(False)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    rows = []
    for text in SENTENCES:
        tokens = tokenizer(text)["input_ids"]
        rows.append({"text": text, "tokens": tokens, "embedding": rounded(embed(model, tokens).tolist()[:32])})
    name = version()
    data = {"reference": name, "sentences": rows}
    (out / "all-MiniLM-L6-v2.json").write_text(json.dumps(data, indent=0, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    what, folder, out = sys.argv[1:]
    run = {"llama.cpp": llama_cpp, "dequantised": dequantised, "transformers": transformers, "sentences": sentences}[what]
    run(folder, pathlib.Path(out))
