"""Writes golden_<cell>.json beside itself: outputs, loss and gradients of small
models in float64, computed by PyTorch's autograd cell by cell. It shares no code
with the Go packages and reads only the equations of design.md, section 3.

    python golden.py
"""

import itertools
import json
import pathlib

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
EPS = 1e-5


def cell(kind, p, q, z, c_pred, forget_bias):
    """One cell: z [G, H], c_pred a list of [H] -> h, c."""
    axes = len(c_pred)
    if kind == "layernorm":
        gates = [F.layer_norm(z[k], z[k].shape, p["ln_gate.weight"][q, k], p["ln_gate.bias"][q, k], EPS)
                 for k in range(axes + 3)]
    else:
        gates = list(z)
    zi, zg, zf, zo = gates[0], gates[1], gates[2:2 + axes], gates[2 + axes]
    if kind in ("layernorm", "plain", "graves"):
        if kind == "graves":
            zi = zi + p["peephole_i"][q] * sum(c_pred)
            zf = [f + p["peephole_f"][q, d] * c_pred[d] for d, f in enumerate(zf)]
        c = torch.sigmoid(zi) * torch.tanh(zg)
        for d in range(axes):
            c = c + torch.sigmoid(zf[d] + forget_bias) * c_pred[d]
        if kind == "graves":
            zo = zo + p["peephole_o"][q] * c
        seen = c
        if kind == "layernorm":
            seen = F.layer_norm(c, c.shape, p["ln_cell.weight"][q], p["ln_cell.bias"][q], EPS)
        return torch.sigmoid(zo) * torch.tanh(seen), c
    # stable and leakylp: break the stick
    left, m = torch.ones_like(zi), torch.zeros_like(zi)
    for d in range(axes):
        last = d == axes - 1
        cut = torch.ones_like(zi) if last else torch.sigmoid(zf[d + 1])
        m = m + left * cut * c_pred[d]
        left = left * (1 - cut)
    f = torch.sigmoid(zf[0] + forget_bias)
    if kind == "stable":
        c = torch.sigmoid(zi) * torch.tanh(zg) + f * m
        return torch.sigmoid(zo) * torch.tanh(c), c
    c = (1 - f) * torch.tanh(zg) + f * m
    return torch.tanh(torch.sigmoid(zo) * c + torch.sigmoid(zi) * m), c


def layer(conf, p, x):
    """x [*grid, K] -> [*grid, R*H]."""
    shape = x.shape[:-1]
    axes, hidden = len(shape), conf["hidden"]
    zero = torch.zeros(hidden)
    outs = []
    for q, signs in enumerate(conf["directions"]):
        flip = [d for d in range(axes) if signs[d] == "-"]
        xs = torch.flip(x, flip)
        hs, cs = {}, {}
        for at in itertools.product(*map(range, shape)):
            before = [at[:d] + (at[d] - 1,) + at[d + 1:] for d in range(axes)]
            z = p["weight_ih"][q] @ xs[at]
            for d in range(axes):
                z = z + p["weight_hh"][q, d] @ hs.get(before[d], zero)
            if "bias" in p:
                z = z + p["bias"][q]
            c_pred = [cs.get(b, zero) for b in before]
            hs[at], cs[at] = cell(conf["cell"], p, q, z.view(axes + 3, hidden), c_pred, conf["forget_bias"])
        grid = torch.stack([hs[at] for at in itertools.product(*map(range, shape))]).view(*shape, hidden)
        outs.append(torch.flip(grid, flip))
    return torch.cat(outs, -1)


def shapes(kind, axes, inputs, hidden, directions, units):
    g, r = axes + 3, directions
    out = {"weight_ih": (r, g * hidden, inputs), "weight_hh": (r, axes, g * hidden, hidden)}
    if kind == "layernorm":
        out |= {"ln_gate.weight": (r, g, hidden), "ln_gate.bias": (r, g, hidden),
                "ln_cell.weight": (r, hidden), "ln_cell.bias": (r, hidden)}
    else:
        out["bias"] = (r, g * hidden)
    if kind == "graves":
        out |= {"peephole_f": (r, axes, hidden), "peephole_i": (r, hidden), "peephole_o": (r, hidden)}
    out = {"layers.0." + name: s for name, s in out.items()}
    return out | {"head.weight": (units, r * hidden), "head.bias": (units,)}


def case(kind, directions, grids, hidden, forget_bias, generator):
    def rand(*s):
        return torch.rand(*s, generator=generator) * 1.4 - 0.7

    inputs, units, axes = 2, 2, len(directions[0])
    params = {name: rand(*s).requires_grad_() for name, s in
              shapes(kind, axes, inputs, hidden, len(directions), units).items()}
    conf = {"type": "mdlstm", "cell": kind, "hidden": hidden, "directions": directions, "forget_bias": forget_bias}
    own = {name.removeprefix("layers.0."): v for name, v in params.items() if name.startswith("layers.")}
    samples, outputs, total, weight = [], [], 0.0, 0
    for grid in grids:
        x, y = rand(*grid, inputs) * 3, rand(*grid, units)
        out = torch.sigmoid(layer(conf, own, x) @ params["head.weight"].T + params["head.bias"])
        total, weight = total + ((out - y) ** 2).sum(), weight + y.numel()
        samples.append({"shape": grid, "x": x.flatten().tolist(), "y": y.flatten().tolist()})
        outputs.append(out.detach().flatten().tolist())
    (total / weight).backward()
    return {
        "config": {"input": inputs, "layers": [conf], "head": {"units": units, "activation": "sigmoid"}, "loss": "mse"},
        "samples": samples,
        "params": {n: v.detach().flatten().tolist() for n, v in params.items()},
        "outputs": outputs, "loss_sum": total.item(), "weight": weight,
        "gradients": {n: v.grad.flatten().tolist() for n, v in params.items()},
    }


def main():
    here = pathlib.Path(__file__).parent
    generator = torch.Generator().manual_seed(2007)
    for kind in ("layernorm", "plain", "graves", "stable", "leakylp"):
        cases = [
            case(kind, ["++", "-+"], [[3, 2], [1, 4]], 3, 0.5, generator),
            case(kind, ["+-+"], [[2, 2, 3], [2, 1, 1]], 3, 0.0, generator),
        ]
        (here / f"golden_{kind}.json").write_text(json.dumps(cases) + "\n")


if __name__ == "__main__":
    main()
