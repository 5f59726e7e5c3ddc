"""pools: values to put where an argument belongs; by the argument's name, and hostile ones."""

from __future__ import annotations

import decimal
import fractions
import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np

import anadrome as ad

#: Numbers at which sizes, counts and indices go wrong.
BIG = (2**31, 2**32, 2**53 + 1, 2**62, 2**63 - 1, 2**63, 2**64, 10**30)
INTS = (0, 1, 2, 3, 5, -1, -2, -3, -7, 100, *BIG, *(-b for b in BIG))
FLOATS = (
    0.0, -0.0, 0.5, 1.0, -1.0, 2.5, 1e-45, 1e-8, 1e4, 1e38, 1e308, math.nan, math.inf, -math.inf,
)  # fmt: skip
DTYPES = ("float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8",
          "bool_", "complex64", "complex128")  # fmt: skip
SHAPES: tuple[tuple[int, ...], ...] = (
    (), (0,), (1,), (2,), (3,), (5,), (1, 1), (2, 3), (3, 2), (3, 3), (4, 4), (0, 3), (3, 0),
    (2, 3, 4), (1, 3, 3), (2, 0, 3), (1, 2, 4, 4), (2, 3, 5, 5), (1, 1, 1, 1), (1, 2, 3, 4, 4),
    (1,) * 7,
)  # fmt: skip


class Odd:
    """An object of a class that nobody knows."""

    def __repr__(self) -> str:
        return "Odd()"


class Index:
    """An object that is an index, as NumPy's integers are."""

    def __index__(self) -> int:
        return 1

    def __repr__(self) -> str:
        return "Index()"


class Mute:
    """An object that cannot be printed, of whose attributes each raises."""

    def __repr__(self) -> str:
        raise ValueError("no repr")

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


def _nested(depth: int) -> list[Any]:
    out: list[Any] = []
    for _ in range(depth):
        out = [out]
    return out


def _itself() -> list[Any]:
    out: list[Any] = []
    out.append(out)
    return out


def double(x: Any) -> Any:
    """A function of one argument, as users give them."""
    return x * 2


def nothing(*args: Any, **keywords: Any) -> None:
    """A function that returns nothing."""


#: What makes one hostile value each.
HOSTILE: tuple[Callable[[], Any], ...] = (
    lambda: None, lambda: "", lambda: "mean", lambda: "no such thing", lambda: b"bytes",
    list, dict, set, tuple, Odd, Index, object,
    lambda: np.float32(1.5), lambda: np.float64(math.nan), lambda: np.int64(2),
    lambda: np.int64(-(2**63)), lambda: np.bool_(True), lambda: np.array([1.0, 2.0]),
    lambda: np.array(3), lambda: np.array(["a", "b"]), lambda: np.array([None, 1], dtype=object),
    lambda: True, lambda: False, lambda: 1j, lambda: complex(math.nan, math.inf),
    lambda: (i for i in range(3)), lambda: iter(()), lambda: range(3), lambda: slice(None),
    lambda: slice(3, -1, -2), lambda: Ellipsis, lambda: NotImplemented, lambda: int,
    lambda: ad.Tensor, lambda: math, lambda: lambda: None, lambda: double, lambda: nothing,
    lambda: fractions.Fraction(1, 3), lambda: decimal.Decimal("1.5"), lambda: [1, "a"],
    lambda: [None], lambda: (1, None), lambda: (-1, 2**62), lambda: (2**31, 2**31),
    lambda: {"a": 1}, lambda: {1: None}, lambda: [[1, 2], [3]], lambda: _nested(100),
    lambda: _nested(5000), _itself, lambda: [0] * 40, lambda: (1,) * 70,
    lambda: ad.float32, lambda: ad.int64, lambda: ad.complex64, lambda: ad.device("cpu"),
    lambda: ad.Generator(), lambda: ad.nn.Linear(2, 2), lambda: ad.strided,
    lambda: [ad.ones(2), 3], lambda: [ad.ones(2), None], lambda: (ad.ones(2), ad.ones(3)),
    lambda: {"weight": ad.ones(1)},
)  # fmt: skip


#: What a sweep gives in the place of each argument.
SWEPT: tuple[Callable[[], Any], ...] = (
    lambda: None, lambda: np.float64(0.5), lambda: np.int64(2), lambda: np.float32(math.nan),
    lambda: True, lambda: 2, lambda: -1, lambda: 2**31, lambda: -(2**63), lambda: 2**63,
    lambda: 2.5, lambda: math.nan, lambda: math.inf, lambda: 1j, lambda: "no such thing",
    lambda: ad.Tensor, Odd, Mute, Index, lambda: _nested(5000), _itself, lambda: (1,) * 70,
    lambda: np.array([None, 1], dtype=object), lambda: decimal.Decimal("1.5"), lambda: {"a": 1},
    lambda: [ad.ones(2), None], lambda: (i for i in range(3)), lambda: nothing, list,
    lambda: ad.tensor(0.5), lambda: ad.tensor([0.5, 1.5], requires_grad=True),
    lambda: ad.ones(0), lambda: ad.ones(2, 3, dtype=ad.bfloat16),
    lambda: ad.ones(3, 3, dtype=ad.complex64).transpose(0, 1), lambda: ad.tensor([1, 0]),
    lambda: ad.float16,
)  # fmt: skip


def integer(rng: random.Random) -> int:
    """A number where a size, an index or a count belongs."""
    return rng.choice(INTS)


def number(rng: random.Random) -> float:
    """A number where a real one belongs."""
    return rng.choice(FLOATS)


def hostile(rng: random.Random) -> Any:
    """Anything."""
    which = rng.randrange(10)
    if which < 2:
        return integer(rng)
    if which < 3:
        return number(rng)
    if which < 5:
        return tensor(rng)
    return rng.choice(HOSTILE)()


def tensor(rng: random.Random, shape: tuple[int, ...] | None = None, kind: str = "") -> ad.Tensor:
    """A small Tensor of any shape and dtype, odd layouts and values among them."""
    shape = rng.choice(SHAPES) if shape is None else shape
    kind = kind or rng.choice(("float32", "float32", "float32", *DTYPES))
    dtype = getattr(ad.dtypes, kind)
    count = math.prod(shape)
    values: list[Any] = [rng.choice((0, 1, 2, 3)) for _ in range(count)]
    if dtype.is_floating_point or dtype.is_complex:
        values = [rng.uniform(-2, 2) for _ in range(count)]
        if count and rng.random() < 0.1:
            values[rng.randrange(count)] = rng.choice((math.nan, math.inf, -math.inf, 0.0))
    out = ad.tensor(values, dtype=dtype).reshape(shape)
    return layout(rng, out.detach())


def layout(rng: random.Random, x: ad.Tensor) -> ad.Tensor:
    """The same Tensor; sometimes transposed, expanded, strided, or one that requires a gradient."""
    which = rng.randrange(12)
    if which == 0 and x.ndim > 1:
        x = x.transpose(0, -1)
    elif which == 1:
        x = x.expand(2, *x.shape)
    elif which == 2 and x.ndim:
        x = x[::2]
    elif which == 3 and x.ndim:
        x = x.flip(0)
    x = x.detach()
    if rng.random() < 0.4 and (x.dtype.is_floating_point or x.dtype.is_complex):
        x.requires_grad_()
    return x


def _parameters(rng: random.Random) -> Any:
    out = [ad.nn.Parameter(tensor(rng, (2, 3), "float32").detach()) for _ in range(2)]
    for p in out:
        if rng.random() < 0.8:
            p.grad = ad.ones_like(p).detach()
    return out


def _optimizer(rng: random.Random) -> Any:
    return ad.optim.SGD(_parameters(rng), lr=0.1, momentum=rng.choice((0, 0.9)))


def _small(rng: random.Random) -> Any:
    return rng.choice((0, 1, 1, 2, 2, 3))


def _size(rng: random.Random) -> Any:
    return tuple(rng.choice((1, 2, 3)) for _ in range(rng.randrange(4)))


def _window(rng: random.Random) -> Any:
    return rng.choice((1, 2, 3, (1, 2), (2, 2), [1], (1, 1, 1)))


def _real(rng: random.Random) -> Any:
    return rng.choice((0.0, 0.1, 0.5, 1.0, 2.0))


def _floating(rng: random.Random) -> Any:
    return tensor(rng, kind=rng.choice(("float32", "float64")))


def _tensors(rng: random.Random) -> Any:
    shape = rng.choice(SHAPES)
    return [tensor(rng, shape, "float32") for _ in range(rng.randrange(1, 4))]


def _choice(*values: Any) -> Callable[[random.Random], Any]:
    return lambda rng: rng.choice(values)


def _each(names: str, make: Callable[[random.Random], Any]) -> dict[str, Any]:
    return dict.fromkeys(names.split(), make)


#: What to give an argument of each name, so that many calls work.
NAMED: dict[str, Callable[[random.Random], Any]] = {
    **_each(
        "input self x tensor a b other mat1 mat2 mat vec vec1 vec2 value src source target weight "
        "bias key query anchor positive negative input1 input2 x1 x2 loc scale rate probs logits "
        "concentration df covariance_matrix mean std low high data end start A B",
        _floating,
    ),
    **_each("index indices mask", lambda rng: tensor(rng, kind=rng.choice(("int64", "bool_")))),
    **_each("tensors arrays inputs outputs matrices sequences", _tensors),
    **_each("dim dim0 dim1 axis diagonal offset", _choice(0, 0, 1, -1, -2)),
    **_each("dims", _choice((0,), (0, 1), (-1,), 0)),
    **_each("size shape sizes sample_shape normalized_shape output_size", _size),
    **_each("kernel_size stride padding dilation output_padding", _window),
    **_each(
        "n k m steps chunks groups num_classes in_channels out_channels in_features out_features "
        "num_features hidden_size input_size num_layers split_size correction upscale_factor "
        "downscale_factor num_groups step_size T_max num_embeddings embedding_dim",
        _small,
    ),
    **_each(
        "p lr alpha beta eps weight_decay momentum gamma lambd min max rtol atol margin "
        "negative_slope threshold temperature",
        _real,
    ),
    **_each(
        "keepdim bias inplace training affine track_running_stats batch_first bidirectional "
        "ceil_mode upper full unbiased largest sorted stable descending retain_graph create_graph "
        "strict requires_grad nesterov amsgrad maximize",
        _choice(True, False),
    ),
    **_each("params parameters", _parameters),
    **_each("module model base_model", lambda rng: ad.nn.Linear(3, 2)),
    **_each("func function f fn lr_lambda closure hook callable", _choice(double, nothing, double)),
    "reduction": _choice("mean", "sum", "none"),
    "mode": _choice("nearest", "linear", "bilinear", "constant", "reflect", "max", "sum"),
    "dtype": lambda rng: getattr(ad.dtypes, rng.choice(DTYPES)),
    "device": _choice("cpu", None),
    "generator": lambda rng: ad.Generator().manual_seed(1),
    "optimizer": _optimizer,
    "dataset": lambda rng: list(range(6)),
    "state_dict": lambda rng: {"weight": tensor(rng, (2, 3), "float32"), "bias": ad.ones(2)},
    "milestones": _choice([1, 2], [3]),
    "equation": _choice("ij,jk->ik", "ij->ji", "ii", "i,i->", "bij,bjk"),
    "betas": _choice((0.9, 0.99)),
}


def named(name: str, rng: random.Random) -> Any:
    """A likely value for an argument of this name."""
    make = NAMED.get(name) or NAMED.get(name.rstrip("_0123456789s"))
    if make is not None:
        return make(rng)
    return rng.choice((_small, _real, _floating, _window))(rng)
