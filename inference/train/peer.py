"""Runs training steps of MiniLM-L6's shape in turns here and in PyTorch, and prints both speeds. peer.sh calls it."""

import itertools
import json
import re
import statistics
import subprocess
import sys
import time

ROWS, VOCAB, WIDTH, HEADS, FORWARD, LAYERS, POSITIONS, LABELS = 16, 30522, 384, 12, 1536, 6, 512, 2
EXITS, DROPOUT, SECONDS = (1, 2, 4, 6), 0.1, 3
LENGTHS = {"16x13": (8, 18), "16x64": (64, 64)}


def ours(binary, method, pooling, size, threads):
    """Tokens a second of BenchmarkMiniLM."""
    name = f"^BenchmarkMiniLM$/^{method}$/^{pooling}$/^{size}$"
    out = subprocess.run(
        [binary, "-test.run=^$", f"-test.bench={name}", f"-test.cpu={threads}", f"-test.benchtime={SECONDS}s"],
        check=True, stdout=subprocess.PIPE, text=True).stdout
    return float(re.search(r"([\d.]+) tokens/s", out)[1])


def theirs(method, pooling, size, threads):
    """The same of PyTorch, in a process of its own like ours."""
    out = subprocess.run([sys.executable, __file__, "step", method, pooling, size, str(threads)],
                         check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(out)


def step(method, pooling, size, threads):
    import torch
    import torch.nn.functional as F
    from torch import nn

    torch.set_num_threads(threads)
    torch.manual_seed(1)

    class Layer(nn.Module):
        def __init__(self):
            super().__init__()
            self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
            self.up, self.down = nn.Linear(WIDTH, FORWARD), nn.Linear(FORWARD, WIDTH)
            self.norm1, self.norm2 = nn.LayerNorm(WIDTH, 1e-12), nn.LayerNorm(WIDTH, 1e-12)
            self.drop = nn.Dropout(DROPOUT)

        def forward(self, x, mask):
            rows, length, _ = x.shape
            q, k, v = self.qkv(x).view(rows, length, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
            context = F.scaled_dot_product_attention(q, k, v, mask, DROPOUT)
            x = self.norm1(x + self.drop(self.out(context.transpose(1, 2).reshape(x.shape))))
            return self.norm2(x + self.drop(self.down(F.gelu(self.up(x)))))

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.word, self.position = nn.Embedding(VOCAB, WIDTH), nn.Embedding(POSITIONS, WIDTH)
            self.kind = nn.Embedding(2, WIDTH)
            self.norm, self.drop = nn.LayerNorm(WIDTH, 1e-12), nn.Dropout(DROPOUT)
            self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
            self.poolers = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in EXITS)
            self.classifiers = nn.ModuleList(nn.Linear(WIDTH, LABELS) for _ in EXITS)

        def forward(self, ids, real, mask, labels):
            x = self.word(ids) + self.position.weight[:ids.shape[1]] + self.kind.weight[0]
            x, loss, e = self.drop(self.norm(x)), 0.0, 0
            for i, layer in enumerate(self.layers):
                x = layer(x, mask)
                if i + 1 != EXITS[e]:
                    continue
                pooled = x[:, 0] if pooling == "cls" else (x * real[..., None]).sum(1) / real.sum(1, keepdim=True)
                logits = self.classifiers[e](self.drop(torch.tanh(self.poolers[e](pooled))))
                loss, e = loss + F.cross_entropy(logits, labels), e + 1
                if method == "sweet":
                    x = x.detach()
            return loss

    def batch(lengths):
        longest = int(max(lengths))
        ids, labels = torch.randint(VOCAB, (ROWS, longest)), torch.randint(LABELS, (ROWS,))
        real = torch.arange(longest) < lengths[:, None]
        mask = None if bool(real.all()) else real[:, None, None, :]
        return (ids, real.float(), mask, labels), int(lengths.sum())

    # Rows of nearly one length make a batch, as in ours, so padding is nearly none.
    shortest, longest = LENGTHS[size]
    lengths = torch.randint(shortest, longest + 1, (50 * ROWS,)).sort().values.view(50, ROWS)
    batches = [batch(lengths[i]) for i in torch.randperm(50)]
    model = Model().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)

    def one(inputs):
        optimizer.zero_grad(set_to_none=True)
        model(*inputs).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0, foreach=True)
        optimizer.step()

    for inputs, _ in batches[:5]:
        one(inputs)
    tokens, start = 0, time.perf_counter()
    for inputs, real in itertools.cycle(batches):
        one(inputs)
        tokens += real
        if (spent := time.perf_counter() - start) > SECONDS:
            return tokens / spent


def spread(values):
    return f"{statistics.median(values):7.0f} ({min(values):.0f} to {max(values):.0f})"


def compare(binary, rounds, pattern):
    for threads, method, pooling, size in itertools.product((1, 2), ("ee", "sweet"), ("cls", "mean"), LENGTHS):
        name = f"{method}/{pooling}/{size}/{threads}"
        if not re.search(pattern, name):
            continue
        pairs = [(ours(binary, method, pooling, size, threads), theirs(method, pooling, size, threads))
                 for _ in range(rounds)]
        ratios = [a / b for a, b in pairs]
        print(f"{name:18} ours {spread([a for a, _ in pairs]):24} PyTorch {spread([b for _, b in pairs]):24} tokens/s, "
              f"ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})", flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "step":
        print(json.dumps(step(*sys.argv[2:5], int(sys.argv[5]))))
    else:
        compare(sys.argv[1], int(sys.argv[2]), sys.argv[3])
