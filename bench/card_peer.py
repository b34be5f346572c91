"""The peer on a card: PyTorch in bf16, a Llama of the shape that `card model` makes, random weights. A line of JSON for each
batch: tokens per second of prefill and of decode. docs/gpu.md says how to run both.

The peer at its best: weights in one matrix where layers allow it, PyTorch's fused attention, a static cache, and the decode
step replayed as a CUDA graph (`--eager` leaves the graph out).
"""

import argparse
import json
import time

import torch
import torch.nn.functional as F

WIDTH, HEADS, KV_HEADS, HEAD, FFN, VOCABULARY = 2048, 32, 8, 64, 8192, 128256
QKV = (HEADS + 2 * KV_HEADS) * HEAD


class Llama:
    """Weights and a cache of `batch` sequences of up to `context` positions."""

    def __init__(self, layers, batch, context, device):
        make = lambda *shape: torch.randn(*shape, device=device, dtype=torch.bfloat16) / shape[-1] ** 0.5
        self.embed = make(VOCABULARY, WIDTH)
        self.layers = [
            (make(QKV, WIDTH), make(WIDTH, HEADS * HEAD), make(2 * FFN, WIDTH), make(WIDTH, FFN)) for _ in range(layers)
        ]
        self.gain = torch.ones(WIDTH, device=device, dtype=torch.bfloat16)
        shape = (layers, 2, batch, KV_HEADS, context, HEAD)
        self.cache = torch.zeros(shape, device=device, dtype=torch.bfloat16)
        angles = torch.outer(torch.arange(context), 10000.0 ** -(torch.arange(0, HEAD, 2) / HEAD)).to(device)
        self.cos, self.sin = (torch.cat([f(angles)] * 2, -1).bfloat16() for f in (torch.cos, torch.sin))
        self.seen = torch.arange(context, device=device)

    def rotate(self, x, positions):
        a, b = x.chunk(2, -1)
        return x * self.cos[positions] + torch.cat([-b, a], -1) * self.sin[positions]

    def step(self, tokens, positions, whole):
        """Tokens (batch, count) at `positions`; `whole` is a prompt from the beginning. The likeliest next token of each."""
        batch, count = tokens.shape
        x = self.embed[tokens]
        mask = None if whole else self.seen[None, :] <= positions[:, None]
        for i, (qkv, out, gate_up, down) in enumerate(self.layers):
            y = F.linear(F.rms_norm(x, (WIDTH,), self.gain, 1e-5), qkv).view(batch, count, -1, HEAD).transpose(1, 2)
            q, k, v = y.split((HEADS, KV_HEADS, KV_HEADS), 1)
            q, k = self.rotate(q, positions), self.rotate(k, positions)
            keys, values = self.cache[i]
            keys.index_copy_(2, positions, k)
            values.index_copy_(2, positions, v)
            if whole:
                y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
            else:
                y = F.scaled_dot_product_attention(q, keys, values, attn_mask=mask, enable_gqa=True)
            x = x + F.linear(y.transpose(1, 2).reshape(batch, count, -1), out)
            gate, up = F.linear(F.rms_norm(x, (WIDTH,), self.gain, 1e-5), gate_up).chunk(2, -1)
            x = x + F.linear(F.silu(gate) * up, down)
        x = F.rms_norm(x[:, -1], (WIDTH,), self.gain, 1e-5)
        return F.linear(x, self.embed).argmax(-1, keepdim=True)


def timed(device, work):
    """Seconds."""
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    wait()
    start = time.perf_counter()
    work()
    wait()
    return time.perf_counter() - start


def graphed(model, token, position):
    """A decode step as a graph that reads and writes `token` and moves `position`."""
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        for _ in range(3):
            model.step(token, position, False)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        token.copy_(model.step(token, position, False))
        position.add_(1)
    return graph.replay


@torch.inference_mode()
def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--layers", type=int, default=16)
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--eager", action="store_true", help="no CUDA graph")
    options = parser.parse_args()
    device = torch.device(options.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    for batch in options.batches:
        model = Llama(options.layers, batch, options.prompt + options.tokens + 8, device)
        prompt = torch.randint(VOCABULARY, (batch, options.prompt), device=device)
        positions = torch.arange(options.prompt, device=device)
        prefills = [timed(device, lambda: model.step(prompt, positions, True)) for _ in range(3)]
        token = model.step(prompt, positions, True)
        position = torch.tensor([options.prompt], device=device)

        def eager():
            token.copy_(model.step(token, position, False))
            position.add_(1)

        step = eager if options.eager or device.type != "cuda" else graphed(model, token, position)
        decodes = []
        for _ in range(2):
            position.fill_(options.prompt)
            decodes.append(timed(device, lambda: [step() for _ in range(options.tokens)]))
        line = {
            "device": name, "torch": torch.__version__, "batch": batch, "prompt": options.prompt, "tokens": options.tokens,
            "graph": step is not eager,
            "prefill_tokens_per_s": batch * options.prompt / min(prefills),
            "decode_tokens_per_s": batch * options.tokens / min(decodes),
        }
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
