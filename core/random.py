"""random: counter-based streams with explicit keys.

A ``Generator`` is a seed and a counter. Each draw takes the next key ``(seed, number)``, and the
array depends on the key and the shape alone (Philox 4x64; Salmon et al., "Parallel random numbers:
as easy as 1, 2, 3", SC 2011). So a recomputed segment draws the same numbers from the same keys,
and no state has to be saved. The backend turns keys into arrays.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import os
import struct
from collections.abc import Iterator
from typing import Any

from . import backend as backends
from . import dtypes
from .border import Bordered
from .device import device as Device
from .errors import ArgumentError
from .forking import forkable_lock
from .modes import live
from .tensor import Tensor

Key = tuple[int, int]

#: The key of a draw that draws nothing.
NO_KEY: Key = (0, 0)

#: What gives, or notes, the keys that are drawn here.
_tape: contextvars.ContextVar[recorded_keys | replayed_keys | None] = contextvars.ContextVar(
    "random_tape", default=None
)


#: A state as it is given, and as older files hold it: seed and position, each an int64.
_STATES = ((dtypes.uint8, (16,)), (dtypes.int64, (2,)))

#: Guards the counters of all generators, for the moment that counting takes.
_lock = forkable_lock()


class Generator(Bordered):
    """A stream of random keys (PyTorch: ``torch.Generator``)."""

    def __init__(self, device: Any = "cpu") -> None:
        self.device = Device(device)
        self._seed = 0
        self._count = 0

    def manual_seed(self, seed: int) -> Generator:
        """Start the stream of ``seed``, an int of 64 bits; returns self."""
        if isinstance(seed, (float, str, bytes)) or not hasattr(seed, "__index__"):
            raise ArgumentError(f"manual_seed expected an int, but got {type(seed).__name__}")
        number = int(seed)
        if not -(2**63) <= number < 2**64:
            raise ValueError(f"a seed is an int in [-2**63, 2**64), not {number}: take it % 2**64")
        live(functools.partial(self._restart, number % 2**64))
        return self

    def _restart(self, seed: int) -> None:
        self._seed = seed
        self._count = 0

    def seed(self) -> int:
        """Start a stream of a seed from the operating system; returns it."""
        self.manual_seed(int.from_bytes(os.urandom(8), "little"))
        return self._seed

    def initial_seed(self) -> int:
        """The seed of the stream."""
        return self._seed

    def get_state(self) -> Tensor:
        """Seed and position: 16 bytes, as an uint8 Tensor (programs keep it ``.byte()``)."""
        from .creation import tensor

        kept = struct.pack("<QQ", self._seed, self._count)
        return tensor(list(kept), dtype=dtypes.uint8, device="cpu")

    def set_state(self, state: Tensor) -> None:
        """Continue where ``get_state`` was."""
        if not isinstance(state, Tensor) or (state.dtype, tuple(state.shape)) not in _STATES:
            raise TypeError(
                "expected the state of a generator, which is what get_state() gives: uint8 (16,)"
            )
        seed, count = state.tolist()[:2]
        if state.dtype is dtypes.uint8:
            seed, count = struct.unpack("<QQ", bytes(state.tolist()))
        if not 0 <= count < 2**63:
            raise RuntimeError(f"the state of a generator that has made {count} draws")
        self._seed = seed % 2**64
        self._count = count

    def clone_state(self) -> Generator:
        """Another generator that stands where this one does."""
        out = Generator(self.device)
        out._seed, out._count = self._seed, self._count
        return out

    def __deepcopy__(self, memo: Any) -> Generator:
        return self.clone_state()

    def next_key(self) -> Key:
        """The key of the next draw; in a captured step, of the next one in each replay."""
        tape = _tape.get()
        if tape is not None:
            return tape.key(self)
        return self._advance()

    def _advance(self) -> Key:
        return live(self._next)

    def _next(self) -> Key:
        with _lock:
            number = self._count
            self._count = number + 1
            return self._seed, number


class recorded_keys:
    """Note the keys drawn inside, here and in nested calls, for what may be run again.

    >>> import anadrome as ad
    >>> from anadrome.random import recorded_keys, replayed_keys
    >>> with recorded_keys() as keys:
    ...     first = ad.rand(3)
    >>> with replayed_keys(keys):
    ...     print(bool((ad.rand(3) == first).all()))
    True
    """

    __slots__ = ("keys", "outer")

    def __enter__(self) -> list[Key]:
        self.keys: list[Key] = []
        self.outer = _tape.get()
        try:
            _tape.set(self)
            return self.keys
        except BaseException:  # a Ctrl-C just here
            _tape.set(self.outer)
            raise

    def __exit__(self, *exc: object) -> None:
        _tape.set(self.outer)

    def key(self, generator: Generator) -> Key:
        """The next key of the generator, noted."""
        key = generator._advance() if self.outer is None else self.outer.key(generator)
        self.keys.append(key)
        return key


class replayed_keys:
    """Draw the noted keys again inside; the generators do not move."""

    __slots__ = ("keys", "outer", "position")

    def __init__(self, keys: list[Key]) -> None:
        self.keys = list(keys)

    def __enter__(self) -> None:
        self.position = 0
        self.outer = _tape.get()
        try:
            _tape.set(self)
        except BaseException:
            _tape.set(self.outer)
            raise

    def __exit__(self, *exc: object) -> None:
        _tape.set(self.outer)

    def key(self, generator: Generator) -> Key:
        """The next noted key."""
        if self.position == len(self.keys):
            raise RuntimeError(
                "the recomputed code draws more random numbers than its first run did"
            )
        self.position += 1
        return self.keys[self.position - 1]


default_generator = Generator()
default_generator.seed()


def manual_seed(seed: int) -> Generator:
    """Seed the default generator (PyTorch: ``torch.manual_seed``)."""
    try:
        number = int(seed)
    except (TypeError, ValueError, OverflowError):
        raise ArgumentError(f"manual_seed expected an int, but got {seed!r:.80}") from None
    return default_generator.manual_seed(number)


def seed() -> int:
    """Seed the default generator from the operating system; returns the seed."""
    return default_generator.seed()


def initial_seed() -> int:
    """The default generator's seed."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """The default generator's seed and position."""
    return default_generator.get_state()


def set_rng_state(state: Tensor) -> None:
    """Put the default generator back to what ``get_rng_state`` returned."""
    default_generator.set_state(state)


def stream_of(generator: Any) -> Generator:
    """The generator that is meant: the one given, or the default one."""
    stream = default_generator if generator is None else generator
    if not isinstance(stream, Generator):
        raise ArgumentError(f"expected a Generator for 'generator', not {type(stream).__name__}")
    return stream


def draw(
    kind: str, shape: tuple[int, ...], dtype: Any, device: Any, generator: Any, **parameters: Any
) -> Any:
    """An array of ``uniform``, ``normal``, ``integers`` or ``permutation``."""
    backend = backends.for_device(device)
    stream = stream_of(generator)
    native = backend.dtype(dtypes.as_dtype(dtype))
    draws = backend.generator(None if device is None else Device(device))
    key = stream.next_key() if backend.holds_values else NO_KEY
    return getattr(draws, kind)(key, shape, native, **parameters)


@contextlib.contextmanager
def fork_rng(
    devices: Any = None,
    enabled: bool = True,
    _caller: str = "fork_rng",
    _devices_kw: str = "devices",
    device_type: str = "cuda",
) -> Iterator[None]:
    """Draw inside without moving the default generator (``torch.random.fork_rng``).

    ``devices`` is accepted: there is one stream for all devices.

    >>> import anadrome as ad
    >>> with ad.random.fork_rng():
    ...     _ = ad.manual_seed(0)
    """
    if not enabled:
        yield
        return
    before = default_generator._seed, default_generator._count
    try:
        yield
    finally:
        default_generator._seed, default_generator._count = before
