"""binding: a call's arguments sorted into arrays and metadata, as Python would for the forward."""

from __future__ import annotations

from typing import Any

from .op import Op
from .refusals import renamed
from .tensor import Tensor

#: PyTorch's names for the first two inputs of any function.
_POSITIONS = {"input": 0, "other": 1}


def bind(op: Op, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """Sort a call's arguments into arrays and metadata, as Python would for the forward."""
    if op.keywords == ("value",) and len(args) == len(op.inputs) + 1 and _is_older(args):
        args = (args[0], *args[2:], args[1])
    if op.variadic:
        arrays = list(args)
        extra: tuple[Any, ...] = ()
    else:
        arrays = list(args[: len(op.inputs)])
        extra = args[len(op.inputs) :]
    metadata = dict(op.defaults)
    by_place = op.keywords[: len(extra)] if op.spread is None else (op.spread,) if extra else ()
    if extra:
        if op.spread is not None:
            if len(extra) == 1 and not isinstance(extra[0], int) and hasattr(extra[0], "__iter__"):
                try:
                    if isinstance(extra[0], (str, bytes, dict, set)):
                        raise TypeError  # of letters, or in no order
                    extra = tuple(extra[0])
                except TypeError:
                    kind = type(extra[0]).__name__
                    raise TypeError(
                        f"{op.name}(): argument '{op.spread}' must be tuple of ints, not {kind}"
                    ) from None
            metadata[op.spread] = extra
        elif len(extra) > len(op.keywords):
            raise TypeError(
                f"{op.name}() takes {len(op.inputs) + len(op.keywords)} arguments, "
                f"{len(args)} were given: {_signature(op)}"
            )
        else:
            metadata.update(zip(op.keywords, extra))
    named: dict[int, Any] = {}
    for name, value in keywords.items():
        if name in op.keywords:
            if name in by_place:
                raise TypeError(f"{op.name}() got multiple values for argument {name!r}")
            metadata[name] = value
            continue
        position = op.inputs.index(name) if name in op.inputs else _POSITIONS.get(name, -1)
        if not len(arrays) <= position < len(op.inputs) or position in named:
            spelled = renamed(keywords, (*op.inputs, *op.keywords, *_POSITIONS))
            if spelled is not None:
                return bind(op, args, spelled)
            raise TypeError(
                f"{op.name}() got an unexpected argument {name!r}; its form is {_signature(op)}"
            )
        named[position] = value
    missing = [n for n in op.keywords if n not in metadata]
    optional = op.forward.__defaults__ or ()
    if not op.variadic:
        for position in range(len(arrays), len(op.inputs)):
            if position in named:
                arrays.append(named[position])
            elif position >= op.required:
                arrays.append(optional[position - op.required])
            else:
                missing.insert(0, op.inputs[position])
    if missing:
        raise TypeError(f"{op.name}() is missing {', '.join(map(repr, missing))}: {_signature(op)}")
    return tuple(arrays), metadata


def _is_older(args: tuple[Any, ...]) -> bool:
    """PyTorch's older form of a call, whose factor comes before what it multiplies."""
    first, *others = args[1:]
    return isinstance(first, (int, float, complex)) and all(isinstance(o, Tensor) for o in others)


def _signature(op: Op) -> str:
    parts = [("*" if op.variadic else "") + i for i in op.inputs]
    parts += [f"{k}={op.defaults[k]!r}" if k in op.defaults else k for k in op.keywords]
    return f"{op.name}({', '.join(parts)})"
