"""What Python or an array library raises inside is said in our words; all else passes as it is."""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import anadrome as ad
from anadrome import border, errors


def inside(source: str) -> Callable[..., Any]:
    """``function(x)`` with one statement, as if it stood in a file of the framework."""
    file = os.path.join(os.path.dirname(os.path.abspath(str(ad.__file__))), "planted.py")
    ad.ones(1)  # the array library is loaded
    scope: dict[str, Any] = {"np": np, "__name__": "anadrome.planted"}
    exec(compile(f"def function(x=None, depth=0):\n    {source}\n", file, "exec"), scope)
    return scope["function"]


@pytest.mark.parametrize(
    ("source", "kind", "base", "text"),
    [
        ("1 + 'a'", errors.ArgumentError, TypeError, "unsupported operand"),
        ("x.ndim", errors.ArgumentError, TypeError, "it takes no NoneType there"),
        ("[][1]", errors.RangeError, IndexError, "list index out of range"),
        ("int('a')", errors.ShapeError, ValueError, "invalid literal"),
        ("{}['weight']", errors.MissingKeyError, KeyError, "there is no 'weight'"),
        ("1 // 0", errors.DomainError, ValueError, "by zero"),
        ("(1).to_bytes(2**70, 'big')", errors.DomainError, ValueError, "too large"),
        # Both arguments: Python 3.13.0 does not count calls that leave out a default.
        ("function(x, depth)", errors.DomainError, ValueError, "nested too deeply"),
        ("np.ones(2) + np.ones(3)", errors.ShapeError, ValueError, "could not be broadcast"),
        ("np.ones(2).sum(axis=5)", errors.RangeError, IndexError, "axis 5 is out of bounds"),
        ("np.linalg.inv(np.ones(3))", errors.ShapeError, ValueError, "1-dimensional array given"),
    ],
)
def test_a_failure_inside_is_ours(source: str, kind: type, base: type, text: str) -> None:
    with pytest.raises(base) as caught:
        border.bordered(inside(source))()
    assert type(caught.value) is kind
    assert str(caught.value).startswith("function(): ")
    assert text in str(caught.value)
    assert not isinstance(caught.value.__cause__, errors.AnadromeError)


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("raise ValueError('as PyTorch says it')", ValueError),
        ("raise KeyError('name')", KeyError),
        ("raise AssertionError('a text')", AssertionError),
        ("undefined", NameError),  # a mistake of ours, which must be seen
        ("raise MemoryError", MemoryError),
        ("np.empty(2**50)", MemoryError),
        ("open('/no/such/file')", FileNotFoundError),
        ("next(iter(()))", StopIteration),
        ("raise UserWarning('turned into an error')", UserWarning),
    ],
)
def test_what_is_raised_on_purpose_passes(source: str, kind: type) -> None:
    function = inside(source)
    with pytest.raises(kind) as caught:
        border.bordered(function)()
    assert not isinstance(caught.value, errors.AnadromeError)


def _wrong(*_: Any) -> Any:
    return (3).ndim  # type: ignore[attr-defined]


class _Wrong(ad.nn.Module):
    def forward(self, x: ad.Tensor) -> Any:
        return _wrong()


class _Data(ad.utils.data.Dataset[Any]):
    def __getitem__(self, index: int) -> Any:
        return _wrong()

    def __len__(self) -> int:
        return 2


def _schedule() -> None:
    optimizer = ad.optim.SGD([ad.ones(2, requires_grad=True)], lr=0.1)
    ad.optim.lr_scheduler.LambdaLR(optimizer, _wrong)


def _hook() -> None:
    model = ad.nn.Linear(2, 2)
    model.register_forward_hook(_wrong)
    ad.nn.Sequential(model)(ad.ones(1, 2))


@pytest.mark.parametrize(
    "call",
    [
        lambda: _Wrong()(ad.ones(1)),
        lambda: ad.nn.Sequential(_Wrong())(ad.ones(1)),
        lambda: next(iter(ad.utils.data.DataLoader(_Data()))),
        lambda: ad.autograd.functional.jacobian(_wrong, ad.ones(2)),
        lambda: ad.func.grad(_wrong)(ad.ones(2)),
        lambda: ad.utils.checkpoint.checkpoint(_wrong, ad.ones(2), use_reentrant=False),
        lambda: ad.optim.SGD([ad.ones(2, requires_grad=True)], lr=0.1).step(_wrong),
        _schedule,
        _hook,
    ],
    ids=range(9),
)
def test_an_error_of_the_users_passes_as_it_is(call: Callable[[], Any]) -> None:
    with pytest.raises(AttributeError) as caught:
        call()
    assert type(caught.value) is AttributeError
    assert str(caught.value) == "'int' object has no attribute 'ndim'"


@pytest.mark.parametrize(
    ("call", "start"),
    [
        (lambda: ad.nn.Conv2d(None, 3, 3), "Conv2d(None, 3, 3)"),
        (lambda: ad.nn.ReLU()(3), "relu"),
        (lambda: ad.optim.SGD([ad.ones(2, requires_grad=True)], lr="a"), "SGD([float32 (2,) on c"),
        (lambda: ad.nn.utils.clip_grad_norm_(None, 1.0), "clip_grad_norm_(None, 1.0): "),
        (lambda: ad.nn.init.constant_(False, 1), "constant_(False, 1): it takes no bool there"),
        (lambda: ad.utils.data.ConcatDataset([1, 2]), "ConcatDataset.cumsum([1, 2]): "),
        (lambda: ad.nn.Linear(2, 2).get_buffer(3), "Linear.get_buffer(3): "),
        (lambda: ad.zeros(2**62), "zeros(4611686018427387904): "),
        (lambda: ad.triu(ad.eye(2), 2**70), "triu(x: float32 (2, 2) on cpu): Python int too large"),
        (lambda: ad.load(3), "load(3): "),
    ],
)
def test_the_error_names_the_call(call: Callable[[], Any], start: str) -> None:
    with pytest.raises(errors.AnadromeError) as caught:
        call()
    assert str(caught.value).startswith(start), str(caught.value)


def test_arguments_are_told_shortly() -> None:
    told = border.told(
        [ad.ones(2, 3), [ad.zeros(1), 1, 2, 3, 4], "x" * 100, object(), ad.float32, None], {"p": 2}
    )
    assert told == (
        "float32 (2, 3) on cpu, [float32 (1,) on cpu, 1, 2, 3, ...], "
        f"'{'x' * 36}..., a object, anadrome.float32, None, p=2"
    )


def test_a_failed_call_keeps_nothing_alive() -> None:
    model = ad.nn.Linear(2, 2)
    gc.collect()
    gc.disable()
    try:
        x = ad.ones(2, 2)
        dropped = weakref.ref(x._data)
        failing: list[Callable[[ad.Tensor], Any]] = [
            lambda x: ad.nn.init.constant_([x], 1),
            lambda x: ad.utils.data.ConcatDataset([3, x]),
            lambda x: ad.zeros(2, out=[x]),
            lambda x: model([x]),
            lambda x: ad.nn.ReLU()([x]),
        ]
        for call in failing:
            with contextlib.suppress(TypeError, ValueError, RuntimeError):
                call(x)
                raise AssertionError("it works")
        del x
        assert dropped() is None
    finally:
        gc.enable()


def test_what_is_enclosed() -> None:
    class Mine(ad.nn.Linear):
        def extra(self, name: str) -> str:
            return name

    assert not hasattr(Mine.extra, "__wrapped__")  # a user's own class
    assert not hasattr(ad.nn.Linear.forward, "__wrapped__")
    assert hasattr(ad.nn.Linear.__init__, "__wrapped__")
    assert list(Mine(2, 1).named_parameters())  # a generator
    kept = pickle.loads(pickle.dumps(ad.nn.Linear(2, 1)))
    assert kept.weight.shape == (1, 2)
    assert pickle.loads(pickle.dumps(ad.nn.init.ones_)) is ad.nn.init.ones_
