"""Exports the models of the importer's tests with torch.export (docs/models.md): `export_pt2.py digits|minilm|minilm-graph|tiny OUT [FOLDER]`.

`make fixtures` runs it for the files of `executor/tests/data/pt2`, with the packages of `scripts/fixtures.lock`.

`digits OUT` trains a small CNN and an MLP on scikit-learn's digits (8 x 8 pixels of 0..16) and writes `cnn.pt2`,
`mlp.pt2` and `digits.json` (the held-out images, their labels, both models' logits) into the folder OUT.
`minilm OUT FOLDER` writes the sentence-transformers model of FOLDER with its pooling as one `.pt2` file, and
`minilm-graph OUT FOLDER` its graph without weights as JSON.
`tiny OUT` writes random models of a few ops each and what they give, for what the trained ones do not use.
"""

import json
import pathlib
import re
import sys

import torch
from torch import nn
from torch.nn import functional as F


class Cnn(nn.Module):
    """Two convolutions with folded norms, pooling of both kinds, one linear layer."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 12, 3, padding=1)
        self.norm = nn.BatchNorm2d(12)
        self.second = nn.Conv2d(12, 24, 3, padding=1)
        self.head = nn.Linear(24 * 4, 10)

    def forward(self, image):
        x = F.relu(self.norm(self.first(image / 16)))
        x = F.max_pool2d(x, 2)
        x = F.relu(self.second(x))
        x = F.avg_pool2d(x, 2)
        return self.head(torch.flatten(x, 1))


class Mlp(nn.Module):
    """Three linear layers."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Linear(64, 48), nn.GELU(), nn.Linear(48, 32), nn.ReLU(), nn.Linear(32, 10)
        )

    def forward(self, image):
        return self.layers(image / 16)


def save(model, inputs, path, **how):
    """Exports and saves; the folders of the machine are left out of the source lines."""
    exported = torch.export.export(model, inputs, **how)
    for node in exported.graph.nodes:
        if trace := node.meta.get("stack_trace"):
            node.meta["stack_trace"] = re.sub(r'File "[^"]*?/((?:torch|transformers)/[^"]*|[^/"]*)"', r'File "\1"', trace)
    torch.export.save(exported, path)


def train(model, images, labels, epochs):
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-3)
    model.train()
    for _ in range(epochs):
        for batch in torch.randperm(len(images)).split(64):
            optimiser.zero_grad()
            F.cross_entropy(model(images[batch]), labels[batch]).backward()
            optimiser.step()
    return model.eval()


def digits(out):
    from sklearn.datasets import load_digits

    data = load_digits()
    images = torch.tensor(data.images, dtype=torch.float32).unsqueeze(1)
    labels = torch.tensor(data.target)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(7))
    kept, held = order[:1297], order[1297:]
    told = {
        "images": images[held].flatten(1).to(torch.int64).tolist(),
        "labels": labels[held].tolist(),
    }
    for name, model in [("cnn", Cnn()), ("mlp", Mlp())]:
        train(model, images[kept], labels[kept], 30)
        with torch.no_grad():
            logits = model(images[held])
        right = (logits.argmax(1) == labels[held]).sum().item()
        print(f"{name}: {right} of {len(held)} held-out digits")
        told[name] = [[round(x, 5) for x in row] for row in logits.tolist()]
        save(model, (images[held][:1].clone(),), out / f"{name}.pt2")
    (out / "digits.json").write_text(json.dumps(told, separators=(",", ":")))


class Sentence(nn.Module):
    """What sentence-transformers does: the encoder, the mean over the tokens, length 1."""

    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder

    def forward(self, input_ids):
        hidden = self.encoder(input_ids=input_ids).last_hidden_state
        return F.normalize(hidden.mean(1), dim=1)


def minilm(out, folder):
    from transformers import AutoModel

    encoder = AutoModel.from_pretrained(folder, attn_implementation="sdpa").eval()
    ids = torch.tensor([[101, 2023, 2003, 1037, 3231, 102]])
    length = torch.export.Dim("length", min=2, max=encoder.config.max_position_embeddings)
    save(Sentence(encoder).eval(), (ids,), out, dynamic_shapes=({1: length},))


def minilm_graph(out, folder):
    """The graph alone: the test takes the weights from the folder."""
    import tempfile
    import zipfile

    def clean(value):
        return {k: clean(v) for k, v in value.items() if k != "hint"} if isinstance(value, dict) else value

    with tempfile.NamedTemporaryFile(suffix=".pt2") as file:
        minilm(file.name, folder)
        archive = zipfile.ZipFile(file.name)
        name = next(name for name in archive.namelist() if name.endswith("models/model.json"))
        program = json.loads(archive.read(name))
    graph, signature = program["graph_module"]["graph"], program["graph_module"]["signature"]
    nodes = [
        {
            "target": node["target"],
            "inputs": [
                {"name": i["name"], "arg": clean(i["arg"])} for i in node["inputs"] if "as_device" not in i["arg"]
            ],
            "outputs": node["outputs"],
        }
        for node in graph["nodes"]
    ]
    values = {
        name: {key: meta[key] for key in ("dtype", "sizes", "strides", "storage_offset")}
        for name, meta in graph["tensor_values"].items()
        if name in ("input_ids", "masked_fill")
    }
    kept = {key: program[key] for key in ("schema_version", "range_constraints")}
    kept["graph_module"] = {"signature": signature, "graph": {"nodes": nodes, "tensor_values": values}}
    out.write_text(json.dumps(kept, separators=(",", ":")))


class RmsBlock(nn.Module):
    """One block of a decoder: RMSNorm, causal attention with fewer key heads, a gated feed-forward part."""

    def __init__(self, width=32, heads=4, kv_heads=2, ffn=48):
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = heads, kv_heads, width // heads
        self.attn_norm, self.ffn_norm = nn.RMSNorm(width, eps=1e-5), nn.RMSNorm(width, eps=1e-5)
        self.q = nn.Linear(width, width, bias=False)
        self.k = nn.Linear(width, kv_heads * self.head_dim, bias=False)
        self.v = nn.Linear(width, kv_heads * self.head_dim, bias=False)
        self.o = nn.Linear(width, width, bias=False)
        self.gate, self.up = nn.Linear(width, ffn, bias=False), nn.Linear(width, ffn, bias=False)
        self.down = nn.Linear(ffn, width, bias=False)

    def forward(self, x):
        b, s, w = x.shape
        h = self.attn_norm(x)
        split = lambda y, n: y.view(b, s, n, self.head_dim).transpose(1, 2)
        a = F.scaled_dot_product_attention(
            split(self.q(h), self.heads),
            split(self.k(h), self.kv_heads),
            split(self.v(h), self.kv_heads),
            is_causal=True,
            enable_gqa=True,
        )
        x = x + self.o(a.transpose(1, 2).reshape(b, s, w))
        h = self.ffn_norm(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


class Decoder(nn.Module):
    """A tiny decoder with learned positions and tied weights."""

    def __init__(self, vocabulary=64, context=32, width=32, layers=2):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.place = nn.Embedding(context, width)
        self.blocks = nn.ModuleList(RmsBlock(width) for _ in range(layers))
        self.norm = nn.RMSNorm(width, eps=1e-5)
        self.head = nn.Linear(width, vocabulary, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, tokens):
        x = self.embed(tokens) + self.place(torch.arange(tokens.shape[1]))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


class Encoder(nn.Module):
    """One post-norm block and a head on the first token; q, k and v come out of one product."""

    def __init__(self, vocabulary=64, context=32, width=32, heads=4):
        super().__init__()
        self.heads, self.head_dim = heads, width // heads
        self.embed, self.place, self.kind = (nn.Embedding(n, width) for n in (vocabulary, context, 2))
        self.qkv, self.o = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.norm, self.last = nn.LayerNorm(width), nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, 64), nn.Linear(64, width)
        self.head = nn.Linear(width, 6)

    def forward(self, input_ids, attention_mask):
        b, s = input_ids.shape
        x = self.embed(input_ids) + self.kind(torch.zeros_like(input_ids)) + self.place(torch.arange(s))
        q, k, v = (y.view(b, s, self.heads, self.head_dim).transpose(1, 2) for y in self.qkv(x).chunk(3, -1))
        mask = attention_mask[:, None, None, :].to(torch.bool)
        a = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        x = self.norm(x + self.o(a.transpose(1, 2).reshape(b, s, -1)))
        x = self.last(x + self.down(F.gelu(self.up(x), approximate="tanh")))
        return self.head(torch.tanh(x[:, 0]))


class Ops(nn.Module):
    """A vision model of the ops that the digits' models do not use."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(2, 6, 3, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(6)
        self.second = nn.Conv2d(6, 8, (2, 3), dilation=(1, 1), padding=(1, 0))
        self.last = nn.Linear(8, 5)
        for stat in (self.norm.running_mean, self.norm.running_var):
            stat.uniform_(0.5, 1.5)

    def forward(self, image):
        x = image * 0.01 - 1
        x = self.norm(self.first(x))
        x = F.hardtanh(x, -2.0, 2.0)
        y = self.second(F.relu6(x + 0.5))
        y = F.silu(y) * y.permute(0, 1, 2, 3)
        y = F.adaptive_avg_pool2d(y, 1)
        return self.last(y.squeeze(-1).squeeze(-1))


class Padded(nn.Module):
    """A maximum over windows that reach over the edge."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3)
        self.head = nn.Linear(4 * 4, 3)

    def forward(self, image):
        x = F.max_pool2d(F.relu(self.first(image / 255)), 3, stride=2, padding=1)
        return self.head(x.flatten(1))


def tiny(out):
    told = {}
    length = torch.export.Dim("length", min=2, max=32)
    decoder = Decoder().eval()
    tokens = torch.randint(0, 64, (1, 20))
    save(decoder, (tokens,), out / "decoder.pt2", dynamic_shapes=({1: length},))
    told["decoder"] = {"tokens": tokens[0].tolist(), "output": decoder(tokens)[0, -1].tolist()}
    encoder = Encoder().eval()
    mask = torch.ones_like(tokens)
    save(encoder, (tokens, mask), out / "encoder.pt2", dynamic_shapes=({1: length}, {1: length}))
    told["encoder"] = {"tokens": tokens[0].tolist(), "output": encoder(tokens, mask)[0].tolist()}
    ops = Ops().eval()
    image = torch.randint(0, 256, (1, 2, 9, 8)).float()
    save(ops, (image,), out / "ops.pt2")
    told["ops"] = {"tokens": image.flatten().to(torch.int64).tolist(), "output": ops(image)[0].tolist()}
    padded = Padded().eval()
    image = torch.randint(0, 256, (1, 1, 6, 6)).float()
    save(padded, (image,), out / "padded.pt2")
    told["padded"] = {"tokens": image.flatten().to(torch.int64).tolist(), "output": padded(image)[0].tolist()}
    (out / "tiny.json").write_text(json.dumps(told, separators=(",", ":")))


if __name__ == "__main__":
    torch.manual_seed(1)
    torch.set_num_threads(1)
    which, out = sys.argv[1], pathlib.Path(sys.argv[2])
    if which in ("digits", "tiny"):
        out.mkdir(parents=True, exist_ok=True)
    with torch.set_grad_enabled(which == "digits"):
        {"digits": digits, "minilm": minilm, "minilm-graph": minilm_graph, "tiny": tiny}[which](out, *sys.argv[3:])
