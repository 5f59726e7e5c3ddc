"""refusals: what a call that failed was given, said in PyTorch's words.

PyTorch's functions check the kinds of their arguments before anything else. Here nothing is checked
in a call that succeeds: when one fails, its arguments are read again, and if one is of another kind
than the function takes, that is what the error says. Else the failure is told as at any border of
the framework (``core/border.py``).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from .border import on_purpose, translated
from .composite import announced
from .dtypes import dtype as dtype_class
from .errors import ArgumentError, DomainError, DtypeError, RangeError, ShapeError
from .modes import current
from .tensor import Tensor

F = TypeVar("F", bound=Callable[..., Any])

#: What arguments of these names are, where nothing else says so.
_NAMED = {
    "Tensor": "input other self x mat mat1 mat2 vec vec1 vec2 batch1 batch2 tensor1 tensor2 index "
    "mask target tensor boundaries sorted_sequence",
    "int": "dim0 dim1 dim2 k n diagonal offset storage_offset start_dim end_dim groups",
    "bool": "keepdim sorted largest descending stable unbiased ceil_mode count_include_pad "
    "align_corners",
    "tuple of ints": "dim shape size sizes shifts stride dilation kernel_size output_size "
    "normalized_shape",
}
_KIND = {name: kind for kind, names in _NAMED.items() for name in names.split()}
_SPELLED = {"Tensor", "int", "bool", "float", "str"}

#: Words of which PyTorch complains by their value, whatever their class.
_WORDS = {"reduction", "mode", "compute_mode"}


#: NumPy's names of arguments, which PyTorch takes too.
ALIASES = {"axis": "dim", "keepdims": "keepdim", "x": "input", "a": "input", "x1": "input",
           "x2": "other"}  # fmt: skip


def renamed(keywords: dict[str, Any], names: Any) -> dict[str, Any] | None:
    """The keywords with PyTorch's names in the place of NumPy's; None if there are none to change.

    ``names``: those that the function takes.
    """
    out = dict(keywords)
    for alias, name in ALIASES.items():
        if alias in out and alias not in names and name in names and name not in out:
            out[name] = out.pop(alias)
    return out if out.keys() != keywords.keys() else None


def refusing(function: F) -> F:
    """Give a function errors that name the argument that is of the wrong kind.

    >>> import anadrome as ad
    >>> ad.trace("a")
    Traceback (most recent call last):
    anadrome.errors.ArgumentError: trace(): argument 'input' (position 1) must be Tensor, not str
    """

    composite = announced(function)
    if composite is None:

        @functools.wraps(function)
        def call(*args: Any, **keywords: Any) -> Any:
            try:
                return function(*args, **keywords)
            except Exception as error:
                return answer(function, error, args, keywords)

    else:

        @functools.wraps(function)
        def call(*args: Any, **keywords: Any) -> Any:
            try:
                if current().modes:
                    return composite(*args, **keywords)
                return function(*args, **keywords)
            except Exception as error:
                return answer(function, error, args, keywords)

    return call  # type: ignore[return-value]


def answer(
    function: Callable[..., Any], error: Exception, args: tuple[Any, ...], keywords: dict[str, Any]
) -> Any:
    """What a call of ``function`` that failed with ``error`` comes to.

    If an argument is of a class that overrides functions, and the first one met, it is asked. As in
    PyTorch a Tensor of one integer may stand for a number, and NumPy's name of an argument for
    PyTorch's: then the call is made again with these. Else this raises ``error``, or the TypeError
    that the arguments deserve.
    """
    from .looking import met

    asked = met(function, args, keywords)
    if asked is not None:
        return asked()
    run = announced(function) or function
    code = function.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    spelled = renamed(keywords, names)
    if spelled is not None:
        keywords = spelled
        try:
            return run(*args, **keywords)
        except Exception as again:
            error = again
    defaults = function.__defaults__ or ()
    optional = dict(zip(names[code.co_argcount - len(defaults) : code.co_argcount], defaults))
    optional.update(function.__kwdefaults__ or {})
    said = {name: str(a) for name, a in function.__annotations__.items()}
    name = _public(function)
    given = [(n, v, i) for i, (n, v) in enumerate(zip(names[: code.co_argcount], args), 1)]
    given += [(n, v, 0) for n, v in keywords.items() if n in names]
    numbers = {n: v.__index__() for n, v, _ in given if _stands_for_int(n, v, said.get(n, "Any"))}
    if numbers:
        args = tuple([numbers.get(n, v) for n, v, i in given if i]) + args[code.co_argcount :]
        keywords = {n: numbers.get(n, v) for n, v in keywords.items()}
        try:
            return run(*args, **keywords)
        except Exception as again:
            error = again
    told: Exception | None = None
    if not _says_it(error):
        told = _of_arguments(name, given, said, optional) or _of_number(name, error)
    try:
        told = told or translated(name, error, args, keywords)
        if told is error:
            raise error
        raise told from error
    finally:
        del told, error  # this frame is in their traceback: a cycle, which would keep the arrays


def answer_of_op(
    op: Any, error: Exception, arrays: Any, keywords: dict[str, Any] | None = None
) -> Any:
    """What a call of an op that failed comes to: it raises ``op.explain(...)``.

    Unless an argument is of a class that overrides functions, and the first one met.
    """
    from .looking import met

    try:
        again = met(op, arrays, keywords or {})
        if again is not None:
            return again()
        raise op.explain(error, arrays, keywords) from error
    finally:
        del error  # this frame is in its traceback: a cycle, which would keep the arrays


def _says_it(error: Exception) -> bool:
    """Whether a TypeError of our own says better what is wrong."""
    kind = isinstance(error, TypeError) and not isinstance(error, ArgumentError)
    return kind and on_purpose(error)


def _stands_for_int(name: str, value: Any, said: str) -> bool:
    kind = _kind(name, said)
    return isinstance(value, Tensor) and ("int" in kind) and _is_int(value)


def _public(function: Callable[..., Any]) -> str:
    """The name under which users know a function."""
    name = function.__name__
    if not name.startswith("_"):
        return name
    from . import namespace

    for public, value in vars(namespace).items():
        if getattr(value, "__wrapped__", value) is function:
            return public
    return name.strip("_")


def of_op(
    op: Any, error: Exception, args: tuple[Any, ...], keywords: dict[str, Any]
) -> Exception | None:
    """The TypeError that a call of an op deserves, or None."""
    inputs = [op.label(i) for i in range(len(args) if op.variadic else len(op.inputs))]
    given = [(n, v, i) for i, (n, v) in enumerate(zip(inputs, args), 1)]
    given += [(n, v, 0) for n, v in keywords.items() if _KIND.get(n) != "Tensor"]
    said = {n: "Tensor | float" + " | None" * (i >= op.required) for i, n in enumerate(inputs)}
    wrong = _of_arguments(op.name, given, said, op.defaults) or _of_number(op.name, error)
    return wrong or _of_kind(op, error, args)


def _of_kind(op: Any, error: Exception, args: tuple[Any, ...]) -> Exception | None:
    """For what an array library says of an element type that it has no function of."""
    if "not supported for the input types" not in str(error):
        return None
    from .align import unsupported
    from .dtypes import of_python

    given = [a for a in args if isinstance(a, Tensor)]
    if not given:
        return None
    kinds = [a.dtype for a in given]
    kinds += [of_python(a) for a in args if isinstance(a, (bool, int, float, complex))]
    return unsupported(op, given[0]._data, max(kinds, key=lambda kind: kind.category))


def _of_number(name: str, error: Exception) -> ArgumentError | None:
    """For what Python says when it was to make a number of a word."""
    words = ("invalid literal for int()", "could not convert string to float")
    if isinstance(error, ValueError) and str(error).startswith(words):
        return ArgumentError(f"{name}() takes a number there: {error}")
    return None


def _of_arguments(
    name: str, given: list[Any], said: dict[str, str], optional: dict[str, Any]
) -> ArgumentError | None:
    for argument, value, position in given:
        if argument in _WORDS or (argument in optional and value is optional[argument]):
            continue
        kind = _kind(argument, said.get(argument, "Any"))
        if kind and not _is(kind, value):
            place = f" (position {position})" if position else ""
            return ArgumentError(
                f"{name}(): argument '{argument}'{place} must be {kind}, not {type(value).__name__}"
            )
    return None


def _kind(name: str, said: str) -> str:
    """The kind of an argument: by its annotation, else by its name."""
    parts = [part.strip() for part in said.split("|")]
    spelled = [part for part in parts if part != "None"]
    if len(spelled) == 1 and spelled[0] in _SPELLED:
        return spelled[0] + (" or None" if "None" in parts else "")
    if spelled and all(part in ("Tensor", "float", "int", "bool") for part in spelled):
        return "Tensor or Number" + (" or None" if "None" in parts else "")
    if said == "Any":
        return _KIND.get(name, "")
    return ""


def _is(kind: str, value: Any) -> bool:
    if value is None:
        return kind.endswith("None")
    kind = kind.removesuffix(" or None")
    if kind.startswith("Tensor"):
        number = isinstance(value, (int, float, complex))
        if isinstance(value, (str, bytes, list, tuple, dict, set, dtype_class)) or callable(value):
            return False
        return hasattr(value, "shape") or (number and "Number" in kind)
    if kind == "int":
        return _is_int(value)
    if kind == "tuple of ints":
        if isinstance(value, Tensor) and value.ndim:
            return True  # sizes in a Tensor, or a second Tensor in the place of a dimension
        parts = value if isinstance(value, (tuple, list)) else (value,)
        return all(n is None or _is_int(n) for n in parts)
    if kind == "bool":
        return isinstance(value, bool)
    if kind == "float":
        return _is_number(value)
    return isinstance(value, str)


def _is_int(value: Any) -> bool:
    if isinstance(value, Tensor):
        return value.ndim == 0 and not (value.dtype.is_floating_point or value.dtype.is_complex)
    return hasattr(value, "__index__") and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    if isinstance(value, Tensor):
        return value.ndim == 0
    return hasattr(value, "__float__") and not isinstance(value, str)


#: What array libraries say of `-` on booleans, and what PyTorch says.
BOOLEAN = {
    "boolean subtract": (
        "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to "
        "invert a mask, use the `~` or `logical_not()` operator instead"
    ),
    "boolean negative": (
        "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to "
        "invert a mask, use the `~` or `logical_not()` operator instead"
    ),
}


def mismatch(arrays: Any) -> str:
    """PyTorch's words for the first two shapes that do not broadcast; empty if all do."""
    shapes = [tuple(a.shape) for a in arrays if hasattr(a, "shape")]
    longest = max((len(s) for s in shapes), default=0)
    for place in range(1, longest + 1):
        sizes = [s[-place] for s in shapes if len(s) >= place and s[-place] != 1]
        for size in sizes:
            if size != sizes[0]:
                return (
                    f"The size of tensor a ({sizes[0]}) must match the size of tensor b ({size}) "
                    f"at non-singleton dimension {longest - place}"
                )
    return ""


#: An array library's errors, and PyTorch's for the same.
CLASSES: tuple[tuple[Any, Any], ...] = (
    (IndexError, RangeError),
    (TypeError, DtypeError),
    (ValueError, ShapeError),
    (ArithmeticError, DomainError),
)


def describe_argument(a: Any) -> str:
    """``float32 (3, 4) on cpu``: an argument as error messages show it."""
    if isinstance(a, Tensor):
        return f"{a.dtype.name} {tuple(a.shape)} on {a.device}"
    if hasattr(a, "shape") and hasattr(a, "dtype"):
        return f"{a.dtype} {tuple(a.shape)}"
    return repr(a)
