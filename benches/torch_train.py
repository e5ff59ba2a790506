#!/usr/bin/env python3
"""Tokens a second of PyTorch's training steps, and with --against COMMAND those of `tongues bench train` in turns.

The same work: AdamW, random ids, a tied head, the loss of the next token, and by --model
decoder: pre-norm, causal attention, as many multiplications in its feed-forward part. PyTorch runs its own fused layers:
LayerNorm, GELU, scaled_dot_product_attention;
encoder: RoBERTa's layers, a norm after each half, all maps with biases, attention to both sides, and in place of the next
token 15 % of the tokens, hidden anew in each step (8 of 10 become <mask>, 1 another token); the head multiplies only these.
Its tokens a second are all that it reads;
awd-lstm: nn.LSTM layers (on the CPU oneDNN's), the state carried from step to step;
qrnn: products for all steps at once, then one `lerp` a step.
With --dtype bf16 under autocast, weights in f32.
Run by `make compare-torch`; needs PyTorch.
"""
import argparse
import json
import resource
import shlex
import statistics
import subprocess
import sys
import time

SIZES = dict(
    decoder=dict(vocab=8192, d=256, layers=4, heads=4, seq=256, batch=8, steps=10),
    encoder=dict(vocab=8192, d=256, layers=4, heads=4, seq=256, batch=8, steps=10),
    awd_lstm=dict(vocab=8192, d=400, hidden=1152, layers=3, seq=70, batch=40, steps=10),
    qrnn=dict(vocab=8192, d=400, hidden=1152, layers=4, seq=70, batch=40, steps=10),
)
WARM_UP = 3  # steps that are not counted


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", choices=[name.replace("_", "-") for name in SIZES], default="decoder")
    for name in dict.fromkeys(name for sizes in SIZES.values() for name in sizes):
        parser.add_argument(f"--{name}", type=int, help="by default what `tongues bench train` has for the model")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--dtype", choices=("f32", "bf16"), default="f32", help="of the products of matrices")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5, help="turns of both programs")
    parser.add_argument("--against", metavar="COMMAND", help="the command `tongues` to take turns with")
    options = parser.parse_args()
    for name, size in SIZES[options.model.replace("-", "_")].items():
        if getattr(options, name) is None:
            setattr(options, name, size)
    return options


def decoder(o):
    """The decoder; called with ids and targets (B, T) it gives the mean loss."""
    from torch import nn
    from torch.nn import functional as F

    d = o.d

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.before_attention, self.before_mlp = nn.LayerNorm(d), nn.LayerNorm(d)
            self.joined, self.out = nn.Linear(d, 3 * d, bias=False), nn.Linear(d, d, bias=False)
            self.up, self.down = nn.Linear(d, 4 * d, bias=False), nn.Linear(4 * d, d, bias=False)

        def forward(self, x):  # (B, T, D)
            shape = (*x.shape[:2], o.heads, d // o.heads)
            q, k, v = (part.view(shape).transpose(1, 2) for part in self.joined(self.before_attention(x)).chunk(3, -1))
            attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.out(attended.transpose(1, 2).flatten(2))
            return x + self.down(F.gelu(self.up(self.before_mlp(x)), approximate="tanh"))

    class Decoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding, self.positions = nn.Embedding(o.vocab, d), nn.Embedding(o.seq, d)
            for table in (self.embedding, self.positions):
                nn.init.normal_(table.weight, std=0.02)
            self.blocks = nn.Sequential(*(Block() for _ in range(o.layers)))
            self.norm = nn.LayerNorm(d)

        def forward(self, ids, targets):
            hidden = self.norm(self.blocks(self.embedding(ids) + self.positions.weight))
            return F.cross_entropy(F.linear(hidden, self.embedding.weight).flatten(0, 1), targets.flatten())

    return Decoder()


def encoder(o):
    """The encoder; called with ids (B, T), whatever the targets, it hides tokens and gives their mean loss."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    d, mask, special = o.d, o.vocab - 1, 4

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.joined, self.out = nn.Linear(d, 3 * d), nn.Linear(d, d)
            self.up, self.down = nn.Linear(d, 4 * d), nn.Linear(4 * d, d)
            self.after_attention, self.after_mlp = nn.LayerNorm(d), nn.LayerNorm(d)

        def forward(self, x):  # (B, T, D)
            shape = (*x.shape[:2], o.heads, d // o.heads)
            q, k, v = (part.view(shape).transpose(1, 2) for part in self.joined(x).chunk(3, -1))
            attended = F.scaled_dot_product_attention(q, k, v)
            x = self.after_attention(x + self.out(attended.transpose(1, 2).flatten(2)))
            return self.after_mlp(x + self.down(F.gelu(self.up(x))))

    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding, self.positions = nn.Embedding(o.vocab, d), nn.Embedding(o.seq, d)
            self.kind = nn.Parameter(torch.zeros(d))  # of segment
            for table in (self.embedding, self.positions):
                nn.init.normal_(table.weight, std=0.02)
            self.norm, self.blocks = nn.LayerNorm(d), nn.Sequential(*(Block() for _ in range(o.layers)))
            self.head, self.before_logits = nn.Linear(d, d), nn.LayerNorm(d)
            self.bias = nn.Parameter(torch.zeros(o.vocab))

        def forward(self, ids, _):
            ordinary = (ids >= special) & (ids != mask)
            draw = torch.rand(ids.shape, device=ids.device).masked_fill(~ordinary, 2.0)
            count = (0.15 * ordinary.sum()).round().long()
            places = draw.flatten().argsort()[:count]
            tokens = ids.flatten()
            chance = torch.rand(count, device=ids.device)
            others = torch.randint(special, mask, (count,), device=ids.device)
            instead = torch.where(chance < 0.8, mask, torch.where(chance < 0.9, others, tokens[places]))
            ids = tokens.scatter(0, places, instead).view(ids.shape)
            x = self.norm(self.embedding(ids) + self.positions.weight + self.kind)
            states = self.blocks(x).flatten(0, 1)[places]
            states = self.before_logits(F.gelu(self.head(states)))
            return F.cross_entropy(F.linear(states, self.embedding.weight, self.bias), tokens[places])

    return Encoder()


def recurrent(o):
    """The recurrent model; called with ids and targets (B, T) it gives the mean loss, and remembers its state."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    class Lstm(nn.LSTM):
        def forward(self, x, state):
            out, state = super().forward(x, state)
            return out, tuple(part.detach() for part in state)

    def cells(z, f, cell):
        all = []
        for z_now, f_now in zip(z.unbind(0), f.unbind(0)):
            cell = torch.lerp(cell, z_now, f_now)
            all.append(cell)
        return torch.stack(all)

    class Qrnn(nn.Module):
        def __init__(self, inputs, hidden, window):
            super().__init__()
            self.window, self.linear = window, nn.Linear(window * inputs, 3 * hidden)

        def forward(self, x, state):  # (T, B, D)
            cell, before = state or (x.new_zeros(x.shape[1], self.linear.out_features // 3), torch.zeros_like(x[:1]))
            source = torch.cat([x, torch.cat([before, x[:-1]])], 2) if self.window == 2 else x
            z, f, o = self.linear(source).chunk(3, 2)
            c = cells(z.tanh(), f.sigmoid(), cell)
            return o.sigmoid() * c, (c[-1].detach(), x[-1:].detach())

    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding, self.bias = nn.Embedding(o.vocab, o.d), nn.Parameter(torch.zeros(o.vocab))
            nn.init.uniform_(self.embedding.weight, -0.1, 0.1)
            widths = [o.d, *[o.hidden] * (o.layers - 1), o.d]
            layer = (lambda n, i, h: Qrnn(i, h, 2 - min(n, 1))) if o.model == "qrnn" else (lambda n, i, h: Lstm(i, h))
            self.layers = nn.ModuleList(layer(n, i, h) for n, (i, h) in enumerate(zip(widths, widths[1:])))
            self.states = [None] * o.layers

        def forward(self, ids, targets):
            x = self.embedding(ids.T)
            for number, layer in enumerate(self.layers):
                x, self.states[number] = layer(x, self.states[number])
            return F.cross_entropy(F.linear(x, self.embedding.weight, self.bias).flatten(0, 1), targets.T.flatten())

    return Recurrent()


def measure(o):
    """Medians of PyTorch's steps, under the names that `tongues bench train --json` uses."""
    import torch

    torch.set_num_threads(o.threads)
    on_gpu = o.device == "cuda"

    def now():
        if on_gpu:
            torch.cuda.synchronize()
        return time.perf_counter()

    model = dict(decoder=decoder, encoder=encoder).get(o.model, recurrent)(o).to(o.device)
    optimiser = torch.optim.AdamW(model.parameters(), 3e-4, fused=on_gpu)
    ids = torch.randint(o.vocab, (o.batch, o.seq + 1), device=o.device)
    rows = []
    for _ in range(WARM_UP + o.steps):
        began = now()
        with torch.autocast(o.device, torch.bfloat16, enabled=o.dtype == "bf16"):
            loss = model(ids[:, :-1], ids[:, 1:])
        forward = now()
        loss.backward()
        backward = now()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        end = now()
        rows.append((end - began, forward - began, backward - forward, end - backward))
    whole, forward, backward, update = (statistics.median(column) for column in zip(*rows[WARM_UP:]))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return dict(parameters=sum(p.numel() for p in model.parameters()), tokens_per_second=o.batch * o.seq / whole,
                forward_ms=1e3 * forward, backward_ms=1e3 * backward, optimiser_ms=1e3 * update, peak_bytes=peak,
                device_peak_bytes=torch.cuda.max_memory_allocated() if on_gpu else None,
                loss=loss.item(), version=torch.__version__)


def compare(o):
    """Both in turns, each in a process of its own; prints every figure, the medians and their ratio."""
    names = ["model", *SIZES[o.model.replace("-", "_")]]
    sizes = [word for name in names for word in (f"--{name}", str(getattr(o, name)))]
    same = [*sizes, "--threads", str(o.threads), "--device", o.device, *(["--dtype", o.dtype] if o.dtype != "f32" else [])]
    commands = {"tongues": [*shlex.split(o.against), "bench", "train", "--json", *same],
                "PyTorch": [sys.executable, __file__, *same]}
    found = {name: [] for name in commands}
    for number in range(o.rounds):
        for name, command in commands.items():
            found[name].append(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))
            last = found[name][-1]
            print(f"round {number + 1}  {name:8}{last['tokens_per_second']:8.0f} tokens/s  forward {last['forward_ms']:.1f} ms  "
                  f"backward {last['backward_ms']:.1f} ms  optimiser {last['optimiser_ms']:.1f} ms  peak {last['peak_bytes'] >> 20} MiB",
                  flush=True)
    middle = {key: {name: statistics.median(row[key] for row in rows) for name, rows in found.items()}
              for key in ("tokens_per_second", "peak_bytes")}
    speed, peak = middle["tokens_per_second"], middle["peak_bytes"]
    print(f"medians  tongues {speed['tongues']:.0f}, PyTorch {found['PyTorch'][0]['version']} {speed['PyTorch']:.0f} tokens/s: "
          f"ratio {speed['tongues'] / speed['PyTorch']:.2f}; memory {peak['tongues'] / peak['PyTorch']:.2f}")


if __name__ == "__main__":
    options = arguments()
    if options.against:
        compare(options)
    else:
        print(json.dumps(measure(options)))
