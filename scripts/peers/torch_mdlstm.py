#!/usr/bin/env python3
"""A two-dimensional LSTM in PyTorch, as fast as one writes it without kernels of one's own: the peer of scripts/bench.sh.

All cells of an anti-diagonal, all samples and all directions are computed at once, and the inputs' share of the gates
comes from one product before the loop. So each diagonal costs one product, the gates, and autograd's book-keeping.
It stands apart from scripts/torch_mdlstm.py, which computes any model on any number of axes: two slices find the
predecessors here, which is faster than the gather there.

Prints one JSON object: the settings; of a forward pass and of a training step (forward, backward, Adam) the median, the
least time and the 95th percentile in milliseconds, and how many of each were timed.

    torch_mdlstm.py --size 32x256 --batch 16 --channels 16 --hidden 16 --cell stable --directions 4
"""

import argparse
import json
import statistics
import sys
import time

import torch
from torch import nn
from torch.nn import functional

CELLS = ("layernorm", "plain", "stable")
GATES = 5  # i, g, f_0, f_1, o
FLIPS = ((), (1,), (0,), (0, 1))  # grid axes to reverse: ++, +-, -+, --
EPS = 1e-5


def normalise(x, scale, shift):
    """Layer norm over the last axis."""
    return torch.addcmul(shift, functional.layer_norm(x, x.shape[-1:], eps=EPS), scale)


class Diagonals:
    """Where the cells of an H x W grid lie when they are sorted by diagonal, top row first."""

    def __init__(self, height, width, device):
        cells = sorted(range(height * width), key=lambda i: (i // width + i % width, i // width))
        self.order = torch.tensor(cells, device=device)
        self.inverse = torch.argsort(self.order)
        self.top = [max(0, t - width + 1) for t in range(height + width - 1)]
        self.length = [min(t, height - 1) - top + 1 for t, top in enumerate(self.top)]


class MDLSTM(nn.Module):
    """R directions of a layer: [B, H, W, K] to [B, H, W, R*hidden]."""

    def __init__(self, height, width, channels, hidden, directions, cell, device):
        super().__init__()
        self.hidden, self.directions, self.cell = hidden, directions, cell
        self.diagonals = Diagonals(height, width, device)
        bound = (6 / (channels + (2 + GATES) * hidden)) ** 0.5
        self.weight_in = nn.Parameter(torch.empty(directions, channels, GATES * hidden).uniform_(-bound, bound))
        self.weight_rec = nn.Parameter(torch.empty(directions, 2 * hidden, GATES * hidden).uniform_(-bound, bound))
        if cell == "layernorm":
            self.gate_scale = nn.Parameter(torch.ones(directions, 1, GATES, hidden))
            self.gate_shift = nn.Parameter(torch.zeros(directions, 1, GATES, hidden))
            self.cell_scale = nn.Parameter(torch.ones(directions, 1, hidden))
            self.cell_shift = nn.Parameter(torch.zeros(directions, 1, hidden))
        else:
            self.bias = nn.Parameter(torch.zeros(directions, 1, GATES * hidden))

    def gates(self, z, c_up, c_left):
        """z [R, n, 5*hidden] and the predecessors' states [R, n, hidden] to h and c of a diagonal."""
        z = z.unflatten(2, (GATES, self.hidden))
        if self.cell == "layernorm":
            z = normalise(z, self.gate_scale, self.gate_shift)
        i, f_0, f_1, o = z[:, :, 0].sigmoid(), z[:, :, 2].sigmoid(), z[:, :, 3].sigmoid(), z[:, :, 4].sigmoid()
        g = z[:, :, 1].tanh()
        if self.cell == "stable":
            c = torch.addcmul(i * g, f_0, torch.lerp(c_left, c_up, f_1))
        else:
            c = torch.addcmul(torch.addcmul(i * g, f_0, c_up), f_1, c_left)
        seen = normalise(c, self.cell_scale, self.cell_shift) if self.cell == "layernorm" else c
        return seen.tanh() * o, c

    def forward(self, x):
        batch, height, width, channels = x.shape
        views = torch.stack([x.flip([a + 1 for a in axes]) for axes in FLIPS[: self.directions]])
        # [R, H*W, B, K] in diagonal order, so that a diagonal is one slice
        views = views.flatten(2, 3).transpose(1, 2).index_select(1, self.diagonals.order)
        z_in = views.reshape(self.directions, -1, channels)
        if self.cell == "layernorm":
            z_in = torch.bmm(z_in, self.weight_in)
        else:
            z_in = torch.baddbmm(self.bias, z_in, self.weight_in)

        outputs = []
        top, h, c = 0, None, None
        steps = z_in.split([n * batch for n in self.diagonals.length], 1)
        for z, next_top, length in zip(steps, self.diagonals.top, self.diagonals.length):
            n = length * batch
            if h is None:
                c_up = c_left = x.new_zeros(self.directions, n, self.hidden)
            else:
                # Row r's upper neighbour is row r-1 of the diagonal before, its left one row r: two slices of the same
                # memory with a zero cell at either end.
                at = (next_top - top) * batch
                h = functional.pad(h, (0, 0, batch, batch))
                c = functional.pad(c, (0, 0, batch, batch))
                up, left = slice(at, at + n), slice(at + batch, at + batch + n)
                c_up, c_left = c[:, up], c[:, left]
                z = torch.baddbmm(z, torch.cat((h[:, up], h[:, left]), 2), self.weight_rec)
            h, c = self.gates(z, c_up, c_left)
            outputs.append(h)
            top = next_top

        out = torch.cat(outputs, 1).unflatten(1, (height * width, batch)).index_select(1, self.diagonals.inverse)
        out = out.transpose(1, 2).unflatten(2, (height, width))
        return torch.cat([o.flip([a + 1 for a in axes]) for o, axes in zip(out, FLIPS)], 3)


def timed(work, seconds, wait):
    """Times of calls in ms, at least three, for about so many seconds."""
    times = []
    end = time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        wait()
        start = time.perf_counter()
        work()
        wait()
        times.append(1e3 * (time.perf_counter() - start))
    return times


def captured(work):
    """Work as a CUDA graph: what replays it. The inputs and the weights stay where they are."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            work()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph.replay


def parse(argv):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--size", default="8x8", help="rows x columns")
    p.add_argument("--batch", type=int, default=16)
    p.add_argument("--channels", type=int, default=1)
    p.add_argument("--hidden", type=int, default=16)
    p.add_argument("--directions", type=int, default=1, choices=(1, 2, 4))
    p.add_argument("--cell", default="layernorm", choices=CELLS)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    p.add_argument("--compile", action="store_true", help="through torch.compile")
    p.add_argument("--graphs", action="store_true", help="replay a CUDA graph of the whole step, and one of the forward pass")
    p.add_argument("--predict", action="store_true", help="time the forward pass alone")
    p.add_argument("--seconds", type=float, default=3, help="how long to time training steps")
    args = p.parse_args(argv)
    try:
        args.height, args.width = (int(n) for n in args.size.split("x"))
    except ValueError:
        p.error(f"--size {args.size!r}: want rows and columns, 8x8")
    if args.device == "cuda" and not torch.cuda.is_available():
        p.error("--device cuda: this PyTorch finds no GPU")
    if args.graphs and args.device != "cuda":
        p.error("--graphs: wants --device cuda")
    return args


def main(argv=None):
    args = parse(argv)
    torch.manual_seed(0)
    torch.set_num_threads(args.threads)
    layer = MDLSTM(args.height, args.width, args.channels, args.hidden, args.directions, args.cell, args.device)
    model = nn.Sequential(layer, nn.Linear(args.directions * args.hidden, 1), nn.Sigmoid()).to(args.device)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, fused=True, capturable=args.graphs)
    x = torch.rand(args.batch, args.height, args.width, args.channels, device=args.device)
    target = torch.rand(args.batch, args.height, args.width, 1, device=args.device)
    run = torch.compile(model) if args.compile else model
    wait = torch.cuda.synchronize if args.device == "cuda" else lambda: None

    def step():
        optimizer.zero_grad(set_to_none=True)
        functional.mse_loss(run(x), target).backward()
        optimizer.step()

    def forward():
        with torch.no_grad():
            run(x)

    figures = {}

    def measure(name, work, seconds):
        for _ in range(3):
            work()
        if args.graphs:
            work = captured(work)
        times = timed(work, seconds, wait)
        figures.update({
            f"{name}_ms": statistics.median(times), f"{name}_min_ms": min(times),
            f"{name}_p95_ms": sorted(times)[-(-95 * len(times) // 100) - 1], f"{name}_repeats": len(times),
        })

    if not args.predict:
        measure("step", step, args.seconds)
    measure("forward", forward, args.seconds if args.predict else args.seconds / 4)
    json.dump({
        "engine": "torch", "version": torch.__version__, "compiled": args.compile, "graphs": args.graphs,
        "device": torch.cuda.get_device_name() if args.device == "cuda" else "cpu",
        "threads": args.threads, "cell": args.cell, "size": args.size, "batch": args.batch, "channels": args.channels,
        "hidden": args.hidden, "directions": args.directions, **figures,
    }, sys.stdout)
    print()


if __name__ == "__main__":
    main()
