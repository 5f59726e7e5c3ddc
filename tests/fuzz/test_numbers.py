"""NumPy's numbers, of every callable, are Python's: the result is of the same type."""

from __future__ import annotations

import itertools
import random
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import anadrome as ad

from . import draws, oracle, samples, surface, worker

#: What they become where a Python number stands in a call that works.
AS_NUMPY = {float: np.float64, int: np.int64}
VALUES = (0.5, 2, 1, (1,), (2, 2))
#: What takes no number; in PyTorch the two that take NumPy's keep its type, as an array's.
NO_NUMBERS = {"out", "dtype", "device", "generator", "as_tensor", "asarray", "reduction",
              "binary_cross_entropy_with_logits", "nn.functional.ctc_loss", "set_num_threads",
              "set_num_interop_threads"}  # fmt: skip
#: Callables that must be among those that are tried with a float, an integer, and a tuple of them.
TRIED = {"addcmul", "masked_fill", "nn.functional.hardtanh", "tensordot", "Tensor.var", "roll"}


@pytest.fixture(autouse=True)
def settings_as_they_were() -> Iterator[None]:
    """Some callables set something for the process."""
    yield
    worker.restore()


def calls(target: surface.Target) -> Any:
    yield from samples.watched(target)
    for seed in range(6):
        call = samples.of_op(target, random.Random(seed), "float32")
        if call is not None:
            yield call


def in_numpys(value: Any) -> Any:
    """The value as NumPy's; None if it is no Python number."""
    if type(value) is tuple and value and all(type(v) in AS_NUMPY for v in value):
        return tuple(AS_NUMPY[type(v)](v) for v in value)
    return AS_NUMPY[type(value)](value) if type(value) in AS_NUMPY else None


def types(target: surface.Target, args: list[Any], keywords: dict[str, Any]) -> Any:
    """The types of what a call returns; None if it fails."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            out = target.value(*samples.fresh(args), **samples.fresh(keywords))
        return [t.dtype for t in oracle.tensors_of(out)]
    except Exception:
        return None


def places(target: surface.Target, args: list[Any], keywords: dict[str, Any]) -> list[Any]:
    """Where a number may be given, by place or name: also what is left out in this call."""
    form = draws.signature(target.value)
    left = list(form.parameters.values())[len(args) :] if form is not None else []
    names = [p.name for p in left if p.kind in draws.BY_NAME and p.name not in NO_NUMBERS]
    return [*range(int(target.is_method), len(args)), *keywords, *names]


def test_of_numpys_numbers_the_result_has_the_same_type() -> None:
    tried, count, wrong = set(), 0, []
    for target in surface.targets():
        if target.is_class or target.path in NO_NUMBERS:
            continue
        for args, keywords in itertools.islice(calls(target), 3):
            for place, value in itertools.product(places(target, args, keywords), VALUES):

                def given(new: Any) -> Any:
                    if isinstance(place, str):
                        return types(target, args, {**keywords, place: new})
                    return types(target, [*args[:place], new, *args[place + 1 :]], keywords)

                plain = given(value)
                if plain:
                    tried.add(target.path)
                    count += 1
                    found = given(in_numpys(value))
                    if found != plain:
                        wrong.append(f"{target.path}({place}={value}): {found}, not {plain}")
    assert not wrong, "\n".join(wrong)
    assert tried >= TRIED and count > 2000


@pytest.mark.parametrize("function", [
    lambda x, n: x.masked_fill(x > 0, n), lambda x, n: x.masked_fill_(x > 0, n),
    lambda x, n: ad.full((2,), n), lambda x, n: ad.scalar_tensor(n), lambda x, n: x.fill_(n),
    lambda x, n: ad.nan_to_num(x, n), lambda x, n: ad.nn.functional.pad(x, (1, 1), value=n),
    lambda x, n: ad.where(x > 0, x, n), lambda x, n: ad.linalg.pinv(ad.eye(2), rtol=n),
    lambda x, n: ad.linalg.matrix_rank(ad.eye(2), rtol=n), lambda x, n: ad.add(x, n),
    lambda x, n: ad.full_like(x, n), lambda x, n: x.new_full((2,), n), lambda x, n: x.index_fill(
        0, ad.tensor([0]), n), lambda x, n: ad.clamp(x, n), lambda x, n: ad.nn.functional.hardtanh(
        x, n, n), lambda x, n: ad.addcmul(x, x, x, value=n), lambda x, n: ad.norm(x, n),
    lambda x, n: x.var(correction=n), lambda x, n: ad.nn.functional.poisson_nll_loss(x, x, eps=n),
])  # fmt: skip
@pytest.mark.parametrize("number", [ad.Tensor, np.float64, float])
def test_the_class_of_a_number_is_none(function: Any, number: type) -> None:
    with pytest.raises((TypeError, ad.errors.AnadromeError)) as caught:
        function(ad.ones(2), number)
    assert "self" not in str(caught.value)  # of a method that was called on the class


@pytest.mark.parametrize("function", [
    lambda x, n: ad.nn.functional.rms_norm(x, (3,), eps=n),
    lambda x, n: ad.nn.functional.layer_norm(x, (3,), eps=n),
    lambda x, n: ad.nn.functional.group_norm(x, 3, eps=n),
    lambda x, n: ad.nn.functional.batch_norm(x, x[0], x[0], eps=n),
    lambda x, n: ad.nn.functional.batch_norm(x, None, None, training=True, eps=n),
    lambda x, n: ad.nn.functional.smooth_l1_loss(x, x, beta=n),
    lambda x, n: ad.nn.functional.huber_loss(x, x, delta=n),
    lambda x, n: ad.nn.functional.normalize(x, eps=n),
    lambda x, n: ad.nn.functional.cosine_similarity(x, x, eps=n),
    lambda x, n: ad.nn.functional.gaussian_nll_loss(x, x, x, eps=n),
    lambda x, n: ad.norm(x, n), lambda x, n: ad.dist(x, x, n), lambda x, n: ad.renorm(x, n, 0, 1),
    lambda x, n: ad.logit(x, n), lambda x, n: x.clamp(n),
    lambda x, n: ad.lerp(x, x, n), lambda x, n: x.index_add(
        0, ad.tensor([0, 1]), x, alpha=n), lambda x, n: ad.baddbmm(x[None], x[None, :, :2],
                                                                   x[None], alpha=n),
])  # fmt: skip
@pytest.mark.parametrize("kind", [ad.float16, ad.float32])
def test_an_optional_number_of_numpys_leaves_the_type(function: Any, kind: Any) -> None:
    x = ad.tensor([[0.5, 1.0, 2.0], [0.25, 0.5, 1.0]], dtype=kind)
    plain = function(x, 0.5)
    for number in (np.float64(0.5), np.float32(0.5)):
        found = function(x, number)
        assert found.dtype is plain.dtype and found.tolist() == plain.tolist()
