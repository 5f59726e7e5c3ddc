"""The conformance kit judges backends that draw their own numbers, and finds what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import array_api_strict as xp
import numpy as np
import pytest

from anadrome import backend as backends
from anadrome import testing
from anadrome.op import table

Array = type(xp.asarray(0.0))


class OwnDraws:
    """Numbers that are not the host's: another bit generator, and another way to mask."""

    def stream(self, key: Any) -> Any:
        return np.random.Generator(np.random.PCG64([*key, 1]))

    def made(self, values: Any, dtype: Any) -> Any:
        return xp.asarray(values.astype(dtype._np_dtype) if values.shape else values, dtype=dtype)

    def uniform(self, key: Any, shape: Any, dtype: Any) -> Any:
        return self.made(np.asarray(self.stream(key).random(shape, np.float32)), dtype)

    def normal(self, key: Any, shape: Any, dtype: Any) -> Any:
        return self.made(np.asarray(self.stream(key).standard_normal(shape)), dtype)

    def integers(self, key: Any, shape: Any, dtype: Any, low: int, high: int) -> Any:
        return self.made(np.asarray(self.stream(key).integers(low, high, size=shape)), dtype)

    def permutation(self, key: Any, shape: Any, dtype: Any) -> Any:
        return self.made(self.stream(key).permutation(shape[0]), dtype)

    def keep_mask(self, key: Any, shape: Any, probability: float) -> Any:
        return xp.asarray(self.stream(key).random(shape) >= 1 - probability)


@pytest.fixture
def draw_by(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Give the strict backend a generator for the length of a test."""

    def use(draws: Any) -> None:
        adapter = backends.get("strict")
        monkeypatch.setattr(adapter, "generator", lambda device=None: draws, raising=False)

    return use


@pytest.fixture
def dropping(monkeypatch: pytest.MonkeyPatch, draw_by: Any) -> Callable[[Any], None]:
    """Give it a generator of its own and a kernel for dropout."""

    def use(kernel: Any) -> None:
        draw_by(OwnDraws())
        monkeypatch.setitem(table["dropout"].implementations, Array, kernel)

    return use


def mask(x: Any, p: float, key: Any, shape: Any) -> Any:
    return OwnDraws().keep_mask(key, x.shape if shape is None else shape, 1 - p)


def test_own_numbers_are_as_good_as_the_hosts(draw_by: Any) -> None:
    known = dict(table["dropout"].implementations)
    draw_by(OwnDraws())
    assert testing.check_op("dropout", "strict") == len(testing.CHECKS)
    home = backends.get("numpy")
    assert "generator" not in vars(home)
    assert type(home.generator().keep_mask((7, 1), (3,), 0.5)) is np.ndarray
    assert known.items() <= table["dropout"].implementations.items()


def test_a_right_kernel_passes(dropping: Any) -> None:
    dropping(
        lambda x, *, p, key, shape=None: xp.where(
            mask(x, p, key, shape), x / (1 - p), xp.asarray(0.0, dtype=x.dtype)
        )
    )
    assert testing.check_op("dropout", "strict") == len(testing.CHECKS)


#: A kernel that is wrong, and the checks that must say so.
FAULTS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "does not scale": (
        lambda x, p, key, shape: xp.where(mask(x, p, key, shape), x, 0 * x),
        ("value", "gradient", "nonfinite"),
    ),
    "keeps what it should drop": (
        lambda x, p, key, shape: xp.where(mask(x, p, key, shape), 0 * x, x / (1 - p)),
        ("value", "gradient", "nonfinite"),
    ),
    "drops another share": (
        lambda x, p, key, shape: xp.where(mask(x, p / 2, key, shape), x / (1 - p), 0 * x),
        ("value", "gradient"),
    ),
    "has no regard for the shape of the mask": (
        lambda x, p, key, shape: xp.where(mask(x, p, key, None), x / (1 - p), 0 * x),
        ("value", "gradient"),
    ),
    "draws by another key": (
        lambda x, p, key, shape: xp.where(mask(x, p, (1, 1), shape), x / (1 - p), 0 * x),
        ("value", "gradient", "draws"),
    ),
    "draws by the seed alone": (
        lambda x, p, key, shape: xp.where(mask(x, p, (key[0], 1), shape), x / (1 - p), 0 * x),
        ("draws",),
    ),
    "lets NaN through where it drops": (
        lambda x, p, key, shape: x * xp.astype(mask(x, p, key, shape), x.dtype) / (1 - p),
        ("nonfinite",),
    ),
    "draws anew each time": (
        lambda x, p, key, shape: xp.where(
            xp.asarray(np.random.random(x.shape) < 1 - p), x / (1 - p), 0 * x
        ),
        ("value", "gradient", "draws"),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_kernel_is_found(dropping: Any, fault: str) -> None:
    kernel, checks = FAULTS[fault]
    dropping(lambda x, *, p, key, shape=None: kernel(x, p, key, shape))
    for check in checks:
        with pytest.raises(AssertionError, match=f"dropout-{check}-strict"):
            testing.check_op("dropout", "strict", checks=[check], dtypes=["float32", "float64"])


class Anew(OwnDraws):
    def stream(self, key: Any) -> Any:
        return np.random.default_rng()


class Seedless(OwnDraws):
    def stream(self, key: Any) -> Any:
        return super().stream((0, key[1]))


class Numberless(OwnDraws):
    def stream(self, key: Any) -> Any:
        return super().stream((key[0], 0))


class Rounded(OwnDraws):
    """NumPy makes float64 of a list with an integer above 2**63."""

    def stream(self, key: Any) -> Any:
        seed, number = np.array([float(k) for k in key]).astype(np.uint64).tolist()
        return super().stream((seed, number))


class ShareDropped(OwnDraws):
    def keep_mask(self, key: Any, shape: Any, probability: float) -> Any:
        return super().keep_mask(key, shape, 1 - probability)


class ReachesOne(OwnDraws):
    def uniform(self, key: Any, shape: Any, dtype: Any) -> Any:
        return xp.round(super().uniform(key, shape, dtype) * 100) / 100


class Narrow(OwnDraws):
    def normal(self, key: Any, shape: Any, dtype: Any) -> Any:
        return super().normal(key, shape, dtype) * 0.8


class Closed(OwnDraws):
    def integers(self, key: Any, shape: Any, dtype: Any, low: int, high: int) -> Any:
        return super().integers(key, shape, dtype, low, high + 1)


class Repeats(OwnDraws):
    def permutation(self, key: Any, shape: Any, dtype: Any) -> Any:
        return self.integers(key, shape, dtype, 0, shape[0])


class Sorted(OwnDraws):
    def permutation(self, key: Any, shape: Any, dtype: Any) -> Any:
        return xp.arange(shape[0], dtype=dtype)


class Flat(OwnDraws):
    def uniform(self, key: Any, shape: Any, dtype: Any) -> Any:
        return xp.reshape(super().uniform(key, shape, dtype), (-1,))


@pytest.mark.parametrize(
    ("draws", "text"),
    [
        (Anew, "twice with one key"),
        (Seedless, "depends on both numbers of its key"),
        (Numberless, "depends on both numbers of its key"),
        (Rounded, "take all 64 bits"),
        (ShareDropped, r"keep_mask with probability 0.0.*: the share kept is 1"),
        (ReachesOne, r"uniform .float64.*outside \[0, 1\)"),
        (Narrow, "normal .*: the mean square is 0.6"),
        (Closed, "integers .* is outside that"),
        (Repeats, "is no order of 0 to 4095"),
        (Sorted, "is the same of the keys"),
        (Flat, r"of shape \(3, 4\) gave a Array of shape \(12,\)"),
    ],
)
def test_a_wrong_generator_is_found(draw_by: Any, draws: Any, text: str) -> None:
    draw_by(draws())
    with pytest.raises(AssertionError, match=text):
        testing.check_op("dropout", "strict", checks=["draws"])
