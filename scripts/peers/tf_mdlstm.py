#!/usr/bin/env python3
"""A two-dimensional LSTM in TensorFlow 2, cell by cell: the loop that users of TensorFlow have, a peer of scripts/bench.sh.

A tf.while_loop visits the cells one after the other and keeps their states in TensorArrays, as the implementations for
TensorFlow do: each cell costs one product and its gates for the samples of a batch, one direction after the other.
Everything is one tf.function; --compile has XLA compile it. The equations are those of torch_mdlstm.py beside it.

Prints the same JSON object as torch_mdlstm.py: the settings; of a forward pass and of a training step (forward,
backward, Adam) the median, the least time and the 95th percentile in milliseconds, and how many of each were timed.

    tf_mdlstm.py --size 8x8 --batch 16 --channels 1 --hidden 16 --cell layernorm

It can also compute the outputs of a model file (one mdlstm layer of these cells in two axes) and compare them with
those of mdlstm-gpu predict, which shows that both compute the same thing:

    tf_mdlstm.py --check model.safetensors X.npy Y.npy

It was run with TensorFlow 2.21 on a CPU, where its outputs differ from mdlstm-gpu's by 6e-7 at most; on no GPU.
"""

import argparse
import json
import os
import statistics
import struct
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # its notes on devices are no result

import numpy as np
import tensorflow as tf

CELLS = ("layernorm", "plain", "stable")
GATES = 5  # i, g, f_0, f_1, o
DIRECTIONS = ("++", "+-", "-+", "--")  # a sign an axis: - scans from the end
EPS = 1e-5


def normalise(x, scale, shift):
    """Layer norm over the last axis."""
    mean = tf.reduce_mean(x, -1, keepdims=True)
    centred = x - mean
    variance = tf.reduce_mean(tf.square(centred), -1, keepdims=True)
    return centred * tf.math.rsqrt(variance + EPS) * scale + shift


class Direction(tf.Module):
    """One scan: [B, H, W, K] to [B, H, W, hidden]."""

    def __init__(self, height, width, channels, hidden, cell, signs, rng):
        super().__init__()
        self.height, self.width, self.hidden, self.cell = height, width, hidden, cell
        self.flips = [axis + 1 for axis, sign in enumerate(signs) if sign == "-"]
        bound = (6 / (channels + (2 + GATES) * hidden)) ** 0.5
        # Rows: the inputs, h above, h to the left, as they are joined before the product.
        self.weight = tf.Variable(rng.uniform(-bound, bound, (channels + 2 * hidden, GATES * hidden)).astype("float32"))
        if cell == "layernorm":
            self.gate_scale, self.gate_shift = tf.Variable(tf.ones((GATES, hidden))), tf.Variable(tf.zeros((GATES, hidden)))
            self.cell_scale, self.cell_shift = tf.Variable(tf.ones((hidden,))), tf.Variable(tf.zeros((hidden,)))
        else:
            self.bias = tf.Variable(tf.zeros((GATES * hidden,)))

    def step(self, x, h_up, h_left, c_up, c_left):
        """One cell of all samples: x [B, K], h and c [B, hidden]."""
        z = tf.concat((x, h_up, h_left), 1) @ self.weight
        if self.cell != "layernorm":
            z += self.bias
        z = tf.reshape(z, (-1, GATES, self.hidden))
        if self.cell == "layernorm":
            z = normalise(z, self.gate_scale, self.gate_shift)
        i, g, f_0, f_1, o = tf.unstack(z, axis=1)
        i, g, f_0, f_1, o = tf.sigmoid(i), tf.tanh(g), tf.sigmoid(f_0), tf.sigmoid(f_1), tf.sigmoid(o)
        if self.cell == "stable":
            c = i * g + f_0 * (f_1 * c_up + (1 - f_1) * c_left)
        else:
            c = i * g + f_0 * c_up + f_1 * c_left
        seen = normalise(c, self.cell_scale, self.cell_shift) if self.cell == "layernorm" else c
        return o * tf.tanh(seen), c

    def __call__(self, x):
        x = tf.reverse(x, self.flips) if self.flips else x
        batch, cells = x.shape[0], self.height * self.width
        inputs = tf.TensorArray(tf.float32, cells).unstack(tf.transpose(tf.reshape(x, (batch, cells, -1)), (1, 0, 2)))
        # One state more than cells: the last is the zero state outside the grid.
        zero = tf.zeros((batch, self.hidden))
        states = [
            tf.TensorArray(tf.float32, cells + 1, clear_after_read=False, element_shape=zero.shape).write(cells, zero)
            for _ in "hc"
        ]

        def body(at, h, c):
            up = tf.where(at >= self.width, at - self.width, cells)
            left = tf.where(at % self.width > 0, at - 1, cells)
            new_h, new_c = self.step(inputs.read(at), h.read(up), h.read(left), c.read(up), c.read(left))
            return at + 1, h.write(at, new_h), c.write(at, new_c)

        _, h, _ = tf.while_loop(lambda at, *_: at < cells, body, (0, *states), maximum_iterations=cells)
        y = tf.reshape(tf.transpose(h.stack()[:cells], (1, 0, 2)), (batch, self.height, self.width, self.hidden))
        return tf.reverse(y, self.flips) if self.flips else y


class Model(tf.Module):
    """A layer and its head of one unit: [B, H, W, K] to [B, H, W, 1]."""

    def __init__(self, height, width, channels, hidden, cell, directions, units=1, activation=tf.sigmoid):
        super().__init__()
        rng = np.random.default_rng(0)
        self.scans = [Direction(height, width, channels, hidden, cell, signs, rng) for signs in directions]
        bound = (6 / (len(directions) * hidden + units)) ** 0.5
        self.head = tf.Variable(rng.uniform(-bound, bound, (len(directions) * hidden, units)).astype("float32"))
        self.head_bias = tf.Variable(tf.zeros((units,)))
        self.activation = activation

    def __call__(self, x):
        return self.activation(tf.concat([scan(x) for scan in self.scans], 3) @ self.head + self.head_bias)


def timed(work, seconds):
    """Times of calls in ms, at least three, for about so many seconds."""
    times = []
    end = time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        work()
        times.append(1e3 * (time.perf_counter() - start))
    return times


def read_model(path):
    """The tensors and the configuration of a model file (safetensors, float32)."""
    with open(path, "rb") as f:
        (length,) = struct.unpack("<Q", f.read(8))
        header = json.loads(f.read(length))
        data = f.read()
    config = json.loads(header.pop("__metadata__")["config"])
    tensors = {}
    for name, entry in header.items():
        first, last = entry["data_offsets"]
        tensors[name] = np.frombuffer(data[first:last], "<f4").reshape(entry["shape"])
    return tensors, config


def load(path, height, width):
    """The model of a file, for grids of this size. It must be one mdlstm layer of CELLS without windows."""
    tensors, config = read_model(path)
    layer = config["layers"][0]
    known = len(config["layers"]) == 1 and layer["cell"] in CELLS and config.get("view", "grid") == "grid"
    known = known and all(n == 1 for n in layer.get("window", [1])) and layer.get("forget_bias", 0) == 0
    activation = {"sigmoid": tf.sigmoid, "tanh": tf.tanh, "linear": tf.identity}.get(config["head"]["activation"])
    if not known or not activation or layer.get("combine", "concat") != "concat":
        raise SystemExit(f"{path}: want one mdlstm layer of {', '.join(CELLS)} on the grid, without window and forget bias")
    hidden = layer["hidden"]
    model = Model(height, width, config["input"], hidden, layer["cell"], layer["directions"], config["head"]["units"], activation)
    for r, scan in enumerate(model.scans):
        recurrent = tensors["layers.0.weight_hh"][r]  # [axes, 5*hidden, hidden]: above first
        scan.weight.assign(np.concatenate([tensors["layers.0.weight_ih"][r].T, recurrent[0].T, recurrent[1].T]))
        if layer["cell"] == "layernorm":
            scan.gate_scale.assign(tensors["layers.0.ln_gate.weight"][r])
            scan.gate_shift.assign(tensors["layers.0.ln_gate.bias"][r])
            scan.cell_scale.assign(tensors["layers.0.ln_cell.weight"][r])
            scan.cell_shift.assign(tensors["layers.0.ln_cell.bias"][r])
        else:
            scan.bias.assign(tensors["layers.0.bias"][r])
    model.head.assign(tensors["head.weight"].T)
    model.head_bias.assign(tensors["head.bias"])
    return model


def check(path, x_path, y_path, tolerance=1e-4):
    """Compares the outputs of a model file with those that mdlstm-gpu predict wrote."""
    x, want = np.load(x_path).astype("float32"), np.load(y_path)
    got = tf.function(load(path, *x.shape[1:3]))(tf.constant(x)).numpy()
    if got.shape != want.shape:
        raise SystemExit(f"{y_path}: shape {list(want.shape)}, the model puts out {list(got.shape)}")
    error = float(np.max(np.abs(got - want)))
    if not error <= tolerance:
        raise SystemExit(f"{y_path}: the outputs differ by up to {error:.3g}, want at most {tolerance:.3g}")
    print(f"the largest difference of {got.size} outputs is {error:.3g}")


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
    p.add_argument("--compile", action="store_true", help="through XLA")
    p.add_argument("--predict", action="store_true", help="time the forward pass alone")
    p.add_argument("--seconds", type=float, default=3, help="how long to time training steps")
    p.add_argument("--check", nargs=3, metavar=("MODEL", "X.npy", "Y.npy"), help="compare outputs instead of timing")
    args = p.parse_args(argv)
    try:
        args.height, args.width = (int(n) for n in args.size.split("x"))
    except ValueError:
        p.error(f"--size {args.size!r}: want rows and columns, 8x8")
    if args.device == "cuda" and not tf.config.list_physical_devices("GPU"):
        p.error("--device cuda: this TensorFlow finds no GPU")
    return args


def main(argv=None):
    args = parse(argv)
    if args.check:
        check(*args.check)
        return
    tf.config.threading.set_intra_op_parallelism_threads(args.threads)
    tf.config.threading.set_inter_op_parallelism_threads(args.threads)
    if args.device == "cpu":
        tf.config.set_visible_devices([], "GPU")
    tf.random.set_seed(0)
    model = Model(args.height, args.width, args.channels, args.hidden, args.cell, DIRECTIONS[: args.directions])
    optimizer = tf.keras.optimizers.Adam(0.01)
    optimizer.build(model.trainable_variables)
    x = tf.random.uniform((args.batch, args.height, args.width, args.channels))
    target = tf.random.uniform((args.batch, args.height, args.width, 1))

    @tf.function(jit_compile=args.compile)
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.math.squared_difference(model(x), target))
        optimizer.apply_gradients(zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables))
        return loss

    @tf.function(jit_compile=args.compile)
    def forward():
        return model(x)

    figures = {}

    def measure(name, work, seconds):
        """Times work until its result is in the host's memory: a GPU is waited for."""
        for _ in range(3):
            work().numpy()
        times = timed(lambda: work().numpy(), seconds)
        figures.update({
            f"{name}_ms": statistics.median(times), f"{name}_min_ms": min(times),
            f"{name}_p95_ms": sorted(times)[-(-95 * len(times) // 100) - 1], f"{name}_repeats": len(times),
        })

    if not args.predict:
        measure("step", step, args.seconds)
    measure("forward", forward, args.seconds if args.predict else args.seconds / 4)
    json.dump({
        "engine": "tensorflow", "version": tf.__version__, "compiled": args.compile, "device": args.device,
        "threads": args.threads, "cell": args.cell, "size": args.size, "batch": args.batch, "channels": args.channels,
        "hidden": args.hidden, "directions": args.directions, **figures,
    }, sys.stdout)
    print()


if __name__ == "__main__":
    main()
