"""The region in which each op runs in the precision that its `amp=` class asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anadrome as ad
from anadrome import FULL, HALF, Mode, Tensor, sites
from anadrome.border import enclose
from anadrome.modes import Scope, State, current, is_grad_enabled

from .around import Around, around
from .devices import check_device_type, default_dtype, is_available
from .lists import INSIDE, LISTS

_HALVES = (ad.bfloat16, ad.float16)
_CASTABLE = (*_HALVES, ad.float32)


class Region(Mode):
    """What is active inside: casts the arguments of each op call."""

    forward_only = True

    def __init__(self, device_type: str, dtype: ad.dtype, casts: dict[Any, Any] | None) -> None:
        self.device_type = device_type
        self.dtype = dtype
        self.casts = casts
        self.ops, self.composites = LISTS.get(device_type, ({}, {}))

    def intercept(self, op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run the op in the autocast dtype, in float32, in the widest type, or as it comes."""
        declared = op.op
        kind = self.ops.get(declared.name, declared.amp)
        if kind is None:
            return op(*args, **kwargs)
        to = self._type_of(kind, args)
        return op(*[self._cast(a, to) if isinstance(a, Tensor) else a for a in args], **kwargs)

    def takes(self, composite: Any) -> bool:
        """Whether PyTorch's list for the device has the function, or none of what is inside."""
        if composite.name in self.composites:
            return self.composites[composite.name] is not INSIDE
        return composite.amp is not None

    def taken(self, composite: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """As an op: its Tensors are cast, and what is inside runs in their type."""
        kind = self.composites.get(composite.name, composite.amp)
        if kind is None:
            return composite(*args, **kwargs)
        to = self._type_of(kind, (*args, *kwargs.values()))
        return composite(
            *[self._cast_all(a, to) for a in args],
            **{name: self._cast_all(a, to) for name, a in kwargs.items()},
        )

    def _type_of(self, kind: Any, args: tuple[Any, ...]) -> ad.dtype:
        if kind is HALF:
            return self.dtype
        return ad.float32 if kind is FULL else self._widest(args)

    def _eligible(self, x: Tensor) -> bool:
        """Whether autocast may change the type: not of float64, integers, or another device."""
        return x.dtype in _CASTABLE and x.device.type == self.device_type

    def _widest(self, args: tuple[Any, ...]) -> ad.dtype:
        for a in args:
            if isinstance(a, Tensor) and a.dtype is not self.dtype and self._eligible(a):
                return ad.float32
        return self.dtype

    def _cast_all(self, a: Any, to: ad.dtype) -> Any:
        if isinstance(a, Tensor):
            return self._cast(a, to)
        if a.__class__ is list or a.__class__ is tuple:
            return a.__class__([self._cast_all(x, to) for x in a])
        return a

    def _cast(self, x: Tensor, to: ad.dtype) -> Tensor:
        if x.dtype is to or not self._eligible(x):
            return x
        if self.casts is None or not (x.is_leaf and x.requires_grad) or to is not self.dtype:
            return x.to(to)
        # A weight: cast once a region. Without recording the cast has no graph, so it is another.
        key = (id(x), to, is_grad_enabled())
        found = self.casts.get(key)
        if found is not None and found[0] is x and found[1] == x._version:
            return found[2]
        cast = x.to(to)
        self.casts[key] = (x, x._version, cast)
        return cast


def region_of(device_type: str) -> Region | None:
    """What is active here for a device type."""
    for mode in current().modes:
        if isinstance(mode, Region) and mode.device_type == device_type:
            return mode
    return None


def half_of(device_type: str) -> ad.dtype:
    """The half precision that is active or set here, or the default one."""
    region = region_of(device_type)
    if region is not None:  # also in a checkpoint's second run, where nothing else is set
        return region.dtype
    return around.get().dtypes.get(device_type) or default_dtype(device_type)


def replaced(state: State, device_type: str, region: Region | None) -> State:
    """One region a device type: ``region`` in the place of that which is there, if any."""
    modes = tuple(
        m for m in state.modes if not (isinstance(m, Region) and m.device_type == device_type)
    )
    return state.but(modes=modes if region is None else (*modes, region))


@enclose
class autocast(Scope):
    """Mixed precision in a region of code (PyTorch: ``torch.autocast``, ``torch.amp.autocast``).

    A context manager, and a decorator. Inside, ops that are mostly products and convolutions run
    in ``dtype``, ops that lose too much in half precision run in float32, some run in the widest
    type they are given, and all others as they come: each op's ``amp=`` in the op table says which,
    and follows PyTorch's lists for the device. Float64 and integers are left alone, and so are
    other devices. Weights (leaves that require a gradient) are cast once a region.

    ``device_type``: ``"cpu"`` or ``"cuda"``. ``dtype``: ``float16`` or ``bfloat16``; by default
    bfloat16 on the CPU, float16 elsewhere. ``enabled=False``: no casts inside, also within another
    region. ``cache_enabled=False``: weights are cast for each use.

    Backward belongs outside of the region; inside it works too, since a gradient is always computed
    in the precision of its op. On the CPU half precision is a way to store: products are
    accumulated in float32.

    Raises RuntimeError for a device type that no backend serves. A dtype that is neither of the
    two, or a GPU that is not there, disables the region with a warning.

    >>> import anadrome as ad
    >>> w = ad.ones(3, 2, requires_grad=True)
    >>> with ad.autocast("cpu", dtype=ad.bfloat16):
    ...     y = ad.ones(4, 3) @ w
    >>> y.dtype
    anadrome.bfloat16
    >>> y.float().sum().backward()
    >>> w.grad.dtype
    anadrome.float32
    """

    def __init__(
        self,
        device_type: str,
        dtype: ad.dtype | None = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        check_device_type(device_type)
        self.device = device_type
        self.fast_dtype = half_of(device_type) if dtype is None else dtype
        self._enabled = bool(enabled) and self._possible()
        caching = around.get().caching
        self._cache_enabled = caching if cache_enabled is None else bool(cache_enabled)
        self._outside: list[Around] = []

    def _possible(self) -> bool:
        if not is_available(self.device):
            sites.warn(
                f"{self.device.upper()} is not available. Disabling autocast; write "
                'device_type="cpu" to use half precision on the CPU.'
            )
            return False
        if self.fast_dtype not in _HALVES:
            name = self.device.upper()
            sites.warn(
                f"In {name} autocast, but the target dtype is not supported. Disabling autocast.\n"
                f"{name} Autocast only supports dtypes of {', '.join(map(repr, _HALVES))} "
                f"currently, not {self.fast_dtype!r}."
            )
            return False
        return True

    def change(self, state: State) -> State:
        """One region a device: the innermost replaces those around it."""
        region = None
        if self._enabled:
            casts = around.get().casts if self._cache_enabled else None
            region = Region(self.device, self.fast_dtype, casts)
        return replaced(state, self.device, region)

    def __enter__(self) -> autocast:
        before = around.get()
        self._outside.append(before)
        try:
            around.set(before.inside(self.device, self.fast_dtype, self._cache_enabled))
            return super().__enter__()
        except BaseException:  # a Ctrl-C just here
            around.set(before)
            raise

    def __exit__(self, *exc: object) -> None:
        try:
            super().__exit__(*exc)
        finally:
            before = self._outside.pop()
            if not before.nesting:
                around.get().clear()
            around.set(before)

    def clone(self) -> Scope:
        fresh = super().clone()
        fresh.__dict__["_outside"] = []
        return fresh

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        if not callable(function):
            raise TypeError(
                "autocast()(func) requires a callable, but got "
                f"{type(function).__name__}. Did you mean to use autocast as a context manager: "
                "`with autocast(...):`?"
            )
        return super().__call__(function)


class cuda_autocast(autocast):
    """``autocast("cuda", ...)`` under its older name (PyTorch: ``torch.cuda.amp.autocast``)."""

    def __init__(
        self, enabled: bool = True, dtype: ad.dtype = ad.float16, cache_enabled: bool = True
    ) -> None:
        super().__init__("cuda", dtype, enabled, cache_enabled)


class cpu_autocast(autocast):
    """``autocast("cpu", ...)`` under its older name (PyTorch: ``torch.cpu.amp.autocast``)."""

    def __init__(
        self, enabled: bool = True, dtype: ad.dtype = ad.bfloat16, cache_enabled: bool = True
    ) -> None:
        super().__init__("cpu", dtype, enabled, cache_enabled)
