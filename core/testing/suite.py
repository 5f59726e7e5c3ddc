"""suite: all checks over the whole table, as a list for a test runner or as one call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .. import backend as backends
from ..op import Op, table
from . import checks, draws, ranges
from .arguments import named

#: Every check by name, with what it needs of the dtype.
CHECKS: dict[str, Callable[..., None]] = {
    "value": checks.check_value,
    "gradient": checks.check_gradient,
    "gradcheck": checks.check_gradcheck,
    "gradgradcheck": checks.check_gradgradcheck,
    "readings": checks.check_readings,
    "captured": checks.check_captured,
    "outputs": checks.check_outputs,
    "mixed": checks.check_mixed,
    "strides": ranges.check_strides,
    "broadcasting": ranges.check_broadcasting,
    "empty": ranges.check_empty,
    "nonfinite": ranges.check_nonfinite,
    "untouched": ranges.check_untouched,
    "memory": ranges.check_memory,
    "host": ranges.check_host,
    "draws": draws.check_draws,
}

FLOATS = ("float64", "float32", "float16", "bfloat16")
WHOLE = ("int64", "int32")
_ONLY = {
    "gradcheck": ("float64",),
    "gradgradcheck": ("float64",),
    "mixed": ("float64",),
    "captured": ("float64", "float32"),
    "gradient": FLOATS,
    "readings": FLOATS,
    "nonfinite": FLOATS,
}


class Case:
    """One check of one op on one backend, over all of the op's samples and the given dtypes.

    Calling it runs it; ``str`` of it is its name in a test report.
    """

    __slots__ = ("backend", "check", "dtypes", "op", "seed")

    def __init__(
        self, op: Op, check: str, backend: str, kinds: tuple[str, ...], seed: int = 0
    ) -> None:
        self.op = op
        self.check = check
        self.backend = backend
        self.dtypes = kinds
        self.seed = seed

    def __str__(self) -> str:
        return f"{self.op.name}-{self.check}-{self.backend}"

    __repr__ = __str__

    def __call__(self) -> None:
        """Run the check; raises ``AssertionError`` with every sample and dtype that fails."""
        function = CHECKS[self.check]
        failures = []
        for kind in self.dtypes:
            for number, sample in enumerate(self.op.samples):
                try:
                    function(self.op, sample, self.backend, named(kind), self.seed)
                except Exception as raised:
                    failures.append((kind, number, sample, raised))
        if failures:
            kind, number, sample, error = failures[0]
            others = [f"{k} sample {n}" for k, n, _, _ in failures[1:]]
            raise AssertionError(
                f"{self}: {kind}, sample {number} {sample.args} {sample.keywords}:\n"
                f"{type(error).__name__}: {error}"
                + (f"\nalso failing: {', '.join(others)}" if others else "")
            ) from error


def cases(
    backend: str = "numpy",
    *,
    ops: Iterable[str] | None = None,
    checks: Iterable[str] | None = None,
    dtypes: Iterable[Any] | None = None,
    seed: int = 0,
) -> list[Case]:
    """Every (op, check) of the table on one backend, for ``pytest.mark.parametrize``.

    ``ops``, ``checks`` and ``dtypes`` narrow it down; dtypes that the backend lacks are left out.
    Ops without samples, and those that write into their inputs, are left out.
    """
    adapter = backends.get(backend)
    kinds = [named(d).name for d in dtypes or (*FLOATS, *WHOLE)]
    kinds = [k for k in kinds if k not in adapter.unsupported_dtypes]
    return list(_cases(backend, ops, checks, kinds, seed))


def _cases(
    backend: str, ops: Iterable[str] | None, names: Iterable[str] | None, kinds: Any, seed: int
) -> Iterator[Case]:
    chosen = list(CHECKS) if names is None else list(names)
    for name in table if ops is None else ops:
        op = table[name]
        if not op.samples or op.mutates:
            continue
        for check in chosen:
            fitting = tuple(k for k in kinds if k in _ONLY.get(check, kinds))
            if fitting:
                yield Case(op, check, backend, fitting, seed)


def check_op(op: Any, backend: str = "numpy", **options: Any) -> int:
    """Run every check of one op (its name, or the function that ``op()`` returned)."""
    name = op if isinstance(op, str) else op.op.name
    return check_backend(backend, ops=[name], **options)


def check_backend(backend: str = "numpy", **options: Any) -> int:
    """Run every check on a backend; returns how many passed.

    Raises ``AssertionError`` that lists all failures. ``options`` are those of ``cases``.
    """
    failures = []
    chosen = cases(backend, **options)
    for case in chosen:
        try:
            case()
        except AssertionError as error:
            failures.append(str(error))
    if failures:
        raise AssertionError(
            f"{len(failures)} of {len(chosen)} checks failed on {backend}:\n\n"
            + "\n\n".join(failures)
        )
    return len(chosen)
