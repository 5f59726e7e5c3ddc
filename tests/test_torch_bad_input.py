"""Calls that PyTorch refuses are refused here, by an error that whoever catches PyTorch's catches.

Each good call is damaged in the same few ways: another kind of argument, another element type,
another shape, a dimension that is not there. What PyTorch then says is asked of PyTorch itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import anadrome as ad

torch = pytest.importorskip("torch")

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]


def grid(L: Any, *shape: int) -> Any:
    """Values from 0.1 up, all different.

    A square matrix has more on its diagonal: rows of numbers in equal steps are singular, and
    whether rounding leaves a pivot of exactly zero is then up to each library's LAPACK.
    """
    count = 1
    for n in shape:
        count *= n
    out = (L.arange(count, dtype=L.float64) / 8 + 0.1).reshape(shape)
    return out + 3 * L.eye(3, dtype=L.float64) if shape == (3, 3) else out


#: Functions of one Tensor; after colons, the numbers that follow it (``!``: it is square).
ONE = (
    "abs exp log sqrt sin tanh sigmoid erf lgamma floor ceil round trunc sign isnan "
    "logical_not nan_to_num sum mean prod std var amax amin max min argmax argmin all any "
    "median count_nonzero logsumexp:1 cumsum:1 cumprod:1 cummax:1 cummin:1 diff sort argsort "
    "topk:2 kthvalue:2 mode unique trace tril triu diag flatten squeeze unsqueeze:0 "
    "transpose:0:1 t flip:(0,) roll:1 rot90 tile:(2,) unbind chunk:2 split:1 movedim:0:1 "
    "softmax:1 log_softmax:1 nonzero diagonal:0 narrow:0:0:1 select:0:1 "
    "repeat_interleave:2 norm det:! aminmax"
)
#: Of two.
TWO = (
    "add sub mul div floor_divide remainder fmod pow maximum minimum atan2 eq ne lt le gt ge "
    "logical_and logical_or logical_xor isclose logaddexp hypot fmax fmin copysign "
    "allclose"
)

#: A good call by PyTorch's name: shapes of the Tensors, or the numbers, that it takes. "i" before
#: a shape: indices.
GOOD: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(ONE.split(), ((3, 4),)),
    **dict.fromkeys(TWO.split(), ((3, 4), (3, 4))),
    "lerp": ((3,), (3,), 0.5),
    "addcmul": ((3,), (3,), (3,)),
    "addcdiv": ((3,), (3,), (3,)),
    "clamp": ((3,), 0.2, 0.4),
    "matmul": ((3, 4), (4, 2)),
    "mm": ((3, 4), (4, 2)),
    "bmm": ((2, 3, 4), (2, 4, 2)),
    "mv": ((3, 4), (4,)),
    "dot": ((3,), (3,)),
    "outer": ((3,), (2,)),
    "inner": ((3,), (3,)),
    "addmm": ((2,), (3, 4), (4, 2)),
    "baddbmm": ((2, 3, 2), (2, 3, 4), (2, 4, 2)),
    "cross": ((2, 3), (2, 3)),
    "cdist": ((3, 4), (2, 4)),
    "kron": ((2, 2), (2, 2)),
    "gather": ((3, 4), 0, ("i", 1, 4)),
    "index_select": ((3, 4), 0, ("i", 2)),
    "index_add": ((3, 4), 0, ("i", 2), (2, 4)),
    "index_copy": ((3, 4), 0, ("i", 2), (2, 4)),
    "scatter": ((3, 4), 0, ("i", 1, 4), (1, 4)),
    "scatter_add": ((3, 4), 0, ("i", 1, 4), (1, 4)),
    "take": ((3, 4), ("i", 2)),
    "linalg.inv": ((3, 3),),
    "linalg.solve": ((3, 3), (3, 2)),
    "linalg.qr": ((3, 3),),
    "linalg.vector_norm": ((3, 3),),
    "nn.functional.linear": ((3, 4), (2, 4), (2,)),
    "nn.functional.conv1d": ((1, 2, 5), (3, 2, 2), (3,)),
    "nn.functional.conv2d": ((1, 2, 5, 5), (3, 2, 2, 2), (3,)),
    "nn.functional.conv_transpose2d": ((1, 2, 5, 5), (2, 3, 2, 2), (3,)),
    "nn.functional.cross_entropy": ((3, 4), ("i", 3), (4,)),
    "nn.functional.nll_loss": ((3, 4), ("i", 3), (4,)),
    "nn.functional.relu": ((3, 4),),
    "nn.functional.gelu": ((3, 4),),
    "nn.functional.elu": ((3, 4),),
    "nn.functional.softplus": ((3, 4),),
    "nn.functional.hardtanh": ((3, 4),),
    "nn.functional.layer_norm": ((3, 4), (4,)),
    "nn.functional.max_pool2d": ((1, 2, 4, 4), 2),
    "nn.functional.avg_pool2d": ((1, 2, 4, 4), 2),
    "nn.functional.embedding": (("i", 3), (4, 2)),
    "nn.functional.one_hot": (("i", 3),),
    "nn.functional.binary_cross_entropy_with_logits": ((3, 4), (3, 4)),
    "nn.functional.pad": ((3, 4), (1, 1)),
    "nn.functional.bilinear": ((3, 4), (3, 2), (5, 4, 2), (5,)),
    "nn.functional.cosine_similarity": ((3, 4), (3, 4)),
}
#: There the second argument is a shape, not the shape of a Tensor.
NUMBERS = ("nn.functional.layer_norm", "nn.functional.pad")


def rows() -> Iterator[tuple[str, tuple[Any, ...]]]:
    """The names and what they take, the short spelling above written out."""
    for name, takes in GOOD.items():
        name, *rest = name.split(":")
        if "!" in rest:
            rest, takes = [], ((3, 3),)
        yield name, (*takes, *[("n", eval(r)) for r in rest])


def arguments(L: Any, name: str, takes: tuple[Any, ...]) -> list[Any]:
    """The arguments of the good call."""
    out: list[Any] = []
    for i, t in enumerate(takes):
        if not isinstance(t, tuple) or (i == 1 and name in NUMBERS):
            out.append(t)
        elif t[:1] == ("n",):
            out.append(t[1])
        elif t[:1] == ("i",):
            out.append(L.zeros(t[1:], dtype=L.int64))
        else:
            out.append(grid(L, *t))
    return out


Damage = Callable[[Any, Any], Any]
#: What is done to a Tensor, by name.
TENSORS: dict[str, Damage] = {
    "a word": lambda L, x: "a",
    "None": lambda L, x: None,
    "a list": lambda L, x: [1, 2],
    "a number": lambda L, x: 2,
    "int64": lambda L, x: x.to(L.int64),
    "bool": lambda L, x: x.to(L.bool),
    "complex": lambda L, x: x.to(L.complex128),
    "float32": lambda L, x: x.to(L.float32),
    "one dimension more": lambda L, x: x[None].repeat(2, *[1] * x.ndim),
    "one dimension less": lambda L, x: x[0].clone(),
    "shorter": lambda L, x: x[..., :-1].clone(),
    "far off": lambda L, x: x + 1000,
    "a row of zeros": lambda L, x: L.cat([L.zeros_like(x[:1]), x[1:]]),  # exactly singular
}
#: And to a number.
OTHERS: dict[str, Damage] = {
    "a word": lambda L, x: "a",
    "None": lambda L, x: None,
    "a half": lambda L, x: 1.5,
    "too large": lambda L, x: 100 if isinstance(x, int) else (100,),
    "too small": lambda L, x: -100 if isinstance(x, int) else (-100,),
}


def raised(L: Any, name: str, args: list[Any]) -> Exception | None:
    function = L
    for part in name.split("."):
        function = getattr(function, part)
    try:
        function(*args)
    except Exception as error:
        return error
    return None


CASES = [(name, takes, i) for name, takes in rows() for i in range(len(takes))]


@pytest.mark.parametrize(("name", "takes", "place"), CASES, ids=[f"{n}-{i}" for n, _, i in CASES])
def test_refused_alike(name: str, takes: tuple[Any, ...], place: int) -> None:
    """Damaged in one place, a call that PyTorch refuses is refused, and caught by the same."""
    wrong = []
    assert raised(torch, name, arguments(torch, name, takes)) is None
    assert raised(ad, name, arguments(ad, name, takes)) is None
    tensor = isinstance(arguments(ad, name, takes)[place], ad.Tensor)
    for what, damage in (TENSORS if tensor else OTHERS).items():
        both = []
        for L in (torch, ad):
            args = arguments(L, name, takes)
            try:
                args[place] = damage(L, args[place])
            except (RuntimeError, IndexError):
                break  # nothing to cut off
            both.append(raised(L, name, args))
        if len(both) < 2 or both[0] is None or isinstance(both[0], AttributeError):
            continue  # or PyTorch's own Python code stumbles
        wanted = next(c for c in type(both[0]).__mro__ if c.__module__ == "builtins")
        if wanted is NotImplementedError:
            wanted = RuntimeError
        if not isinstance(both[1], wanted):
            wrong.append(f"{what}: {both[1]!r}, not {wanted.__name__}: {str(both[0])[:90]}")
    assert not wrong, "\n".join(wrong)
