"""CuPy's fused kernels: their CUDA source, run on the CPU, beside float64 and the composed path."""

from __future__ import annotations

from typing import Any

import fake_cupy
import fake_kernels
import ml_dtypes
import numpy as np
import pytest
from test_backend_cupy import fake  # noqa: F401  (the fixture)

import anadrome as ad
import anadrome.nn.functional as F
from anadrome import backend
from anadrome.op import table

# ruff: noqa: F811

KINDS = {
    "float64": np.dtype(np.float64), "float32": np.dtype(np.float32),
    "float16": np.dtype(np.float16), "bfloat16": np.dtype(ml_dtypes.bfloat16),
}  # fmt: skip
#: Relative to the largest value of a result.
BOUNDS = {"float64": 1e-12, "float32": 3e-6, "float16": 2e-3, "bfloat16": 1.2e-2}
WIDTHS = (1, 31, 32, 33, 1023, 1024, 1025, 5000)


class Draw:
    """Arguments of a call: arrays of a type, drawn."""

    def __init__(self, width: int, kind: Any, rows: int = 5) -> None:
        self.rng = np.random.default_rng(width)
        self.width, self.kind, self.rows = width, kind, rows

    def normal(self, *shape: int) -> Any:
        return self.rng.normal(size=shape).astype(self.kind)

    @property
    def x(self) -> Any:
        return self.normal(self.rows, self.width)

    @property
    def line(self) -> Any:
        return self.normal(self.width)

    @property
    def scale(self) -> Any:
        return self.rng.uniform(0.5, 2, (self.rows, 1)).astype(self.kind)

    @property
    def scores(self) -> Any:
        x = self.x.astype(float)
        return (x - np.log(np.exp(x).sum(-1, keepdims=True))).astype(self.kind)

    @property
    def classes(self) -> Any:
        out = self.rng.integers(0, self.width, self.rows)
        out[0] = -100
        return out

    @property
    def importance(self) -> Any:
        return self.rng.uniform(0.5, 1, self.width).astype(self.kind)


def _losses(kind: str, d: Draw) -> Any:
    for reduction in ("mean", "sum", "none"):
        for weight in (None, d.importance):
            grad = d.normal(d.rows) if reduction == "none" else d.normal()
            rest = {"ignore_index": -100, "reduction": reduction}
            if kind == "nll_loss":
                yield (d.scores, d.classes, weight), rest
            elif kind == "nll_backward":
                yield (grad, d.classes, weight), {"shape": (d.rows, d.width), **rest}
            elif kind == "cross_entropy":
                yield (d.x, d.classes, weight), rest
            else:
                yield (grad, d.scores, d.classes, weight), rest


CALLS: dict[str, Any] = {
    "softmax": lambda d: [((d.x,), {"dim": -1})],
    "log_softmax": lambda d: [((d.x,), {"dim": 1})],
    "softmax_backward": lambda d: [((d.x, np.exp(d.scores)), {"dim": -1})],
    "log_softmax_backward": lambda d: [((d.x, d.scores), {"dim": -1})],
    "layer_norm": lambda d: [
        ((d.x, d.line, d.line), {"dims": 1, "eps": 1e-5}),
        ((d.x, None, None), {"dims": 1, "eps": 1e-3}),
        ((d.x, d.line, None), {"dims": 1, "eps": 1e-5}),
    ],
    "rms_norm": lambda d: [
        ((d.x, d.line), {"dims": 1, "eps": 1e-5}), ((d.x, None), {"dims": 1, "eps": 1e-3}),
    ],
    "layer_norm_backward": lambda d: [((d.x, d.x, d.scale, d.line), {"dims": 1})],
    "rms_norm_backward": lambda d: [((d.x, d.x, d.scale, d.line), {"dims": 1})],
    **{
        name: lambda d, name=name: _losses(name, d)
        for name in ("nll_loss", "nll_backward", "cross_entropy", "cross_entropy_backward")
    },
}  # fmt: skip


def dressed(args: Any) -> list[Any]:
    return [None if a is None else fake_cupy.dressed(a) for a in args]


def fused(name: str) -> Any:
    """The kernel, which must take what it is given."""
    from anadrome.backends.cupy import kernels
    from anadrome.backends.cupy.kernels import losses, norms, softmax

    def refused(*args: Any, **keywords: Any) -> Any:
        raise AssertionError(f"{name} was left to the composed path")

    assert name in kernels.kernels_for(backend.get("cupy"))
    makers = {**softmax.MAKERS, **norms.MAKERS, **losses.MAKERS}
    return makers[name](refused)


def declared(name: str) -> Any:
    """The declaration, on NumPy."""
    return backend.get("numpy").composed(table[name])


def together(out: Any) -> tuple[Any, ...]:
    return out if isinstance(out, tuple) else (out,)


def close(name: str, got: Any, want: Any, kind: str) -> None:
    for number, (a, b) in enumerate(zip(together(got), together(want), strict=True)):
        a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
        assert a.shape == b.shape
        size = max(np.abs(b).max(initial=0), 1e-3)
        np.testing.assert_allclose(
            a / size, b / size, rtol=0, atol=BOUNDS[kind] * 2, err_msg=f"{name}, result {number}"
        )


def compare(name: str, draw: Draw, kind: str, mended: Any = None) -> None:
    """The kernel beside the declaration in float64, and beside the composed path."""
    composed = backend.get("cupy").composed(table[name])
    for args, keywords in CALLS[name](draw):
        given = dressed(args)
        kept = [None if a is None else np.array(a) for a in given]
        got = fused(name)(*given, **keywords)
        for a, b in zip(given, kept):
            assert a is None or np.array_equal(a, b, equal_nan=False)  # read only
        high = [a if a is None or a.dtype.kind == "i" else a.astype(np.float64) for a in args]
        close(name, got, declared(name)(*high, **keywords), kind)
        other = together(composed(*dressed(args), **keywords))
        close(name, got, other, kind)
        for a, b in zip(together(got), other, strict=True):
            assert isinstance(a, fake_cupy.Array) and a.dtype == b.dtype


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CALLS)
def test_each_width(fake: Any, name: str, kind: str) -> None:
    for width in WIDTHS:
        compare(name, Draw(width, KINDS[kind]), kind)


@pytest.mark.parametrize("threads", [(32, 1), (32, 8), (64, 1), (256, 1), (1024, 1)])
@pytest.mark.parametrize("name", CALLS)
def test_each_size_of_a_block(
    fake: Any, monkeypatch: Any, name: str, threads: tuple[int, int]
) -> None:
    from anadrome.backends.cupy.kernels import common

    monkeypatch.setattr(common, "threads_for", lambda packs: threads)
    for width, rows in ((33, 70), (1028, 3)):
        compare(name, Draw(width, KINDS["float32"], rows), "float32")


@pytest.mark.parametrize("name", CALLS)
def test_no_thread_depends_on_which_runs_first(fake: Any, monkeypatch: Any, name: str) -> None:
    """A barrier that is missing shows when threads run in another order."""
    found = []
    for order in (0, 1, 3, 11):
        monkeypatch.setattr(fake_kernels, "ORDER", [order])
        found.append(
            [
                np.asarray(a).tobytes()
                for width in (40, 1500)
                for args, keywords in CALLS[name](Draw(width, KINDS["float32"], 40))
                for a in together(fused(name)(*dressed(args), **keywords))
            ]
        )
    assert all(bits == found[0] for bits in found[1:])


@pytest.mark.parametrize("name", CALLS)
def test_what_does_not_lie_in_rows_is_made_to(fake: Any, name: str) -> None:
    for args, keywords in CALLS[name](Draw(36, KINDS["float32"])):
        plain = fused(name)(*dressed(args), **keywords)
        turned = [
            a if a is None or a.ndim < 1 else fake_cupy.dressed(np.repeat(a, 2, -1))[..., ::2]
            for a in dressed(args)
        ]
        for a, b in zip(together(plain), together(fused(name)(*turned, **keywords))):
            assert np.array_equal(a, b)


def test_rows_of_several_dimensions(fake: Any) -> None:
    d = Draw(1, KINDS["float32"])
    x, g, w = d.normal(3, 4, 5, 6), d.normal(3, 4, 5, 6), d.normal(5, 6)
    scale = np.abs(d.normal(3, 4, 1, 1)) + 1
    for name, args, keywords in (
        ("layer_norm", (x, w, w), {"dims": 2, "eps": 1e-5}),
        ("rms_norm", (x, w), {"dims": 2, "eps": 1e-5}),
        ("layer_norm_backward", (g, x, scale, w), {"dims": 2}),
        ("rms_norm_backward", (g, x, scale, w), {"dims": 2}),
        ("softmax", (x,), {"dim": 3}),
        ("softmax_backward", (g, x), {"dim": -1}),
    ):
        got = fused(name)(*dressed(args), **keywords)
        close(name, got, declared(name)(*args, **keywords), "float32")


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "cross_entropy"])
@pytest.mark.parametrize("width", [7, 40, 1500])
def test_scores_that_are_not_finite(fake: Any, name: str, width: int) -> None:
    x = np.random.default_rng(0).normal(size=(6, width)).astype(np.float32)
    x[0, 0] = x[1, -1] = -np.inf
    x[2] = -np.inf
    x[3, 3] = np.inf
    x[4, -2] = np.nan
    x[5] *= 1e4
    args: Any = (x,) if name != "cross_entropy" else (x, np.array([1, 2, 0, 3, 1, 2]), None)
    rest: Any = {"dim": -1}
    if name == "cross_entropy":
        rest = {"ignore_index": -100, "reduction": "none"}
    with np.errstate(all="ignore"):
        want = together(declared(name)(*args, **rest))
    for a, b in zip(together(fused(name)(*dressed(args), **rest)), want, strict=True):
        np.testing.assert_allclose(np.asarray(a), b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("name", "args", "keywords"), [
    ("softmax", [(3, 4)], {"dim": 0}),
    ("softmax", [()], {"dim": 0}),
    ("log_softmax", [(0, 4)], {"dim": -1}),
    ("softmax_backward", [(4,), (3, 4)], {"dim": -1}),
    ("layer_norm", [(3, 4), (1, 4), (4,)], {"dims": 1, "eps": 1e-5}),
    ("rms_norm", [(0, 4), (4,)], {"dims": 1, "eps": 1e-5}),
])  # fmt: skip
def test_what_kernels_do_not_take_is_composed(
    fake: Any, name: str, args: Any, keywords: Any
) -> None:
    given = [np.random.default_rng(0).normal(size=s) for s in args]
    got = fake.kernels[name](*dressed(given), **keywords)
    close(name, got, declared(name)(*given, **keywords), "float64")
    with pytest.raises(AssertionError, match="was left to the composed path"):
        fused(name)(*dressed(given), **keywords)


@pytest.mark.parametrize("loss", [F.cross_entropy, F.nll_loss])
def test_a_class_that_is_none_is_refused_later(fake: Any, loss: Any) -> None:
    fake_cupy.Event.reached = False
    out = loss(ad.zeros(3, 4, device="cuda"), ad.tensor([0, 7, -100], device="cuda"))
    with pytest.raises(IndexError, match="Target 7 is out of bounds: the input has 4 classes"):
        out.item()


def test_all_rows_ignored(fake: Any) -> None:
    x = ad.ones(2, 3, device="cuda", requires_grad=True)
    loss = F.cross_entropy(x, ad.tensor([-100, -100], device="cuda"))
    loss.backward()
    assert np.isnan(loss.item()) and x.grad.tolist() == [[0.0] * 3] * 2


PROGRAMS = {
    "softmax": lambda x, w: x.softmax(-1),
    "log_softmax": lambda x, w: x.log_softmax(-1),
    "layer_norm": lambda x, w: F.layer_norm(x, (5,), w, w * 0.5),
    "plain layer_norm": lambda x, w: F.layer_norm(x, (5,)),
    "rms_norm": lambda x, w: F.rms_norm(x, (5,), w),
    "cross_entropy": lambda x, w: F.cross_entropy(
        x * w, ad.tensor([0, 3, 1], device="cuda"), weight=ad.arange(5.0, device="cuda").double()
    ),
    "nll": lambda x, w: F.nll_loss(x.log_softmax(-1) * w, ad.tensor([0, 4, 1], device="cuda")),
    "gelu": lambda x, w: F.gelu(x * w),
    "gelu tanh": lambda x, w: F.gelu(x * w, approximate="tanh"),
    "silu": lambda x, w: F.silu(x * w),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_gradients_and_gradients_of_gradients(fake: Any, name: str) -> None:
    rng = np.random.default_rng(0)
    x, w = (
        ad.tensor(rng.normal(size=s), dtype=ad.float64, device="cuda", requires_grad=True)
        for s in ((3, 5), (5,))
    )
    assert ad.autograd.gradcheck(PROGRAMS[name], (x, w))
    assert ad.autograd.gradgradcheck(PROGRAMS[name], (x, w))
