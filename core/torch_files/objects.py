"""objects: what is more than tensors and plain containers, by Python's own pickle.

A whole Module, the arguments of a program, an optimizer: they are written as pickle would, with
their tensors as PyTorch's files have them. Reading one back calls what it names, so it is done
only for ``load(..., weights_only=False)``, as in PyTorch.
"""

from __future__ import annotations

import io
import pickle
import types
from collections.abc import Callable
from typing import Any, ClassVar, NoReturn

from ..errors import SerializationError
from ..nn.parameter import Parameter
from ..overriding import off
from ..tabled import InFile, Tabled
from ..tensor import Tensor
from .allowed import PARAMETER, TENSOR, Named, find
from .writing import BYTES, WITHOUT_VALUES, layout_of


class _Name:
    """A function or class that the file calls by PyTorch's name."""

    def __init__(self, module: str, name: str) -> None:
        self.line = f"c{module}\n{name}\n".encode("ascii")

    def __call__(self) -> NoReturn:
        raise NotImplementedError("a name is called when the file is read")


class _Stored:
    """A tensor's storage in the file, as ``("storage", kind, key, location, count)``."""

    def __init__(self, *reference: Any) -> None:
        self.reference = reference


_REBUILD = _Name("torch._utils", "_rebuild_tensor_v2")
_REBUILD_BYTES = _Name("torch._utils", "_rebuild_tensor_v3")
_FROM_TYPE = _Name("torch._tensor", "_rebuild_from_type_v2")
_EMPTY = _Name(*WITHOUT_VALUES.split(" "))
_PARAMETER = _Name("torch._utils", "_rebuild_parameter")
_PARAMETER_AND_MORE = _Name("torch._utils", "_rebuild_parameter_with_state")


def _own_dispatch() -> dict[Any, Any]:
    """What pickle itself does with each type; other packages put theirs into ``_Pickler``'s."""
    own: Any = pickle._Pickler  # type: ignore[attr-defined]
    kinds = (bool, float, bytes, bytearray, str, tuple, list, dict, set, frozenset, type)
    named = {kind: getattr(own, f"save_{kind.__name__}") for kind in kinds}
    return {
        **named,
        int: own.save_long,
        type(None): own.save_none,
        pickle.PickleBuffer: own.save_picklebuffer,
        types.FunctionType: own.save_global,
    }


class ObjectPickler(pickle._Pickler):  # type: ignore[name-defined]
    """``place``: puts a tensor into the file; returns kind, key, count, offset and strides."""

    write: Callable[[bytes], Any]
    dispatch: ClassVar[dict[Any, Any]] = _own_dispatch()

    def __init__(self, file: Any, place: Callable[[Tensor], tuple[Any, ...]]) -> None:
        super().__init__(file, protocol=2)
        self.place = place

    def persistent_id(self, obj: Any) -> Any:
        """The reference of a storage; None for all else."""
        return obj.reference if type(obj) is _Stored else None

    def reducer_override(self, obj: Any) -> Any:
        """A Tensor or Parameter as PyTorch rebuilds it; all else as it says itself."""
        if type(obj) is InFile:
            return NotImplemented if obj.args is None else (_Name(*obj.name.split(" ")), obj.args)
        if isinstance(obj, Tabled):
            with off():
                return self.reducer_override(obj.in_file())
        if isinstance(obj, Parameter) and type(obj).__reduce_ex__ is Tensor.__reduce_ex__:
            told: tuple[Any, ...] = (obj.detach(), obj.requires_grad, {})
            state = obj._attributes()
            return (_PARAMETER_AND_MORE, (*told, state)) if state else (_PARAMETER, told)
        if type(obj) is Tensor:
            return self._rebuilt(obj)
        if not isinstance(obj, Tensor) or type(obj).__reduce_ex__ is not Tensor.__reduce_ex__:
            return NotImplemented
        function, args = self._rebuilt(obj)
        return _FROM_TYPE, (function, type(obj), args, obj._attributes())

    def _rebuilt(self, obj: Any) -> Any:
        if not obj._backend.holds_values:
            dtype, *lengths = layout_of(obj)
            return _EMPTY, (_Name("torch", dtype.name), *lengths, obj.requires_grad)
        kind, key, count, offset, strides = self.place(obj)
        stored = _Stored("storage", _Name(*kind.split(" ")), str(key), str(obj.device), count)
        args: tuple[Any, ...] = (stored, offset, tuple(obj.shape), strides, obj.requires_grad, {})
        if kind is BYTES:
            return _REBUILD_BYTES, (*args, _Name("torch", obj.dtype.name))
        return _REBUILD, args

    def _save_name(self, obj: _Name) -> None:
        self.write(obj.line)

    def _save_in_file(self, obj: InFile) -> None:
        self._save_name(_Name(*obj.name.split(" ")))

    dispatch[_Name] = _save_name
    dispatch[InFile] = _save_in_file


def write_object(obj: Any, place: Callable[[Tensor], tuple[Any, ...]]) -> bytes:
    """Any object that can be pickled; SerializationError for one that cannot."""
    out = io.BytesIO()
    try:
        ObjectPickler(out, place).dump(obj)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise SerializationError(
            f"the object cannot be saved: {error}; save tensors, and plain containers of them: "
            "for a Module, what `module.state_dict()` returns"
        ) from error
    return out.getvalue()


def called(module: str, name: str) -> Any:
    """What a name stands for in a pickle that is trusted; SerializationError if it is not ours."""
    found = find(module, name)
    if not isinstance(found, Named):
        return found
    return found.kind or _TRUSTED.get(found.name, found.call)


class _Unpickler(pickle.Unpickler):
    def __init__(self, data: bytes, persistent: Callable[[Any], Any]) -> None:
        super().__init__(io.BytesIO(data))
        self.persistent_load = persistent  # type: ignore[method-assign, assignment]

    def find_class(self, module: str, name: str) -> Any:
        try:
            return called(module, name)
        except SerializationError:
            if module.partition(".")[0] == "torch":
                raise
            return super().find_class(module, name)


def _of_class(function: Any, kind: Any, args: Any, state: Any) -> Tensor:
    """``torch._tensor._rebuild_from_type_v2``: of a program's class, with what it has set on it."""
    if issubclass(kind, Tabled):
        return kind.of_file(args, state)
    made = function(*args)
    if type(made) is not kind:
        wanted = made.requires_grad
        made = made.detach().as_subclass(kind).requires_grad_(wanted)
    return _with_state(made, state)


def _with_state(made: Any, state: Any) -> Any:
    if hasattr(made, "__setstate__"):
        made.__setstate__(state)
    else:
        for part in state if isinstance(state, tuple) else (state,):
            made.__dict__.update(part or {})
    return made


def _parameter_of(data: Any, requires_grad: Any, hooks: Any, state: Any) -> Any:
    """``torch._utils._rebuild_parameter_with_state``: with what a program has set on it."""
    return _with_state(PARAMETER.call(data, requires_grad), state)


#: Names that stand for more where a file is trusted.
_TRUSTED: dict[str, Any] = {
    "torch._tensor._rebuild_from_type_v2": _of_class,
    "torch._utils._rebuild_parameter_with_state": _parameter_of,
    TENSOR.name: Tensor,
    PARAMETER.name: Parameter,
}


def read_object(data: bytes, persistent: Callable[[Any], Any]) -> Any:
    """The object of a pickle of a file that is trusted: it may run code."""
    try:
        return _Unpickler(data, persistent).load()
    except SerializationError:
        raise
    except Exception as error:
        raise SerializationError(
            f"its object cannot be made: {type(error).__name__}: {error}"
        ) from error
