"""opchecks: whether an op that a program registered does what it says (``library.opcheck``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import autograd, modes
from ..backend import by_type
from ..border import bordered
from ..errors import AnadromeError
from ..tensor import Tensor
from .trees import tree_flatten, tree_map


class OpCheckError(AnadromeError, RuntimeError):
    """A check of an op failed."""


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_flatten(tree)[0] if isinstance(leaf, Tensor)]


def _mapped(function: Callable[[Tensor], Tensor], tree: Any) -> Any:
    return tree_map(lambda leaf: function(leaf) if isinstance(leaf, Tensor) else leaf, tree)


def _copied(t: Tensor) -> Tensor:
    return t.detach().clone().requires_grad_(t.requires_grad)


def _without_values(t: Tensor) -> Tensor:
    return t.detach().to("meta").requires_grad_(t.requires_grad)


def _named(op: Any, args: Any, kwargs: Any) -> dict[str, Any]:
    """The arguments by their names; by number where the op has no signature."""
    signature = getattr(op, "_signature", None)
    if signature is None:
        return {**{str(i): a for i, a in enumerate(args)}, **kwargs}
    return dict(signature.bind(*args, **kwargs).arguments)


def _schema(op: Any, args: Any, kwargs: Any) -> None:
    """It writes into what it says, and gives memory of its own."""
    args, kwargs = _mapped(_copied, (args, kwargs))
    before = _mapped(_copied, _named(op, args, kwargs))
    with modes.no_grad():
        found = op(*args, **kwargs)
    given = _named(op, args, kwargs)
    for name, value in given.items():
        for old, new in zip(_tensors(before[name]), _tensors(value)):
            same = (old == new) | ((old != old) & (new != new))
            if name not in getattr(op, "_mutates", ()) and not bool(same.all()):
                raise RuntimeError(f"Argument {name} is not defined as mutable but was mutated")
    for out in _tensors(found):
        for t in _tensors(given):
            if out is t or by_type[type(out._data)].shares(out._data, t._data):
                raise RuntimeError(
                    f"{op!r}: The output of this custom operator (1) must not also be an input to "
                    "this custom operator and (2) may not alias any inputs to this custom operator "
                    "or other returns; return a clone"
                )


def _registration(op: Any, args: Any, kwargs: Any) -> None:
    """Nothing to find: a gradient can be registered in one way only."""


def _fake(op: Any, args: Any, kwargs: Any) -> None:
    """Without values the results have the shapes, dtypes and strides that they have with them."""
    with modes.no_grad():
        real = _tensors(op(*_mapped(_copied, args), **_mapped(_copied, kwargs)))
        fake = _tensors(op(*_mapped(_without_values, args), **_mapped(_without_values, kwargs)))
    if len(real) != len(fake):
        raise RuntimeError(f"{op!r}: {len(real)} results with values, and {len(fake)} without")
    for r, f in zip(real, fake):
        for what, ours, theirs in (
            ("Shapes", r.shape, f.shape),
            ("Dtypes", r.dtype, f.dtype),
            ("Strides", r.stride(), f.stride()),  # type: ignore[attr-defined]
        ):
            if ours != theirs:
                raise RuntimeError(
                    f"{op!r}: what its fake impl gives is not what it gives: {what} {ours} and "
                    f"{theirs} are not equal!"
                )


def _gradients(op: Any, args: Any, kwargs: Any) -> None:
    """It has gradients where they are asked for, with values and without, each of its shape."""
    for kind in (_copied, _without_values):
        here, named = _mapped(kind, args), _mapped(kind, kwargs)
        over = [t for t in _tensors((here, named)) if t.requires_grad]
        outs = [t for t in _tensors(op(*here, **named)) if t.requires_grad]
        if not outs:
            continue
        seeds = [t.detach().new_ones(t.shape) for t in outs]  # type: ignore[attr-defined]
        grads = autograd.grad(outs, over, seeds, allow_unused=True)
        for t, g in zip(over, grads):
            if g is not None and g.shape != t.shape:
                raise RuntimeError(
                    f"{op!r}: the gradient of an input of shape {tuple(t.shape)} has the shape "
                    f"{tuple(g.shape)}"
                )


_CHECKS: dict[str, Callable[[Any, Any, Any], None]] = {
    "test_schema": _schema,
    "test_autograd_registration": _registration,
    "test_faketensor": _fake,
    "test_aot_dispatch_static": _gradients,
    "test_aot_dispatch_dynamic": _gradients,
}
_USUAL = tuple(name for name in _CHECKS if name != "test_aot_dispatch_static")


@bordered
def opcheck(
    op: Any,
    args: Any,
    kwargs: Any = None,
    *,
    test_utils: Any = _USUAL,
    raise_exception: bool = True,
    atol: Any = None,
    rtol: Any = None,
) -> dict[str, Any]:
    """Whether a registered op does what it says, on these arguments (``torch.library.opcheck``).

    That it writes into nothing but ``mutates_args`` and gives memory of its own; that its
    ``register_fake`` gives the same shapes, dtypes and strides; that it has gradients where they
    are asked for. It does not look whether the gradients are right: ``autograd.gradcheck`` does.
    Returns "SUCCESS" by the name of each check, or what failed; raises unless told not to.

    >>> import anadrome as ad
    >>> @ad.library.custom_op("mine::twice", mutates_args=())
    ... def twice(x: ad.Tensor) -> ad.Tensor:
    ...     return x * 2
    >>> twice.register_fake(lambda x: x.sum()) and None
    >>> ad.library.opcheck(twice, (ad.ones(3),), raise_exception=False)["test_schema"]
    'SUCCESS'
    >>> ad.library.opcheck(twice, (ad.ones(3),))
    Traceback (most recent call last):
    anadrome.places.opchecks.OpCheckError: opcheck(op, ...): test_faketensor failed with ...
    """
    from . import library

    if not isinstance(op, (library.CustomOpDef, library._Packet)):
        raise ValueError(
            "opcheck(op, ...): op must be one that was registered, or one of torch.ops, e.g. "
            f"torch.ops.aten.sin.default, got {type(op)}"
        )
    wanted = (test_utils,) if isinstance(test_utils, str) else tuple(test_utils)
    if not set(wanted) <= set(_CHECKS):
        raise ValueError(
            f"opcheck(op, ..., test_utils={wanted}), expected test_utils to be subset of "
            f"{tuple(_CHECKS)} but it was not"
        )
    results: dict[str, Any] = {}
    for name in wanted:
        try:
            _CHECKS[name](op, tuple(args), dict(kwargs or {}))
            results[name] = "SUCCESS"
        except Exception as error:
            if raise_exception:
                raise OpCheckError(f"opcheck(op, ...): {name} failed with {error}") from error
            results[name] = error
    return results
