"""timing: how long a statement takes (PyTorch: ``torch.utils.benchmark``)."""

from __future__ import annotations

import enum
import statistics
import timeit
from collections.abc import Callable
from typing import Any

import anadrome as ad

from .measuring import Measurement, TaskSpec, set_torch_threads

#: Calls in one run, at most.
_MOST = 10**7


def timer() -> float:
    """The time in seconds, once the GPU (if there is one) has done all it was given."""
    if ad.cuda.is_available():
        ad.cuda.synchronize()
    return timeit.default_timer()


class Language(enum.Enum):
    """What a statement is written in (PyTorch's name)."""

    PYTHON = 0
    CPP = 1


class Timer:
    """Times a statement (PyTorch: ``torch.utils.benchmark.Timer``).

    ``stmt`` and ``setup`` are code, which sees ``globals``. ``num_threads``: set for as long as it
    is timed. ``label``, ``sub_label``, ``description`` and ``env``: for the report.

    >>> import anadrome as ad
    >>> from anadrome.utils.benchmark import Timer
    >>> result = Timer("x + 1", globals={"x": ad.ones(4)}).timeit(100)
    >>> result.number_per_run, result.mean > 0
    (100, True)
    """

    def __init__(
        self,
        stmt: str = "pass",
        setup: str = "pass",
        global_setup: str = "",
        timer: Callable[[], float] = timer,
        globals: dict[str, Any] | None = None,
        label: str | None = None,
        sub_label: str | None = None,
        description: str | None = None,
        env: str | None = None,
        num_threads: int = 1,
        language: Any = Language.PYTHON,
    ) -> None:
        if not isinstance(stmt, str):
            raise ValueError("Currently only a `str` stmt is supported.")
        if global_setup or language not in (Language.PYTHON, "python", "py"):
            raise ValueError("only statements in Python are timed here; leave global_setup out")
        if num_threads < 1:
            raise ValueError(f"num_threads must be positive, not {num_threads}")
        self._threads = num_threads
        self._task = TaskSpec(
            stmt, setup, global_setup, label, sub_label, description, env, num_threads
        )
        names = {"torch": ad, "anadrome": ad} | (globals or {})
        self._timer = timeit.Timer(stmt, setup, timer, names)

    def collect_callgrind(self, *args: Any, **options: Any) -> None:
        """Raises RuntimeError: counting instructions needs Valgrind, and PyTorch's build."""
        raise RuntimeError(
            "Timer.collect_callgrind counts the instructions of PyTorch's own code under Valgrind; "
            "measure the time with blocked_autorange() or adaptive_autorange()"
        )

    def _timed(self, number: int) -> float:
        with set_torch_threads(self._threads):
            return max(self._timer.timeit(number), 1e-9)

    def _measured(self, number: int, times: list[float]) -> Measurement:
        return Measurement(number, times, self._task)

    def timeit(self, number: int = 1_000_000) -> Measurement:
        """``number`` calls, after some to warm up."""
        self._timed(max(number // 100, 2))
        return self._measured(number, [self._timed(number)])

    def repeat(self, repeat: int = -1, number: int = -1) -> None:
        """Raises NotImplementedError, as in PyTorch: see ``timeit`` and ``blocked_autorange``."""
        raise NotImplementedError("See `Timer.blocked_autorange.`")

    def autorange(self, callback: Any = None) -> None:
        """Raises NotImplementedError, as in PyTorch: see ``blocked_autorange``."""
        raise NotImplementedError("See `Timer.blocked_autorange.`")

    def _block(self, min_run_time: float) -> int:
        """So many calls a run that the clock's own time is a thousandth of it."""
        overhead = statistics.median(self._clock() for _ in range(5))
        number = 1
        while True:
            taken = self._timed(number)
            if (overhead / taken <= 1e-4 and taken >= min_run_time / 1000) or taken > min_run_time:
                return number
            number *= 10

    def _clock(self) -> float:
        start = self._timer.timer()  # type: ignore[attr-defined]
        return self._timer.timer() - start  # type: ignore[attr-defined]

    def blocked_autorange(
        self, callback: Callable[[int, float], Any] | None = None, min_run_time: float = 0.2
    ) -> Measurement:
        """Runs of as many calls as the clock needs, until ``min_run_time`` seconds have passed.

        ``callback``: told of each run, ``callback(number, seconds)``.
        """
        number = self._block(min_run_time)
        times: list[float] = []
        while not times or sum(times) < min_run_time:
            times.append(self._timed(number))
            if callback is not None:
                callback(number, times[-1])
        return self._measured(number, times)

    def adaptive_autorange(
        self,
        threshold: float = 0.1,
        *,
        min_run_time: float = 0.01,
        max_run_time: float = 10.0,
        callback: Callable[[int, float], Any] | None = None,
    ) -> Measurement:
        """The same until the quartiles differ by less than ``threshold``, or the time is up."""
        number = self._block(0.05)
        times: list[float] = []
        while True:
            times.append(self._timed(number))
            if callback is not None:
                callback(number, times[-1])
            found = self._measured(number, times)
            steady = len(times) > 3 and found.iqr / found.median < threshold
            if sum(times) > max_run_time or (steady and sum(times) >= min_run_time):
                return found
