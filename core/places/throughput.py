"""throughput: a module called from several threads (``torch.utils.throughput_benchmark``)."""

from __future__ import annotations

import threading
import time
from typing import Any

from ..modes import no_grad
from ..sampling import randint


def format_time(
    time_us: float | None = None, time_ms: float | None = None, time_s: float | None = None
) -> str:
    """A time, given in one unit, with the unit that fits it."""
    given = [t * size for t, size in ((time_us, 1), (time_ms, 1e3), (time_s, 1e6)) if t is not None]
    if len(given) != 1:
        raise AssertionError("Expected only one of time_us, time_ms, time_s is given.")
    (micro,) = given
    if micro >= 1e6:
        return f"{micro / 1e6:.3f}s"
    return f"{micro / 1e3:.3f}ms" if micro >= 1e3 else f"{micro:.3f}us"


class ExecutionStats:
    """What was measured: ``num_iters`` calls of ``latency_avg_ms`` on average."""

    def __init__(self, latency_avg_ms: float, num_iters: int, threads: int) -> None:
        self.latency_avg_ms = latency_avg_ms
        self.num_iters = num_iters
        self._threads = threads

    @property
    def total_time_seconds(self) -> float:
        """How long it took."""
        return self.num_iters * self.latency_avg_ms / 1000 / self._threads

    @property
    def iters_per_second(self) -> float:
        """Calls a second, of all threads."""
        return self.num_iters / self.total_time_seconds

    def __str__(self) -> str:
        return "\n".join(
            [
                f"Average latency per example: {format_time(time_ms=self.latency_avg_ms)}",
                f"Total number of iterations: {self.num_iters}",
                "Total number of iterations per second (across all threads): "
                f"{self.iters_per_second:.2f}",
                f"Total time: {format_time(time_s=self.total_time_seconds)}",
            ]
        )


class ThroughputBenchmark:
    """How fast a module is that several threads call (``torch.utils.ThroughputBenchmark``).

    >>> import anadrome as ad
    >>> bench = ad.utils.ThroughputBenchmark(ad.nn.Linear(2, 2))
    >>> bench.add_input(ad.ones(1, 2))
    >>> bench.benchmark(num_warmup_iters=1, num_iters=10).num_iters
    10
    """

    def __init__(self, module: Any) -> None:
        self.module = module
        self._inputs: list[Any] = []

    def add_input(self, *args: Any, **kwargs: Any) -> None:
        """One more input, of which each call takes one."""
        self._inputs.append((args, kwargs))

    def run_once(self, *args: Any, **kwargs: Any) -> Any:
        """The module of this input."""
        return self.module(*args, **kwargs)

    def benchmark(
        self,
        num_calling_threads: int = 1,
        num_warmup_iters: int = 10,
        num_iters: int = 100,
        profiler_output_path: str = "",
    ) -> ExecutionStats:
        """Call it ``num_iters`` times, and before that in each thread to warm up."""
        if profiler_output_path:
            raise ValueError("run it inside profiler.profile() for a trace")
        if not self._inputs:
            raise RuntimeError("there is no input; call add_input first")
        left = iter(range(num_iters))
        spent: list[float] = []
        ready = threading.Barrier(num_calling_threads)

        def work() -> None:
            with no_grad():
                for _ in range(num_warmup_iters):
                    self._call()
                ready.wait()
                for _ in left:
                    begin = time.perf_counter()
                    self._call()
                    spent.append(time.perf_counter() - begin)

        threads = [threading.Thread(target=work) for _ in range(num_calling_threads)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return ExecutionStats(1e3 * sum(spent) / len(spent), len(spent), num_calling_threads)

    def _call(self) -> None:
        args, kwargs = self._inputs[int(randint(len(self._inputs), (1,)).item())]
        self.module(*args, **kwargs)
