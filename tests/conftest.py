"""What all tests share: profiles of hypothesis, the nightly sample, what is skipped and why."""

from __future__ import annotations

import datetime
import os
import random
import signal
import sys

# One BLAS thread a process: pytest-xdist has a process a core already.
for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import hypothesis
import pytest
import strict_backend

import anadrome as ad
from anadrome import later, modes

later.everything()  # the table of ops, whole

SEED = "ANADROME_TEST_SEED"

# Where a change is judged, the examples are the same each time; the nightly explores.
hypothesis.settings.register_profile(
    "default", max_examples=30, deadline=None, derandomize=bool(os.environ.get("CI"))
)
hypothesis.settings.register_profile("nightly", max_examples=1000, deadline=None)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("anadrome")
    group.addoption("--nightly", action="store_true", help="run all tests marked nightly")
    group.addoption(
        "--nightly-sample", type=int, default=12, help="how many nightly tests to run without it"
    )


def pytest_configure(config: pytest.Config) -> None:
    # A shell starts what runs in its background without the handler of Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Through the environment, so that the processes of pytest-xdist choose the same tests.
    os.environ.setdefault(SEED, datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%d"))
    nightly = config.getoption("--nightly")
    hypothesis.settings.load_profile("nightly" if nightly else "default")
    strict_backend.load()


def pytest_report_header(config: pytest.Config) -> str:
    if config.getoption("--nightly"):
        return "nightly: all"
    count = config.getoption("--nightly-sample")
    return f"nightly: {count} of them, chosen by {SEED}={os.environ[SEED]}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--nightly"):
        _sample_nightly(config, items)
    skips = {
        "torch": (_imports("torch"), "needs PyTorch"),
        "gpu": (_has_gpu(), "needs a GPU and CuPy"),
        "numba": (_imports("numba"), "needs Numba"),
    }
    for item in items:
        for marker, (there, why) in skips.items():
            if not there and item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=why))


def _sample_nightly(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep a few of the nightly tests, drawn by the seed; the others are reported as deselected."""
    nightly = sorted(i.nodeid for i in items if i.get_closest_marker("nightly"))
    count = min(config.getoption("--nightly-sample"), len(nightly))
    chosen = set(random.Random(os.environ[SEED]).sample(nightly, count))
    dropped = [i for i in items if i.get_closest_marker("nightly") and i.nodeid not in chosen]
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = [i for i in items if i not in set(dropped)]


def _imports(name: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(name) is not None


def _has_gpu() -> bool:
    if not _imports("cupy"):
        return False
    import cupy

    try:
        return cupy.cuda.runtime.getDeviceCount() > 0
    except cupy.cuda.runtime.CUDARuntimeError:
        return False


@pytest.fixture(autouse=True)
def _fresh() -> object:
    """Each test starts from the same random numbers, modes and default dtype."""
    modes.set_state(modes.EAGER)  # `set_grad_enabled(True)` as a call leaves an equal one
    ad.manual_seed(0)
    random.seed(0)
    if "torch" in sys.modules:  # in whatever order the tests come
        torch = sys.modules["torch"]
        torch.manual_seed(0)
        # torch.compile() switches that off, for the whole process.
        torch.distributions.Distribution.set_default_validate_args(__debug__)
    before = ad.get_default_dtype()
    yield
    ad.set_default_dtype(before)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the tests that were skipped, once each whatever their parameters, by reason."""
    by_reason: dict[str, set[str]] = {}
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        by_reason.setdefault(reason, set()).add(report.nodeid.partition("[")[0])
    for reason, names in sorted(by_reason.items()):
        terminalreporter.write_line(f"{reason}: {len(names)} tests")
        for name in sorted(names):
            terminalreporter.write_line(f"    {name}")
