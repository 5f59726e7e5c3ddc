"""The region in which each op runs in the precision that its `amp=` class asks for."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from typing import Any

import anadrome as ad
from anadrome import FULL, HALF, Mode, Tensor, backend, sites
from anadrome.border import enclose, enclose_functions
from anadrome.errors import BackendError
from anadrome.modes import Scope, State, current, is_grad_enabled

from .lists import LISTS

_HALVES = (ad.bfloat16, ad.float16)
_CASTABLE = (*_HALVES, ad.float32)

#: The casts of weights in the outermost region that is open here; None outside of any.
_casts: contextvars.ContextVar[dict[Any, Any] | None] = contextvars.ContextVar(
    "autocast_cache", default=None
)


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
        return composite.amp is not None or composite.name in self.composites

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
        _check_device_type(device_type)
        self.device_type = device_type
        self.dtype = get_autocast_dtype(device_type) if dtype is None else dtype
        self.enabled = bool(enabled) and self._possible()
        self.cache_enabled = True if cache_enabled is None else bool(cache_enabled)
        self._outermost: list[bool] = []

    def _possible(self) -> bool:
        if not is_available(self.device_type):
            sites.warn(
                f"{self.device_type.upper()} is not available. Disabling autocast; write "
                'device_type="cpu" to use half precision on the CPU.'
            )
            return False
        if self.dtype not in _HALVES:
            name = self.device_type.upper()
            sites.warn(
                f"In {name} autocast, but the target dtype is not supported. Disabling autocast.\n"
                f"{name} Autocast only supports dtypes of {', '.join(map(repr, _HALVES))} "
                f"currently, not {self.dtype!r}."
            )
            return False
        return True

    def change(self, state: State) -> State:
        """One region a device: the innermost replaces those around it."""
        modes = tuple(
            m
            for m in state.modes
            if not (isinstance(m, Region) and m.device_type == self.device_type)
        )
        if self.enabled:
            casts = _casts.get() if self.cache_enabled else None
            modes = (*modes, Region(self.device_type, self.dtype, casts))
        return state.but(modes=modes)

    def __enter__(self) -> autocast:
        before = _casts.get()
        self._outermost.append(before is None)
        try:
            if before is None:
                _casts.set({})
            return super().__enter__()
        except BaseException:  # a Ctrl-C just here
            _casts.set(before)
            raise

    def __exit__(self, *exc: object) -> None:
        try:
            super().__exit__(*exc)
        finally:
            if self._outermost.pop():
                casts = _casts.get()
                if casts is not None:
                    casts.clear()
                _casts.set(None)

    def clone(self) -> Scope:
        fresh = super().clone()
        fresh.__dict__["_outermost"] = []
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


def is_autocast_available(device_type: str) -> bool:
    """Whether ``autocast`` knows the device type (PyTorch: ``torch.amp.is_autocast_available``)."""
    if not isinstance(device_type, str):
        raise TypeError(
            "is_autocast_available(): argument 'device_type' (position 1) must be str, not "
            f"{type(device_type).__name__}"
        )
    return device_type in _device_types()


#: Device types of PyTorch's that programs ask about, whatever there is.
_NOWHERE = ("hpu", "ipu", "maia", "mps", "mtia", "privateuseone", "xla", "xpu")


def is_autocast_enabled(device_type: str = "cuda") -> bool:
    """Whether ops on the device type are being autocast here (``torch.is_autocast_enabled``).

    False for those of PyTorch's that no backend serves (``"mps"``); RuntimeError for no device.
    """
    if device_type in _NOWHERE and device_type not in _device_types():
        return False
    return _region(device_type) is not None


def get_autocast_dtype(device_type: str) -> ad.dtype:
    """The half precision that is active here, or the default one (``torch.get_autocast_dtype``).

    >>> import anadrome as ad
    >>> ad.get_autocast_dtype("cpu")
    anadrome.bfloat16
    """
    region = _region(device_type)
    if region is not None:
        return region.dtype
    return ad.bfloat16 if device_type == "cpu" else ad.float16


def get_autocast_gpu_dtype() -> ad.dtype:
    """``get_autocast_dtype("cuda")``, its older name (``torch.get_autocast_gpu_dtype``)."""
    return get_autocast_dtype("cuda")


def get_autocast_cpu_dtype() -> ad.dtype:
    """``get_autocast_dtype("cpu")``, its older name (``torch.get_autocast_cpu_dtype``)."""
    return get_autocast_dtype("cpu")


def is_autocast_cpu_enabled() -> bool:
    """``is_autocast_enabled("cpu")``, its older name (``torch.is_autocast_cpu_enabled``)."""
    return is_autocast_enabled("cpu")


def is_autocast_cache_enabled() -> bool:
    """False: no cast is kept for later calls (``torch.is_autocast_cache_enabled``)."""
    return False


def clear_autocast_cache() -> None:
    """Nothing to clear (``torch.clear_autocast_cache``)."""


def is_available(device_type: str) -> bool:
    """Whether the machine has such a device."""
    if device_type == "cuda":
        ask = getattr(getattr(ad, "cuda", None), "is_available", None)
        if ask is not None:
            return bool(ask())
    try:
        backend.for_device(device_type)
    except (BackendError, ImportError):
        return False
    return True


def _region(device_type: str) -> Region | None:
    _check_device_type(device_type)
    for mode in current().modes:
        if isinstance(mode, Region) and mode.device_type == device_type:
            return mode
    return None


def _device_types() -> list[str]:
    """PyTorch's two, which scripts name also where there is no GPU, and those of other backends."""
    return sorted({"cpu", "cuda", *backend.device_types()})


def _check_device_type(device_type: Any) -> None:
    if not isinstance(device_type, str):
        raise ValueError(
            f"Expected `device_type` of type `str`, got: `{type(device_type).__name__}`; write "
            '"cpu" or "cuda"'
        )
    if not is_autocast_available(device_type):
        raise RuntimeError(
            f"User specified an unsupported autocast device_type {device_type!r}; there are "
            f"{', '.join(_device_types())}"
        )


enclose_functions(globals())
