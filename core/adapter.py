"""adapter: what is asked of one array library.

A backend is a namespace ``xp``, shaped like the Python array API standard, which ops call, plus
about ten members; what it does better than ``xp`` goes into ``kernels``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any, NamedTuple

from .arriving import Arriving
from .device import device
from .dtypes import BARE, BY_NAME, dtype, float32, from_native
from .errors import BackendError


class MemoryInfo(NamedTuple):
    """Memory of a device, in bytes."""

    allocated: int = 0
    reserved: int = 0
    peak_allocated: int = 0
    peak_reserved: int = 0
    free: int = 0
    total: int = 0


class Backend:
    """What a backend must be. Subclass it, fill in the attributes, register with a hook.

    See ``docs/backends.md`` for a worked one.
    """

    #: Name for ``ANADROME_BACKEND`` and error messages.
    name: str = ""
    #: Device types it serves, such as ``("cpu",)``.
    device_types: tuple[str, ...] = ()
    #: The class of its arrays.
    array_type: type
    #: Classes its arithmetic may return besides (NumPy's scalars); turned into arrays by us.
    scalar_types: tuple[type, ...] = ()
    #: The array-API-shaped namespace that ops are written against.
    xp: Any
    #: Faster forwards, keyed by op name: ``kernels["gelu"](x, approximate=...)``.
    kernels: dict[str, Callable[..., Any]] = {}
    #: Kernels that can write their result into an operand: ``(a, b, out=a)``.
    out_kernels: dict[str, Callable[..., Any]] = {}
    #: Forwards on half precision, where not all is computed in float32 and rounded once. What
    #: returns None leaves its arguments to that.
    half_kernels: dict[str, Callable[..., Any]] = {}
    #: Where C functions lie that compiled kernels may call, by name: ``cblas_sgemm64``, whose sizes
    #: have 64 bits; ``blas_cpu_number``: the int that says in how many threads it works.
    addresses: Mapping[str, int] = {}
    #: Elements that fit the cache: large updates are done in blocks of it. None: all at once.
    block: int | None = None
    #: Smaller parameters are gathered into one, also where a kernel updates many at once.
    gathered_below: int = 0
    #: Names of our dtypes that the library lacks (those of ``dtypes.BARE`` need not be named).
    unsupported_dtypes: frozenset[str] = frozenset()
    #: Whether what ``number`` returns may be kept, and be an operand again and again.
    lasting_numbers = True
    #: Whether rules over arrays of half precision are played op by op (``halves``): where the
    #: library's operators round numbers beside them otherwise than its kernels of the ops.
    halves_by_ops = False
    #: Whether its arrays have values; without, what is asked for is shapes and dtypes.
    holds_values = True
    #: Whether asking for a value waits for nothing, so that what no value needs can be left out.
    at_hand = False

    def native_dtype(self, d: dtype) -> Any:
        """The library's own object for one of our dtypes."""
        return getattr(self.xp, d.name if d.name != "bool" else "bool")

    def asarray(self, data: Any, dtype: Any = None, device: device | None = None) -> Any:
        """An array from nested lists, numbers or a host array; ``dtype`` is native. Copies."""
        raise NotImplementedError

    def from_scalar(self, value: Any) -> Any:
        """The zero-dimensional array of one of ``scalar_types``."""
        return self.asarray(value)

    def to_host(self, array: Any) -> Any:
        """The same values as a NumPy array."""
        raise NotImplementedError

    def receive(self, host: Any, device: device | None = None, wait: bool = True) -> Any:
        """An array with the values of a host array; without ``wait`` it may still be arriving."""
        return self.asarray(host, device=device)

    def pin(self, host: Any) -> Any:
        """A copy of a host array in memory that the device reads by itself (page-locked)."""
        return host

    def is_pinned(self, host: Any) -> bool:
        """Whether a host array lies in such memory."""
        return False

    def device_of(self, array: Any) -> device:
        """Where the array lives."""
        return device(self.device_types[0])

    def synchronize(self, device: device | None = None) -> None:
        """Wait until the device has done what it was given."""

    def number(self, value: Any, dtype: Any) -> Any:
        """A Python number as operand beside arrays of a native dtype: a zero-dimensional array."""
        return self.xp.asarray(value, dtype=dtype)

    def factor(self, value: Any, dtype: Any) -> Any:
        """The same as factor or divisor: beside half precision it should stay exact."""
        return self.number(value, dtype)

    def owns(self, array: Any) -> bool:
        """Whether the array's memory is its own, not a view of another's."""
        return False

    def shares(self, a: Any, b: Any) -> bool:
        """Whether the two arrays may share memory."""
        return False

    def memory_of(self, array: Any) -> Any:
        """The array whose memory this one looks into; itself, if it is no view."""
        return array

    def part_of(self, whole: Any, memory: Any, array: Any) -> Any:
        """The part of ``whole``, a copy of ``memory``, that ``array`` is of ``memory``.

        None where that cannot be made.
        """
        return whole if array is memory else None

    def settled(self, array: Any) -> Any:
        """The array that lasts, where ``array`` may stand for it during a capture."""
        return array

    def scatter_add(self, target: Any, index: Any, source: Any) -> None:
        """``target[index] += source`` where an index that occurs twice adds twice."""
        raise NotImplementedError

    def assign(self, target: Any, index: Any, value: Any) -> None:
        """``target[index] = value`` where of an index that occurs twice the last value stays."""
        target[index] = value

    def require(self, holds: Any, error: Callable[[], Exception]) -> None:
        """Raise ``error()`` unless every value of ``holds`` is true: indices in range, and so on.

        This waits for the values. A device that runs ahead of Python makes the check itself.
        """
        if not bool(self.xp.all(holds)):
            raise error()

    def arriving(self, value: Any) -> Arriving:
        """A zero-dimensional array on its way to Python (``arriving.py``)."""
        return Arriving(self.to_host(value).item())

    def side_by_side(
        self, function: Callable[[slice], Any], count: int, size: int, *, products: bool = False
    ) -> None:
        """``function(part)`` for parts of ``range(count)``, on several cores if ``size`` is much.

        For kernels that let go of the interpreter's lock. ``products``: they call for products,
        which then are not divided among the cores themselves.
        """
        function(slice(0, count))

    @property
    def threads(self) -> int:
        """As many threads as one call may use."""
        return 1

    def alone(self) -> AbstractContextManager[Any]:
        """Inside, products are computed by the thread that asks for them."""
        return nullcontext()

    def generator(self, device: device | None = None) -> Any:
        """An object that turns counter-based keys into arrays; see ``core/random.py``."""
        raise NotImplementedError

    def placed(self, device: device | None) -> AbstractContextManager[Any]:
        """What is made inside is made on that device."""
        return nullcontext()

    def device_count(self) -> int:
        """How many devices it serves now. Where it is more than one, ``implementation`` sees to it
        that an op runs on the device of its arrays."""
        return 1

    def current_device(self) -> int:
        """The index of the device on which work runs that names none."""
        return 0

    def set_current_device(self, index: int) -> None:
        """Choose that device, for this thread; raises DeviceError if it is not there."""

    def device_name(self, index: int) -> str:
        """What its maker calls a device."""
        return f"{self.device_types[0]}:{index}"

    def device_properties(self, index: int) -> dict[str, Any]:
        """``name``, ``total_memory``, ``major``, ``minor``, ``multi_processor_count``."""
        raise NotImplementedError

    def memory_info(self, index: int) -> MemoryInfo:
        """What is held on a device."""
        return MemoryInfo()

    def reset_peak_memory(self, index: int) -> None:
        """Count peaks anew."""

    def release_memory(self) -> None:
        """Give back what is kept for later arrays."""

    def stream(self, index: int, priority: int) -> Any:
        """A queue of work: a context manager that makes it the current one, with ``ptr``,
        ``done``, ``synchronize()`` and ``wait_event(event)``."""
        raise NotImplementedError

    def current_stream(self, index: int, default: bool = False) -> Any:
        """The queue that work goes into, now or by default."""
        raise NotImplementedError

    def event(self, timing: bool, blocking: bool) -> Any:
        """A mark: ``record(stream or None)``, ``done``, ``synchronize()``."""
        raise NotImplementedError

    def elapsed(self, start: Any, end: Any) -> float:
        """Milliseconds between two marks."""
        raise NotImplementedError

    def configure(self, setting: str, value: Any) -> None:
        """What the program sets for the process: ``"threads"`` of one operation, a number;
        ``"matmul_precision"``, PyTorch's word; ``"deterministic"``, whether the same input must
        give the same bits; ``"crowded"``, by compiled kernels, whether threads of theirs wait for
        work, in whose way a library's own would be. Told of each when it is set, or on loading.
        Others are ignored."""

    def describe(self) -> dict[str, str]:
        """Facts for ``anadrome info``: versions, devices, BLAS, threads."""
        return {}

    # -- given --------------------------------------------------------------------------------
    def implementation(self, op: Any) -> Callable[..., Any]:
        """What runs an op's forward here: the kernel, or else the declared forward."""
        kernel = self.kernels.get(op.name)
        return self.composed(op) if kernel is None else kernel

    def composed(self, op: Any) -> Callable[..., Any]:
        """The declared forward bound to ``xp``; a kernel falls back on it for rare arguments."""
        from .op import KEEP

        narrow = {
            native for d, native in self.dtypes.items() if d.is_floating_point and d.itemsize < 4
        }
        if op.dtype is KEEP or not narrow:
            return functools.partial(op.forward, self.xp)
        return self._rounded_once(op, narrow)

    def _rounded_once(self, op: Any, narrow: set[Any]) -> Callable[..., Any]:
        """A declared forward, which on half precision is computed in float32 and rounded once.

        It is more exact, as fast, and does not depend on how a library mixes Python numbers with
        bfloat16 (NumPy's makes float32 of that).
        """
        from .align import admitted

        xp = self.xp
        wide = self.dtypes[float32]
        forward = op.forward
        stepwise = self.half_kernels.get(op.name)

        def run(*arrays: Any, **keywords: Any) -> Any:
            kind = getattr(arrays[0], "dtype", None)
            if kind not in narrow:
                return forward(xp, *arrays, **keywords)
            if op.special[from_native[kind].kind]:
                admitted(op, arrays[0])
            if stepwise is not None and from_native[kind].itemsize == 2:
                out = stepwise(*arrays, **keywords)
                if out is not None:
                    return out
            lifted = [
                xp.astype(a, wide) if getattr(a, "dtype", None) in narrow else a for a in arrays
            ]
            out = forward(xp, *lifted, **keywords)
            if out.__class__ is tuple:
                return tuple(xp.astype(o, kind) if o.dtype == wide else o for o in out)
            return xp.astype(out, kind) if out.dtype == wide else out

        return run

    @functools.cached_property
    def dtypes(self) -> dict[dtype, Any]:
        """Our dtypes to the library's."""
        found = {}
        for name, d in BY_NAME.items():
            if name not in self.unsupported_dtypes:
                with suppress(AttributeError, TypeError) if d in BARE else nullcontext():
                    found[d] = self.native_dtype(d)
        return found

    def dtype(self, d: dtype) -> Any:
        """The library's dtype, or an error that names what the backend has."""
        try:
            return self.dtypes[d]
        except KeyError:
            raise BackendError(
                f"backend {self.name!r} has no {d.name}; it has "
                + ", ".join(x.name for x in self.dtypes)
            ) from None
