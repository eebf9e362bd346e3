#!/usr/bin/env python3
"""Model files of mdlstm-gpu in PyTorch: load one into a torch.nn.Module, fine-tune it, write it back.

    import torch_mdlstm
    model = torch_mdlstm.load("model.safetensors")      # every cell, layer and view, any number of axes
    y = model(x)                                        # x [B, grid ..., K] to y [B, output grid ..., units]
    model.loss(x, y).backward()                         # the loss that the model was trained with
    torch_mdlstm.save(model, "tuned.safetensors")       # mdlstm-gpu and the Go library read it

    python3 torch_mdlstm.py show model.safetensors
    python3 torch_mdlstm.py predict model.safetensors X.npy Y.npy
    python3 torch_mdlstm.py check model.safetensors X.npy Y.npy     # Y.npy by mdlstm-gpu predict: the same?

This file needs PyTorch and nothing else; copy it where you like. Samples of a batch have one size. The definition is
host/ref of the Go module; letters are as there: B samples, D axes, K inputs, H hidden units, G = D+3 gates in the order
i, g, f_0 ... f_{D-1}, o, R directions. A wavefront (all cells whose coordinates have one sum), all samples of the
batch and all directions are computed at once, and the inputs' share of the gates in one product before.
"""

import argparse
import ast
import ctypes
import functools
import json
import math
import os
import struct
import sys
import tempfile

import torch
from torch import nn
from torch.nn import functional

FORMAT = "mdlstm-1"
EPS = 1e-5
ACTIVATIONS = {
    "linear": lambda z: z,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "softmax": lambda z: functional.softmax(z, -1),
}
CELLS = ("layernorm", "plain", "graves", "stable", "leakylp")


# The schedule: which cells are computed at once, and where their predecessors lie.


class Schedule:
    """Rows of B samples of a grid, one a (sample, cell), sorted by wavefront, then sample, then cell.

    inputs  [R*B*T]   which of the B*T cells a row of a direction reads
    outputs [R*B*T]   which row of a direction has the output of a cell
    waves   (rows, predecessors [rows*D] in the wavefront before, or None for the first); where there is no predecessor,
            the number of rows of that wavefront, one behind its last
    """

    def __init__(self, grid, batch, directions, device):
        axes, total = len(grid), math.prod(grid)
        strides = [math.prod(grid[d + 1 :]) for d in range(axes)]
        cell = torch.arange(total)
        at = [cell // strides[d] % grid[d] for d in range(axes)]
        wave = sum(at)
        order = torch.argsort(wave, stable=True)
        count = torch.bincount(wave)
        start = torch.cumsum(count, 0) - count
        position = torch.empty_like(cell)  # of a cell in its wavefront
        position[order] = cell - start[wave[order]]
        sample = torch.arange(batch)[:, None]
        row = start[wave] * batch + sample * count[wave] + position  # [B, T]

        inputs = torch.empty(len(directions), batch * total, dtype=torch.long)
        outputs = torch.empty_like(inputs)
        for r, signs in enumerate(directions):
            mirrored = sum((grid[d] - 1 - at[d] if signs[d] == "-" else at[d]) * strides[d] for d in range(axes))
            inputs[r, row.flatten()] = (sample * total + mirrored).flatten()
            outputs[r] = row[:, mirrored].flatten() + r * batch * total
        self.inputs, self.outputs = inputs.flatten().to(device), outputs.flatten().to(device)

        self.waves = []
        for w, (first, n) in enumerate(zip(start.tolist(), count.tolist())):
            pred = None
            if w > 0:
                before = self.waves[-1][0]
                cells = order[first : first + n]
                pred = torch.full((batch, n, axes), before)
                for d in range(axes):
                    has = at[d][cells] > 0
                    pred[:, has, d] = sample * (before // batch) + position[cells[has] - strides[d]]
                pred = pred.flatten().to(device)
            self.waves.append((n * batch, pred))


schedule = functools.lru_cache(maxsize=32)(Schedule)


# Layers


class ClampError(torch.autograd.Function):
    """The identity, whose gradient is bounded: clip_error."""

    @staticmethod
    def forward(ctx, x, limit):
        ctx.limit = limit
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad):
        return grad.clamp(-ctx.limit, ctx.limit), None


def windowed(x, window):
    """[B, grid ..., K] to [B, grid/window ..., window cells * K]; beyond the far edges are zeros."""
    if window is None or all(n == 1 for n in window):
        return x
    axes = len(window)
    grid = x.shape[1:-1]
    pad = [0, 0]
    for n, w in zip(reversed(grid), reversed(window)):
        pad += [0, -n % w]
    x = functional.pad(x, pad)
    for d in range(axes):
        x = x.unflatten(1 + 2 * d, (-1, window[d]))
    x = x.permute(0, *range(1, 2 * axes, 2), *range(2, 2 * axes + 1, 2), 2 * axes + 1)
    return x.flatten(1 + axes)


class Affine(nn.Module):
    """The weight and bias of a norm."""

    def __init__(self, *shape):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(shape))
        self.bias = nn.Parameter(torch.zeros(shape))

    def forward(self, x):
        """x [R, N, ..., H], normalised over H."""
        return functional.layer_norm(x, x.shape[-1:], eps=EPS) * self.weight[:, None] + self.bias[:, None]


class MDLSTM(nn.Module):
    """[B, grid ..., K] to [B, grid/window ..., R*H], or H with combine sum and mean."""

    def __init__(self, conf, features):
        super().__init__()
        self.cell, self.hidden, self.directions = conf["cell"], conf["hidden"], tuple(conf["directions"])
        self.axes, self.window = len(self.directions[0]), conf.get("window")
        self.combine = conf.get("combine", "concat")
        self.forget_bias = conf.get("forget_bias", 0)
        self.clip_error = conf.get("clip_error", 1 if self.cell == "layernorm" else 0)
        self.dropout = conf.get("dropout", 0)
        r, d, h = len(self.directions), self.axes, self.hidden
        g, k = d + 3, features * math.prod(self.window or [1])
        self.features = h * (r if self.combine == "concat" else 1)
        limit = math.sqrt(6 / (k + d * h + g * h))
        self.weight_ih = nn.Parameter(torch.empty(r, g * h, k).uniform_(-limit, limit))
        self.weight_hh = nn.Parameter(torch.empty(r, d, g * h, h).uniform_(-limit, limit))
        if self.cell == "layernorm":
            self.ln_gate, self.ln_cell = Affine(r, g, h), Affine(r, h)
        else:
            self.bias = nn.Parameter(torch.zeros(r, g * h))
        if self.cell == "graves":
            self.peephole_f = nn.Parameter(torch.zeros(r, d, h))
            self.peephole_i = nn.Parameter(torch.zeros(r, h))
            self.peephole_o = nn.Parameter(torch.zeros(r, h))

    def bounded(self, x):
        if self.clip_error > 0 and x.requires_grad:
            return ClampError.apply(x, self.clip_error)
        return x

    def mix(self, z, before):
        """m = sum of lambda_d c_d, the stick broken by the forget gates but the first."""
        m, rest = 0, 1
        for d in range(self.axes - 1):
            cut = z[:, :, 3 + d].sigmoid()
            m = m + rest * cut * before[:, :, d]
            rest = rest * (1 - cut)
        return m + rest * before[:, :, self.axes - 1]

    def step(self, z, before):
        """Gates z [R, N, G, H] and states of the predecessors [R, N, D, H] to h and c [R, N, H]."""
        if self.cell == "layernorm":
            z = self.ln_gate(z)
        z_i, z_g, z_f, z_o = z[:, :, 0], z[:, :, 1], z[:, :, 2:-1], z[:, :, -1]
        if self.cell in ("stable", "leakylp"):
            m = self.mix(z, before)
            f = (z_f[:, :, 0] + self.forget_bias).sigmoid()
            if self.cell == "stable":
                c = self.bounded(z_i.sigmoid() * z_g.tanh() + f * m)
                return self.bounded(z_o.sigmoid() * c.tanh()), c
            c = self.bounded((1 - f) * z_g.tanh() + f * m)
            return self.bounded((z_o.sigmoid() * c + z_i.sigmoid() * m).tanh()), c
        if self.cell == "graves":
            z_i = z_i + self.peephole_i[:, None] * before.sum(2)
            z_f = z_f + self.peephole_f[:, None] * before
        f = (z_f + self.forget_bias).sigmoid()
        c = self.bounded(z_i.sigmoid() * z_g.tanh() + (f * before).sum(2))
        seen = c
        if self.cell == "layernorm":
            seen = self.ln_cell(c)
        elif self.cell == "graves":
            z_o = z_o + self.peephole_o[:, None] * c
        return self.bounded(z_o.sigmoid() * seen.tanh()), c

    def forward(self, x):
        x = functional.dropout(windowed(x, self.window), self.dropout, self.training)
        batch, grid, k = x.shape[0], tuple(x.shape[1:-1]), x.shape[-1]
        r, d, h = len(self.directions), self.axes, self.hidden
        s = schedule(grid, batch, self.directions, x.device)
        x = x.reshape(-1, k).index_select(0, s.inputs).view(r, -1, k)
        weight = self.weight_ih.transpose(1, 2)
        z = torch.bmm(x, weight) if self.cell == "layernorm" else torch.baddbmm(self.bias[:, None], x, weight)
        recurrent = self.weight_hh.transpose(2, 3).reshape(r, d * h, -1)

        outputs, state, c = [], None, None
        # split, as the gradient of a slice would be an array as large as z, for every wavefront
        for gates, (n, pred) in zip(z.split([n for n, _ in s.waves], 1), s.waves):
            if pred is None:
                before = x.new_zeros(r, n, d, h)
            else:  # one row of zeros behind the last stands for all that does not exist
                seen = functional.pad(state, (0, 0, 0, 1)).index_select(1, pred)
                before = functional.pad(c, (0, 0, 0, 1)).index_select(1, pred).view(r, n, d, h)
                gates = torch.baddbmm(gates, seen.view(r, n, d * h), recurrent)
            state, c = self.step(gates.unflatten(2, (d + 3, h)), before)
            outputs.append(state)
        y = torch.cat(outputs, 1).flatten(0, 1).index_select(0, s.outputs).view(r, batch, *grid, h)
        if self.combine == "sum":
            return y.sum(0)
        if self.combine == "mean":
            return y.mean(0)
        return y.movedim(0, -2).flatten(-2)


class Dense(nn.Module):
    """act(W x + b) on every cell, or block of cells; the head is one too."""

    def __init__(self, conf, features):
        super().__init__()
        self.features, self.window, self.activation = conf["units"], conf.get("window"), conf["activation"]
        k = features * math.prod(self.window or [1])
        limit = math.sqrt(6 / (k + self.features))
        self.weight = nn.Parameter(torch.empty(self.features, k).uniform_(-limit, limit))
        self.bias = nn.Parameter(torch.zeros(self.features)) if conf.get("bias", True) else None

    def forward(self, x):
        return ACTIVATIONS[self.activation](functional.linear(windowed(x, self.window), self.weight, self.bias))


class Sum(nn.Module):
    """The sum over one axis of the grid."""

    def __init__(self, conf, features):
        super().__init__()
        self.axis, self.features = conf["axis"], features

    def forward(self, x):
        if self.axis > x.dim() - 3:
            raise ValueError(f"sum over axis {self.axis} of a grid of {x.dim() - 2}: give x more axes")
        return x.sum(1 + self.axis)


LAYERS = {"mdlstm": MDLSTM, "dense": Dense, "sum": Sum}


class Model(nn.Module):
    """A model of a configuration, the JSON in a model file; its parameters have the names of the file's tensors.

    New parameters are Glorot uniform, from torch's random numbers.
    """

    def __init__(self, config):
        super().__init__()
        check_config(config)
        self.config, self.text = config, None
        self.view, self.input, self.units = config.get("view", "grid"), config["input"], config["head"]["units"]
        features = self.input
        self.layers = nn.ModuleList()
        for conf in config["layers"]:
            self.layers.append(LAYERS[conf["type"]](conf, features))
            features = self.layers[-1].features
        self.head = Dense({"units": self.units, "activation": "linear"}, features)  # logits; forward adds the activation
        weights = config.get("class_weights")
        self.class_weights = None if weights is None else torch.tensor(weights, dtype=torch.float64, device="cpu")
        self.axes = input_axes(config)

    def logits(self, x):
        """The head before its activation: x [B, grid ..., K] to [B, output grid ..., units]."""
        if x.dim() < 3 or x.shape[-1] != self.input or 0 in x.shape or self.axes not in (None, x.dim() - 2):
            grid = "grid ..." if self.axes is None else f"{self.axes} axes"
            raise ValueError(f"x: shape {list(x.shape)}, want [samples, {grid}, {self.input}], nothing empty")
        shape = x.shape[:-1]
        if self.view == "rows":
            x = x.flatten(0, -3)
        elif self.view == "snake":
            x = x.flatten(1, -2)
        for layer in self.layers:
            x = layer(x)
        y = self.head(x)
        return y if self.view == "grid" else y.reshape(*shape, self.units)

    def forward(self, x):
        """x [B, grid ..., K] to the outputs [B, output grid ..., units], after the head's activation."""
        return ACTIVATIONS[self.config["head"]["activation"]](self.logits(x))

    def loss(self, x, y):
        """The mean loss that mdlstm-gpu logs. y is [B, output grid ..., units], or class numbers [B, output grid ...].

        Targets that are NaN (mse) or the config's ignore_index (cross_entropy) do not count.
        """
        z, kind = self.logits(x), self.config["loss"]
        if kind == "cross_entropy":
            ignore = self.config.get("ignore_index")
            z, y = z.reshape(-1, self.units), y.reshape(-1).long()
            if ignore is not None:
                z, y = z[y != ignore], y[y != ignore]
            weights = None if self.class_weights is None else self.class_weights.to(z)
            return functional.cross_entropy(z, y, weights)
        y = y.to(z)
        if kind == "binary_cross_entropy":
            return functional.binary_cross_entropy_with_logits(z, y)
        known = ~y.isnan()
        return functional.mse_loss(ACTIVATIONS[self.config["head"]["activation"]](z)[known], y[known])


def check_config(config):
    """Names what this file does not know. mdlstm-gpu checks a model file in full."""

    def one_of(key, got, want):
        if got not in want:
            raise ValueError(f"config: {key}: got {got!r}, want {', '.join(want)}")

    try:
        one_of("view", config.get("view", "grid"), ("grid", "rows", "snake"))
        one_of("loss", config["loss"], ("mse", "cross_entropy", "binary_cross_entropy"))
        one_of("head.activation", config["head"]["activation"], ACTIVATIONS)
        for i, conf in enumerate(config["layers"]):
            one_of(f"layers[{i}].type", conf["type"], LAYERS)
            if conf["type"] == "mdlstm":
                one_of(f"layers[{i}].cell", conf["cell"], CELLS)
                one_of(f"layers[{i}].combine", conf.get("combine", "concat"), ("concat", "sum", "mean"))
                axes = len(conf["directions"][0])
                if not axes or any(len(s) != axes or set(s) - set("+-") for s in conf["directions"]):
                    raise ValueError(f"config: layers[{i}].directions: got {conf['directions']}, want one + or - an axis")
            elif conf["type"] == "dense":
                one_of(f"layers[{i}].activation", conf["activation"], ACTIVATIONS)
    except (AttributeError, IndexError, KeyError, TypeError) as e:
        raise ValueError(f"config: {type(e).__name__} {e}: not a configuration of a model") from e


def input_axes(config):
    """The axes of the input grid, None where any number fits."""
    if config.get("view", "grid") != "grid":
        return None
    sums = 0
    for conf in config["layers"]:
        window = conf.get("window")
        if conf["type"] == "sum":
            sums += 1
        elif conf["type"] == "mdlstm":
            return len(conf["directions"][0]) + sums
        elif window and max(window) > 1:
            return len(window) + sums
    return None


# Files


def load(path):
    """The model of a file, in evaluation mode. ValueError says in a line what is wrong with the file."""
    try:
        tensors, meta = read_safetensors(path)
        if meta.get("format") != FORMAT:
            raise ValueError(f"format {meta.get('format')!r}, want {FORMAT!r}: not a model of mdlstm-gpu, or another version's")
        try:
            config = json.loads(meta.get("config", ""))
        except ValueError as e:
            raise ValueError(f"config: not JSON: {e}") from e
        model = shapes_of(config)
        own = model.state_dict()
        for name in sorted(own.keys() | tensors.keys()):
            got, want = (list(t[name].shape) if name in t else None for t in (tensors, own))
            if got != want:
                raise ValueError(f"tensor {name!r}: shape {got}, want {want}: the file does not fit its own config")
        model.load_state_dict(tensors, assign=True)
    except ValueError as e:
        raise ValueError(f"load {path}: {e}") from e
    model.text = meta["config"]
    return model.eval()


def shapes_of(config):
    """A model without memory for its parameters: a file may claim any size."""
    try:
        with torch.device("meta"):
            return Model(config)
    except (KeyError, OverflowError, RuntimeError, TypeError) as e:
        raise ValueError(f"config: {str(e).splitlines()[0]}") from e


def save(model, path):
    """Write a model file, float32. It appears whole or not at all; what load read comes out byte for byte."""
    text = model.text
    if text is None or json.loads(text) != model.config:
        text = json.dumps(model.config, separators=(",", ":"))
    tensors = {name: t.detach().to("cpu", torch.float32).contiguous() for name, t in model.state_dict().items()}
    for name, t in tensors.items():
        if not t.isfinite().all():
            raise ValueError(f"write {path}: tensor {name!r}: not all values are finite")
    header, at = {"__metadata__": {"config": text, "format": FORMAT}}, 0
    for name in sorted(tensors):
        end = at + 4 * tensors[name].numel()
        header[name] = {"dtype": "F32", "shape": list(tensors[name].shape), "data_offsets": [at, end]}
        at = end
    head = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    head += b" " * (-len(head) % 8)
    write_file(path, [struct.pack("<Q", len(head)), head] + [raw(tensors[name]) for name in sorted(tensors)])


def raw(t):
    """The bytes of a contiguous tensor; without numpy, which not every PyTorch has."""
    return ctypes.string_at(t.data_ptr(), t.numel() * t.element_size()) if t.numel() else b""


def write_file(path, parts):
    """Replace path by parts, as a whole."""
    name = None
    try:
        fd, name = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=os.path.dirname(path) or ".")
        with os.fdopen(fd, "wb") as f:
            for part in parts:
                f.write(part)
            f.flush()
            os.fsync(f.fileno())
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(name, 0o666 & ~mask)  # as any new file, where mkstemp's are for the owner only
        os.replace(name, path)
        name = None
    except OSError as e:
        raise OSError(f"write {path}: {e.strerror}") from e
    finally:
        if name is not None:
            os.unlink(name)


def read_safetensors(path):
    """Tensors by name and the metadata of a file of float32 tensors."""
    with open(path, "rb") as f:
        data = f.read()
    if len(data) < 8 or struct.unpack("<Q", data[:8])[0] > len(data) - 8:
        raise ValueError("truncated, or not a safetensors file")
    start = 8 + struct.unpack("<Q", data[:8])[0]
    try:
        header = json.loads(data[8:start])
        meta = header.pop("__metadata__", {})
        tensors, end = {}, 0
        for name, info in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
            first, last = info["data_offsets"]
            if info["dtype"] != "F32" or first != end or last - first != 4 * math.prod(info["shape"]):
                raise ValueError(f"tensor {name!r}: want F32 values that fill its shape, without gaps")
            tensors[name], end = (info["shape"], start + first, start + last), last
    except (AttributeError, KeyError, TypeError, UnicodeDecodeError, json.JSONDecodeError) as e:
        raise ValueError(f"not a safetensors file: {type(e).__name__} {e}") from e
    if start + end != len(data):
        raise ValueError(f"{len(data) - start} bytes of data, the header lists {end}")
    content = bytearray(data)
    return {
        name: torch.frombuffer(content, dtype=torch.float32, count=(last - first) // 4, offset=first).reshape(shape).clone()
        for name, (shape, first, last) in tensors.items()
    }, meta


NPY = {
    "<f4": torch.float32, "<f8": torch.float64, "<f2": torch.float16, "|b1": torch.bool, "|u1": torch.uint8,
    "|i1": torch.int8, "<i2": torch.int16, "<i4": torch.int32, "<i8": torch.int64,
}  # fmt: skip


def read_npy(path):
    """An array of a .npy file."""
    with open(path, "rb") as f:
        data = f.read()
    try:
        if data[:6] != b"\x93NUMPY":
            raise ValueError("not a .npy file")
        start = 10 if data[6] == 1 else 12
        length = struct.unpack("<H" if start == 10 else "<I", data[8:start])[0]
        header = ast.literal_eval(data[start : start + length].decode("latin1").strip())
        shape, dtype, start = header["shape"], NPY.get(header["descr"]), start + length
        if dtype is None or header["fortran_order"]:
            raise ValueError(f"dtype {header['descr']!r}, want little-endian numbers in C order: save numpy.ascontiguousarray(a)")
        if len(data) - start != math.prod(shape) * dtype.itemsize or len(data) == start:
            raise ValueError(f"{len(data) - start} bytes do not fill shape {list(shape)}, or it is empty")
        return torch.frombuffer(bytearray(data), dtype=dtype, offset=start).reshape(shape)
    except (IndexError, KeyError, SyntaxError, TypeError, ValueError, struct.error) as e:
        raise ValueError(f"{path}: {e}") from e


def write_npy(path, t):
    """Write a float32 tensor as a .npy file."""
    shape = "".join(f"{n}, " for n in t.shape)
    head = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({shape}), }}".encode()
    head += b" " * (-(len(head) + 11) % 64) + b"\n"
    write_file(path, [b"\x93NUMPY\x01\x00", struct.pack("<H", len(head)), head, raw(t.float().contiguous())])


# Commands


def show(args):
    model = load(args.model)
    print(f"format      {FORMAT}")
    print(f"view        {model.view}")
    print(f"axes        {'any' if model.axes is None else model.axes}")
    print(f"input       {model.input}")
    for i, conf in enumerate(model.config["layers"]):
        print(f"layers.{i}    {', '.join(f'{k} {v}' for k, v in conf.items())}")
    print(f"head        {model.units} {model.config['head']['activation']}, loss {model.config['loss']}")
    for name, t in model.state_dict().items():
        print(f"{name:28} {list(t.shape)}")
    print(f"parameters  {sum(t.numel() for t in model.parameters())}")


def outputs(args):
    """The outputs for X, batch by batch."""
    model, x = load(args.model).to(args.device), read_npy(args.x)
    with torch.no_grad():
        return torch.cat([model(part.to(args.device, torch.float32)).cpu() for part in x.split(args.batch)])


def predict(args):
    if os.path.exists(args.y) and not args.overwrite:
        raise ValueError(f"{args.y}: it exists: choose another name, or give --overwrite")
    y = outputs(args)
    write_npy(args.y, y)
    print(f"{args.y}: {list(y.shape)}")


def check(args):
    got, want = outputs(args), read_npy(args.y).float()
    if got.shape != want.shape:
        raise ValueError(f"{args.y}: shape {list(want.shape)}, the model puts out {list(got.shape)}")
    worst, allowed = (got - want).abs().max().item(), args.tolerance * max(1, want.abs().max().item())
    print(f"largest difference {worst:.3g} of {got.numel()} outputs, allowed {allowed:.3g}")
    if not worst <= allowed:
        raise ValueError(f"{args.y}: the outputs differ")


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = p.add_subparsers(required=True, metavar="show|predict|check")
    for run, about in ((show, "what a model is"), (predict, "write Y.npy"), (check, "compare with Y.npy; exit 1 if it differs")):
        c = commands.add_parser(run.__name__, help=about)
        c.set_defaults(run=run)
        c.add_argument("model", help="model.safetensors")
        if run is not show:
            c.add_argument("x", metavar="X.npy", help="inputs [samples, grid ..., channels], all of one size")
            c.add_argument("y", metavar="Y.npy", help="outputs [samples, output grid ..., units]")
            c.add_argument("--batch", type=int, default=16, help="samples at once")
            c.add_argument("--device", default="cpu", help="cpu, cuda")
        if run is predict:
            c.add_argument("--overwrite", action="store_true", help="replace Y.npy when it exists")
        if run is check:
            c.add_argument("--tolerance", type=float, default=2e-5, help="of the largest output, or of 1")
    args = p.parse_args(argv)
    try:
        args.run(args)
    except (OSError, ValueError) as e:
        sys.exit(f"torch_mdlstm.py: {e}")


if __name__ == "__main__":
    main()
