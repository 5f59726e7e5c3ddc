"""structures: plain containers of Tensors as JSON, the Tensors aside, and back.

JSON's own strings, finite numbers, booleans, None and lists stand for themselves; everything else
is an object of one entry that says its kind. Numbers come back bit for bit and of their type: a
NumPy scalar is not a Python number, since it promotes otherwise.
"""

from __future__ import annotations

import math
from typing import Any

from . import backend as backends
from . import dtypes
from .errors import SerializationError
from .ops.complex import _view_as_complex, _view_as_real
from .tensor import Tensor

#: Kinds of NumPy's that are values: booleans, integers, floats, complex numbers.
_KINDS = "biufc"
#: How deeply values may be nested: less than what JSON's reader can follow anywhere.
_DEPTH = 100
#: What may come of reading what somebody else has made up.
DAMAGED = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


def check_storable(tensor: Tensor) -> None:
    """Refuse a Tensor whose values are not all that it is, such as one with a mask: a safetensors
    file would hold them without the rest."""
    if type(tensor) is Tensor:
        return
    from .tabled import Tabled

    if isinstance(tensor, Tabled):
        raise SerializationError(
            f"a safetensors file cannot hold a {tensor.kind}: write it with `save` to a path of "
            "another ending, or write the Tensors that it is made of"
        )


def describe(value: Any, arrays: dict[str, Any], where: str) -> Any:
    """JSON for a nested value; its Tensors and NumPy arrays go into ``arrays``, by name.

    Raises ``SerializationError`` that names the place of whatever is not a value.
    """
    try:
        return _node(value, arrays, where, _DEPTH)
    except RecursionError as error:
        raise SerializationError(f"{where} is nested too deeply, or in itself") from error


def _node(value: Any, arrays: dict[str, Any], where: str, depth: int) -> Any:
    if not depth:
        raise RecursionError
    depth -= 1
    numpy = backends.get("numpy").xp
    if isinstance(value, Tensor):
        check_storable(value)
        if value.dtype is dtypes.complex128:  # which the files have no word for
            return {"complex128": _put(arrays, _view_as_real(value.detach()))}
        return {"tensor": _put(arrays, value)}
    if isinstance(value, numpy.ndarray) and value.dtype.kind in _KINDS:
        flat = numpy.frombuffer(value.tobytes(), dtype="uint8")
        return {"array": [value.dtype.str, list(value.shape), _put(arrays, flat)]}
    if isinstance(value, numpy.generic) and value.dtype.kind in _KINDS:
        return {"scalar": [value.dtype.str, value.tobytes().hex()]}
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"float": repr(float(value))}
    if isinstance(value, complex):
        return {"complex": [_node(x, arrays, where, depth) for x in (value.real, value.imag)]}
    if isinstance(value, (bytes, bytearray)):
        return {"bytes": bytes(value).hex()}
    if isinstance(value, dict):
        entries = []
        for k, v in value.items():
            key = _node(k, arrays, f"a key of {where}", depth)
            entries.append([key, _node(v, arrays, f"{where}[{k!r}]", depth)])
        return {"dict": entries}
    if isinstance(value, (list, tuple)):
        items = [_node(v, arrays, f"{where}[{i}]", depth) for i, v in enumerate(value)]
        return items if isinstance(value, list) else {"tuple": items}
    if isinstance(value, (set, frozenset)):
        # Equal sets give equal files.
        ordered = sorted(value, key=lambda v: (type(v).__name__, repr(v)))
        return {"set": [_node(v, arrays, f"an element of {where}", depth) for v in ordered]}
    raise SerializationError(
        f"{where} is a {type(value).__name__}; files hold Tensors, numbers, strings, booleans, "
        "None, and dicts, lists and tuples of them"
    )


def _put(arrays: dict[str, Any], value: Any) -> str:
    name = f"{len(arrays)}"
    arrays[name] = value
    return name


def rebuild(node: Any, arrays: dict[str, Any]) -> Any:
    """What ``describe`` described. ``arrays``: Tensors by name.

    Raises one of ``DAMAGED`` for what it never wrote.
    """
    if isinstance(node, list):
        return [rebuild(v, arrays) for v in node]
    if not isinstance(node, dict):
        return node
    ((kind, content),) = node.items()
    if kind == "tensor":
        return arrays[content]
    if kind == "complex128":
        return _view_as_complex(arrays[content])
    if kind == "array":
        code, shape, name = content
        flat = arrays[name].numpy().tobytes()
        return _values(code, flat).reshape(shape).copy()
    if kind == "dict":
        return {rebuild(k, arrays): rebuild(v, arrays) for k, v in content}
    if kind == "tuple":
        return tuple(rebuild(v, arrays) for v in content)
    if kind == "set":
        return {rebuild(v, arrays) for v in content}
    if kind == "scalar":
        code, digits = content
        (number,) = _values(code, bytes.fromhex(digits))
        return number
    if kind == "float":
        return float(content)
    if kind == "complex":
        real, imaginary = content
        return complex(rebuild(real, arrays), rebuild(imaginary, arrays))
    if kind == "bytes":
        return bytes.fromhex(content)
    raise ValueError(f"unknown kind {kind!r}")


def _values(code: str, content: bytes) -> Any:
    numpy = backends.get("numpy").xp
    kind = numpy.dtype(code)
    if kind.kind not in _KINDS:
        raise ValueError(f"unknown kind of number {code!r}")
    return numpy.frombuffer(content, dtype=kind)
