"""Calls of the compiled kernels: by name of the op, arguments and keywords."""

from __future__ import annotations

from typing import Any

import numpy as np

Case = tuple[tuple[Any, ...], dict[str, Any]]
ROWS, WIDTH = 40, 33


def made(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32) * 3


def numbers(below: int, *shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, below, shape)


def rows() -> dict[str, list[Case]]:
    x, g = made(ROWS, WIDTH), made(ROWS, WIDTH, seed=1)
    w, b = made(WIDTH, seed=2), made(WIDTH, seed=3)
    normal, scale = made(ROWS, WIDTH, seed=4), np.abs(made(ROWS, 1, seed=5)) + 0.1
    y = np.exp(x) / np.exp(x).sum(1, keepdims=True)
    return {
        "softmax": [((x,), {"dim": -1})],
        "log_softmax": [((x,), {"dim": 1})],
        "softmax_backward": [((g, y), {"dim": -1})],
        "layer_norm": [
            ((x, w, b), {"dims": 1, "eps": 1e-5}),
            ((x, None, None), {"dims": 2, "eps": 0.1}),
        ],
        "layer_norm_backward": [((g, normal, scale, w), {"dims": 1})],
        "rms_norm": [((x, w), {"dims": 1, "eps": 1e-5}), ((x, None), {"dims": 2, "eps": 0.1})],
        "rms_norm_backward": [((g, x, scale, w), {"dims": 1})],
    }


def pointwise() -> dict[str, list[Case]]:
    x, g = made(ROWS, WIDTH), made(ROWS, WIDTH, seed=1)
    out: dict[str, list[Case]] = {
        name: [((x,), {})] for name in ("gelu", "relu", "sigmoid", "silu", "tanh")
    }
    x[::3, ::2] = 0
    for name in ("gelu_backward", "threshold_backward", "sigmoid_backward", "tanh_backward"):
        out[name] = [((g, x), {})]
    return out


def convolutions() -> dict[str, list[Case]]:
    """In all three readings: forward, and the gradients of the weight and of the input."""
    out: dict[str, list[Case]] = {"convolution": [], "conv_weight": [], "conv_input": []}
    for x, w, stride, padding, dilation, groups in (
        ((3, 5, 9, 7), (6, 5, 3, 3), (1, 1), (1, 1), (1, 1), 1),
        ((3, 5, 9, 7), (6, 5, 3, 2), (2, 3), (0, 1), (1, 2), 1),
        ((1, 1, 6, 6), (4, 1, 3, 3), (1, 1), (2, 2), (1, 1), 1),
        ((3, 4, 6, 6), (6, 2, 3, 3), (1, 1), (1, 1), (1, 1), 2),
        ((3, 4, 6, 7), (4, 1, 3, 3), (1, 1), (1, 1), (1, 1), 4),
        ((3, 4, 7, 8), (4, 1, 3, 2), (2, 2), (1, 0), (2, 1), 4),
        ((3, 4, 6, 6), (8, 1, 3, 3), (1, 1), (1, 1), (1, 1), 4),
        ((3, 5, 6, 6), (6, 5, 1, 1), (1, 1), (0, 0), (1, 1), 1),
        ((3, 6, 6, 6), (6, 3, 1, 1), (2, 2), (0, 0), (1, 1), 2),
        ((2, 3, 4, 5), (6, 3, 3, 3), (1, 1), (2, 4), (2, 3), 1),
        ((3, 5, 11), (6, 5, 3), (2,), (1,), (2,), 1),
        ((3, 5, 11), (5, 1, 3), (1,), (1,), (1,), 5),
    ):
        how = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        sizes = tuple(
            (n + 2 * p - d * (k - 1) - 1) // s + 1
            for n, k, s, p, d in zip(x[2:], w[2:], stride, padding, dilation)
        )
        g = made(x[0], w[0], *sizes, seed=2)
        out["convolution"].append(((made(*x), made(*w, seed=1)), how))
        out["convolution"].append(((made(*x), made(*w, seed=1), made(w[0], seed=3)), how))
        out["conv_weight"].append(((g, made(*x)), {"shape": w, **how}))
        out["conv_input"].append(((g, made(*w, seed=1)), {"shape": x, **how}))
        out["conv_input"].append(((g, made(*w, seed=1), made(x[1], seed=3)), {"shape": x, **how}))
    aside = np.ascontiguousarray(made(3, 9, 7, 5)).transpose(0, 3, 1, 2)
    out["convolution"].append(
        ((aside, made(6, 5, 3, 3)[:, :, ::-1]), {"stride": (1, 1), "padding": (1, 1),
                                                 "dilation": (1, 1)})
    )  # fmt: skip
    return out


def columns() -> dict[str, list[Case]]:
    close = {"kernel": (3, 2), "stride": (2, 1), "padding": (1, 1), "dilation": (1, 2)}
    apart = {"kernel": (3, 2), "stride": (1, 2), "padding": (1, 1), "dilation": (1, 1)}
    x = made(3, 4, 7, 6)
    return {
        "im2col": [((x,), close), ((x,), apart)],
        "col2im": [
            ((made(3, 24, 24),), {"shape": x.shape, **close}),
            ((made(3, 24, 28),), {"shape": x.shape, **apart}),
        ],
    }


def pools() -> dict[str, list[Case]]:
    out: dict[str, list[Case]] = {
        name: [] for name in ("max_pool", "max_pool_backward", "avg_pool", "avg_pool_backward")
    }
    for shape, kernel, stride, padding, dilation, ceil in (
        ((3, 4, 8, 6), (2, 2), (2, 2), (0, 0), (1, 1), False),
        ((3, 4, 9, 7), (2, 2), (2, 2), (0, 0), (1, 1), False),
        ((3, 4, 9, 7), (2, 2), (2, 2), (0, 0), (1, 1), True),
        ((3, 4, 9, 7), (3, 2), (2, 1), (1, 1), (1, 1), False),
        ((3, 4, 9, 8), (3, 2), (1, 2), (1, 0), (2, 3), True),
        ((3, 4, 15), (3,), (2,), (1,), (1,), False),
    ):
        how = {"kernel": kernel, "stride": stride, "padding": padding}
        sizes = []
        for n, k, s, p, d in zip(shape[2:], kernel, stride, padding, dilation):
            span = n + 2 * p - d * (k - 1) - 1
            size = (-(-span // s) if ceil else span // s) + 1
            sizes.append(size - 1 if ceil and (size - 1) * s >= n + p else size)
        g = made(*shape[:2], *sizes, seed=1)
        x = made(*shape)
        x[0, 0, :3] = -np.inf
        odd = x.copy()
        odd[1, :, 1:3] = np.nan
        close = {**how, "dilation": dilation}
        out["max_pool"] += [((a,), {**close, "ceil_mode": ceil}) for a in (x, odd)]
        chosen = numbers(int(np.prod(kernel)), *g.shape).astype(np.uint8)
        out["max_pool_backward"].append(((g, chosen), {"shape": shape, **close}))
        if set(dilation) != {1}:
            continue
        for count_pad, divisor in ((True, None), (False, None), (True, 3)):
            settings = {**how, "ceil_mode": ceil, "count_pad": count_pad, "divisor": divisor}
            out["avg_pool"].append(((made(*shape),), settings))
            out["avg_pool_backward"].append(((g,), {"shape": shape, **settings}))
    return out


def recurrences() -> dict[str, list[Case]]:
    out: dict[str, list[Case]] = {"lstm": [], "lstm_backward": []}
    n, width = 5, 7
    for sizes, reverse in (((n,) * 4, False), ((n,) * 3, True), ((5, 3, 3, 1), False)):
        total, how = sum(sizes), {"sizes": sizes, "reverse": reverse}
        h, c, w = made(n, width, seed=1), made(n, width, seed=2), made(4 * width, width, seed=3)
        out["lstm"].append(((made(total, 4 * width), h, c, w / 9), how))
        acts = 1 / (1 + np.exp(-made(total, 4 * width)))
        g_out, g_cell = made(total, width, seed=4), made(total, width, seed=5)
        for given in ((g_out, g_cell), (g_out, None), (None, g_cell)):
            out["lstm_backward"].append(((acts, made(total, width, seed=6), c, w / 9, *given), how))
    return out


def products() -> dict[str, list[Case]]:
    """Along both sides, as they lie and transposed, in stacks of one and two dimensions."""
    out: dict[str, list[Case]] = {name: [] for name in ("mm", "bmm", "matmul", "linear")}
    for m, n, k in ((70, 20, 9), (20, 70, 9), (33, 33, 1)):
        for a in (made(m, k), made(k, m).T):
            for b in (made(k, n, seed=1), made(n, k, seed=1).T, made(k, 2 * n, seed=1)[:, ::2]):
                out["mm"].append(((a, b), {}))
        for bias in ((), (made(n, seed=2),), (made(2 * n, seed=2)[::2],)):
            for x in (made(m, k), made(2, m, k), made(k)):
                out["linear"].append(((x, made(n, k, seed=1), *bias), {}))
        for bias in (made(1, seed=2), made(1, n, seed=2), np.asarray(made())):  # broadcast
            out["linear"].append(((made(m, k), made(n, k, seed=1), bias), {}))
        out["bmm"].append(((made(5, m, k), made(5, n, k, seed=1).swapaxes(1, 2)), {}))
        heads = made(3, m, 2, k).transpose(0, 2, 1, 3)
        out["matmul"].append(((heads, made(3, n, 2, k, seed=1).transpose(0, 2, 3, 1)), {}))
        out["matmul"].append(((heads, made(k, n, seed=1)), {}))
        out["matmul"].append(((made(2, 2, 2, m, k), made(2, 2, 2, k, n, seed=1)), {}))
    return out


def losses() -> dict[str, list[Case]]:
    x, target = made(ROWS, WIDTH), numbers(WIDTH, ROWS)
    x_log = x - np.log(np.exp(x).sum(1, keepdims=True))
    out: dict[str, list[Case]] = {"cross_entropy": [], "cross_entropy_backward": []}
    for reduction in ("none", "mean", "sum"):
        how = {"ignore_index": -100, "reduction": reduction}
        g = made(ROWS, seed=1) if reduction == "none" else made(seed=1)
        out["cross_entropy"].append(((x, target, None), how))
        out["cross_entropy_backward"].append(((np.asarray(g), x_log, target, None), how))
    return out


def scattered() -> dict[str, list[Case]]:
    g = made(ROWS, WIDTH, seed=1)
    out: dict[str, list[Case]] = {
        "embedding_backward": [
            ((g, numbers(7, ROWS)), {"shape": (7, WIDTH), "padding_idx": 2}),
            ((made(5, 8, WIDTH).swapaxes(0, 1), numbers(7, 8, 5)), {"shape": (7, WIDTH)}),
        ],
        "index_add": [],
        "scatter_add": [],
        "scatter_into": [],
    }
    for dim, shape in ((0, (9, 5)), (1, (6, 9, 4)), (-1, (5, 9))):
        given = tuple(23 if n == 9 else n for n in shape)
        x, source, index = made(*shape), made(*given, seed=1), numbers(9, *given)
        for alpha in (1, 0.5):
            line = ((x, numbers(9, 23), source), {"dim": dim, "alpha": alpha})
            out["index_add"].append(line)
        out["scatter_add"].append(((x, index, source), {"dim": dim}))
        out["scatter_into"].append(((source, index), {"dim": dim, "shape": shape}))
    return out


def masked() -> dict[str, list[Case]]:
    x = made(6, 5, 7)
    x[0, 0, :2] = np.nan, np.inf
    out: dict[str, list[Case]] = {"masked_fill": [], "where": []}
    for shape in ((7,), (5, 7), (6, 5, 7)):
        mask = numbers(2, *shape) == 1
        for value in (0.0, float("-inf"), -2.5):
            out["masked_fill"].append(((x, mask), {"value": value}))
            out["where"] += [((mask, value, x), {}), ((mask, x, value), {})]
    out["where"].append(((mask, x, made(6, 5, 7, seed=1)), {}))
    return out


def dropped() -> dict[str, list[Case]]:
    x = made(ROWS, WIDTH)
    return {"dropout": [((x,), {"p": p, "key": (2**40 + 7, 3)}) for p in (0.0, 0.3, 0.5)]}


def calls() -> dict[str, list[Case]]:
    families = (
        rows,
        pointwise,
        convolutions,
        columns,
        pools,
        products,
        recurrences,
        losses,
        masked,
        scattered,
        dropped,
    )
    return {name: cases for family in families for name, cases in family().items()}
