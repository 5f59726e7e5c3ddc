"""overriding: classes with a ``__torch_function__`` of their own, and modes that see each function.

A class (derived from Tensor, or of any other kind) may say what PyTorch's public functions, the
methods and properties of Tensor among them, do with its instances. To ask for that at each call
would slow all programs for the few that use it. So nothing is asked until the first instance of
such a class is met, or the first mode entered: ``start`` then gives each public function another
code object, one that looks at the classes of the arguments before it calls what the function was
(``core/looking.py``).

Which functions are public in this sense, and as what they are reported, is told by
``core/overridable.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from typing import Any

from . import modes
from .errors import ArgumentError
from .modes import Scope, State, current, set_state
from .tensor import Size, Tensor

_new = object.__new__


def unchanged(
    func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
) -> Any:
    """The ``__torch_function__`` of classes that change nothing.

    (PyTorch: ``torch._C._disabled_torch_function_impl``.)
    """
    with off():
        return func(*args, **(kwargs or {}))


# -- who overrides --------------------------------------------------------------------------------
class _Classes(set[type]):
    """A constant of code objects, which are hashed with their constants."""

    __hash__ = object.__hash__  # type: ignore[assignment]


#: Classes whose instances override nothing; learnt once a class.
plain = _Classes((Tensor, int, float, bool, complex, str, type(None), Size))


def overrides(cls: type) -> bool:
    """Whether a class says itself what public functions do with its instances."""
    if cls in plain:
        return False
    method = getattr(cls, "__torch_function__", None)
    if method is None or method is unchanged:  # as a function, or as a static method
        if not issubclass(cls, (list, tuple)):  # these are looked into
            plain.add(cls)
        return False
    return True


def overriding(values: Iterable[Any]) -> list[Any]:
    """Those that override, one of each class, in the order in which they are asked.

    That is from left to right, but a subclass before what it is derived from.
    """
    found: list[Any] = []
    for value in values:
        cls = value.__class__
        if cls in plain or not overrides(cls) or any(cls is f.__class__ for f in found):
            continue
        place = len(found)
        for i, other in enumerate(found):
            if issubclass(cls, other.__class__):
                place = i
                break
        found.insert(place, value)
    return found


def relevant(args: Sequence[Any], keywords: dict[str, Any]) -> list[Any]:
    """Of the arguments of a call, and of the lists among them, those that override."""
    values: list[Any] = []
    for value in (*args, *keywords.values()):
        if isinstance(value, (list, tuple)) and not overrides(value.__class__):
            values.extend(value)  # not `+=`, which a Size answers
        else:
            values.append(value)
    return overriding(values)


# -- asking them ----------------------------------------------------------------------------------
#: The calls that are being asked about, where both libraries may be: a Tensor of PyTorch's, asked,
#: makes the same call again, and switches off only PyTorch's own asking; and so do ours there.
_asked: ContextVar[tuple[Any, ...]] = ContextVar("asked", default=())


class _asking:
    """Inside somebody is asked about this call."""

    __slots__ = ("call", "token")

    def __init__(self, public: Any, args: tuple[Any, ...]) -> None:
        self.call = (public, args)

    def __enter__(self) -> None:
        self.token = _asked.set((*_asked.get(), self.call))

    def __exit__(self, *exc: object) -> None:
        _asked.reset(self.token)


def _again(public: Any, args: tuple[Any, ...]) -> bool:
    """Whether somebody is being asked about this call already."""
    return any(
        public is p and len(args) == len(a) and all(v is w for v, w in zip(args, a))
        for p, a in _asked.get()
    )


def ask(
    public: Any, found: list[Any], args: tuple[Any, ...], keywords: dict[str, Any] | None
) -> Any:
    """What the innermost mode, or else one of ``found``, has for a call of ``public``.

    Without keywords (None) they are not handed over. Raises TypeError if there is none that
    implements it.
    """
    state = current()
    types = tuple([value.__class__ for value in found])
    given = (public, types, args) if keywords is None else (public, types, args, keywords)
    on, active = state.functions
    if active:
        set_state(state.but(functions=(on, active[:-1])))
        try:
            result = active[-1].__torch_function__(*given)
        finally:
            set_state(state)
        if result is not NotImplemented:
            return result
    for value in found:
        if isinstance(value, Tensor):
            result = value.__torch_function__(*given)
        else:
            with _asking(public, args):
                result = value.__torch_function__(*given)
        if result is not NotImplemented:
            return result
    raise ArgumentError(_unanswered(public, types, active))


def _unanswered(public: Any, types: tuple[type, ...], active: tuple[Any, ...]) -> str:
    """What PyTorch says; it has other words for what is written in Python."""
    from .overridable import name_of

    name = name_of(public)
    if name is None or name.startswith("torch.nn.functional"):
        name = name or f"{public.__module__}.{public.__name__}"
        mode = f" nor in mode {active[-1]!r}" if active else ""
        of = "on types that implement __torch_function__"
        return f"no implementation found for '{name}' {of}: {list(types)}{mode}"
    modes_ = [f"\n  - mode object {active[-1]!r}"] if active else []
    asked = "".join([*modes_, *(f"\n  - tensor subclass {t}" for t in types)])
    every = "all __torch_function__ handlers returned NotImplemented"
    return f"Multiple dispatch failed for '{name}'; {every}:\n{asked}"


def looked_at(
    public: Any, original: Callable[..., Any], args: tuple[Any, ...], keywords: dict[str, Any]
) -> Any:
    """A call of a public function whose arguments are not all of classes known as plain."""
    on, active = current().functions
    found = relevant(args, keywords) if on else []
    if not (found or active) or (found and _again(public, args)):
        return original(*args, **keywords)
    return ask(public, found, args, keywords or None)


def operator_looked_at(
    public: Any, original: Callable[..., Any], args: tuple[Any, ...], keywords: dict[str, Any]
) -> Any:
    """The same for an operator of two: Python asks the other one where this one cannot."""
    on, active = current().functions
    found = relevant(args, keywords) if on else []
    if not (found or active) or (found and _again(public, args)):
        try:
            return original(*args, **keywords)
        except TypeError as error:
            if error.__traceback__ is not None and error.__traceback__.tb_next is not None:
                raise
            return NotImplemented  # arguments that do not fit it, as in PyTorch
    try:
        return ask(public, found, args, keywords or None)
    except TypeError:
        return NotImplemented


def making_looked_at(
    public: Any, original: Callable[..., Any], args: tuple[Any, ...], keywords: dict[str, Any]
) -> Any:
    """The same for what makes Tensors of numbers: modes see it, and objects that are no Tensors."""
    on, active = current().functions
    found = [v for v in relevant(args, keywords) if not isinstance(v, Tensor)] if on else []
    if not (found or active) or (found and _again(public, args)):
        return original(*args, **keywords)
    return ask(public, found, args, keywords or None)


def reading_looked_at(
    public: Any, original: Callable[..., Any], args: tuple[Any, ...], keywords: dict[str, Any]
) -> Any:
    """The same for what makes Tensors of data: only modes see it. (A Tensor of another library's,
    asked, would call it again.)"""
    if not current().functions[1]:
        return original(*args, **keywords)
    return ask(public, [], args, keywords or None)


# -- what the class Tensor does -------------------------------------------------------------------
def _of_tensor(
    cls: type, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
) -> Any:
    """Call ``func``; what it returns is of this class (PyTorch: ``Tensor.__torch_function__``).

    Classes that override it call it with ``super()``. NotImplemented beside classes from which this
    one is not derived.
    """
    if not all(issubclass(cls, t) for t in types) or _again(func, args):
        return NotImplemented
    with off(), _asking(func, args):
        result = func(*args, **(kwargs or {}))
        if getattr(func, "__self__", None) is _GRADIENT:
            return result
        return _of_class(result, cls)


def _of_class(result: Any, cls: type) -> Any:
    if cls is Tensor:
        return result
    if isinstance(result, Tensor):
        return result if isinstance(result, cls) else result.as_subclass(cls)
    if isinstance(result, (tuple, list)):
        parts = [_of_class(r, cls) for r in result]
        make = getattr(result, "_make", type(result))  # a tuple with names, or without
        return make(parts)
    return result


#: What it holds is stored by the engine; no call makes it one of a class.
_GRADIENT = Tensor.grad

Tensor.__torch_function__ = classmethod(_of_tensor)  # type: ignore[attr-defined]


def instance(cls: type) -> Any:
    """A Tensor of a class, still without its array; the first of one that overrides is noticed."""
    if cls not in plain and overrides(cls):
        from .looking import start

        start()
    return _new(cls)


# -- switched off, and modes ----------------------------------------------------------------------
class off(Scope):
    """Classes override nothing inside; modes see the calls (``DisableTorchFunctionSubclass``)."""

    def change(self, state: State) -> State:
        return state.but(functions=(False, state.functions[1]))


class all_off(Scope):
    """The same, and no modes see the calls (PyTorch: ``torch._C.DisableTorchFunction``)."""

    def change(self, state: State) -> State:
        return state.but(functions=modes.NOTHING_OVERRIDES)


class TorchFunctionMode(Scope):
    """Sees each call of a public function while it is active (``overrides.TorchFunctionMode``).

    Derive from it and write ``__torch_function__(self, func, types, args=(), kwargs=None)``; inside
    it the mode is off. For each op instead of each function there is ``anadrome.Mode``.

    >>> import anadrome as ad
    >>> from anadrome.overriding import TorchFunctionMode
    >>> class Names(TorchFunctionMode):
    ...     def __torch_function__(self, func, types, args=(), kwargs=None):
    ...         print(func.__name__)
    ...         return func(*args, **(kwargs or {}))
    >>> with Names():
    ...     x = ad.ones(2).sum()
    ones
    sum
    """

    def __init__(self) -> None:
        pass

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        raise NotImplementedError

    def change(self, state: State) -> State:
        from .looking import start, switched

        start()
        switched[:] = [True]
        on, active = state.functions
        return state.but(functions=(on, (*active, self)))
