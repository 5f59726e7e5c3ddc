"""What is switched on around code, devices, and what may be set on a Tensor: as in PyTorch."""

from __future__ import annotations

import contextlib
import copy
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import anadrome as ad

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")


def a_generator_is_thrown_into(L: Any) -> Any:
    seen = []

    @contextlib.contextmanager
    @L.no_grad()
    def handling() -> Iterator[int]:
        try:
            yield 1
        except ValueError:
            seen.append(L.is_grad_enabled())

    with handling():
        seen.append(L.is_grad_enabled())
        raise ValueError
    return seen


def a_generator_goes_on_after_that(L: Any) -> Any:
    @L.no_grad()
    def echo() -> Any:
        given = None
        while given != "stop":
            try:
                given = yield given, L.is_grad_enabled()
            except KeyError as error:
                given = str(error)
        return "end"

    it = echo()
    seen = [next(it), it.send(1), it.throw(KeyError("k")), it.send(2), L.is_grad_enabled()]
    try:
        it.send("stop")
    except StopIteration as stop:
        seen.append(stop.value)
    return seen


def a_generator_is_closed(L: Any) -> Any:
    seen = []

    @L.no_grad()
    def closing() -> Iterator[int]:
        try:
            yield 1
        finally:
            seen.append(L.is_grad_enabled())

    it = closing()
    next(it)
    it.close()
    return [*seen, L.is_grad_enabled()]


def state(L: Any) -> list[bool]:
    return [L.is_grad_enabled(), L.is_inference_mode_enabled(), L.ones(1).is_inference()]


def inference_switched_off_inside(L: Any) -> Any:
    with L.inference_mode():
        with L.inference_mode(False):
            inside = state(L)
            x = L.ones(2, requires_grad=True)
            (x * x).sum().backward()
        return inside, state(L), x.grad.tolist()


def inference_off_where_nothing_is_recorded(L: Any) -> Any:
    with L.no_grad(), L.inference_mode(False):
        return state(L)


def views_know_whose_memory_it_is(L: Any) -> Any:
    usual = L.ones(4)
    with L.inference_mode():
        barred = L.ones(4)
        inside = [usual[:2], usual.view(2, 2), usual.detach(), usual + 0, usual.t()]
        inside += [barred[:2], barred.detach()]
    outside = [barred[:2], barred.view(2, 2), barred.detach(), barred.clone(), barred + 0]
    inside[0].add_(1)
    return [x.is_inference() for x in (*inside, *outside)], usual.tolist()


def a_device_entered_twice(L: Any) -> Any:
    meta = L.device("meta")
    with meta:
        with meta, L.device("cpu"):
            seen = [L.ones(1).device.type]
        seen.append(L.empty(1).device.type)
        copied = copy.deepcopy(meta), pickle.loads(pickle.dumps(meta))
    return seen, L.ones(1).device.type, copied == (meta, meta)


def what_a_device_equals(L: Any) -> Any:
    cpu = L.device("cpu")
    others = ["cpu", "", "a:b", None, 0, L.device("cpu"), L.device("cpu", 0), L.device("meta")]
    return [cpu == other for other in others], [cpu != other for other in others]


def numbers_of_devices(L: Any) -> Any:
    return [L.device("cuda:0").index, L.device("cuda:10").index, L.device("cuda", 3).index]


def kinds_with_complex_parts(L: Any) -> Any:
    kinds = ["float16", "bfloat16", "float32", "float64", "complex32", "complex64", "complex128"]
    return [str(getattr(L, kind).to_complex())[-9:] for kind in kinds]


SAME = [
    a_generator_is_thrown_into, a_generator_goes_on_after_that, a_generator_is_closed,
    inference_switched_off_inside, inference_off_where_nothing_is_recorded,
    views_know_whose_memory_it_is, a_device_entered_twice, what_a_device_equals,
    numbers_of_devices, kinds_with_complex_parts,
]  # fmt: skip


@pytest.mark.parametrize("case", SAME, ids=lambda case: case.__name__)
def test_same_as_torch(case: Callable[[Any], Any]) -> None:
    assert case(ad) == case(torch)


def leaf(L: Any) -> Any:
    return L.ones(2, requires_grad=True)


def given(L: Any, **attributes: Any) -> None:
    for name, value in attributes.items():
        setattr(leaf(L), name, value)


REFUSED: list[tuple[str, Callable[[Any], Any]]] = [
    ("can't assign Variable as its own grad", lambda L: (x := leaf(L), setattr(x, "grad", x))),
    ("attempting to assign a gradient with dtype", lambda L: given(L, grad=L.ones(2).double())),
    ("data set to a tensor that requires gradients must be", lambda L: given(L, data=L.arange(2))),
    ("Device index must not be negative", lambda L: L.device("cuda", -1)),
    ("type (string) must not include an index", lambda L: L.device("cuda:0", 1)),
    ("Invalid device string", lambda L: L.device("cuda:01")),
    ("Invalid device string", lambda L: L.device("cuda:²")),
    ("", lambda L: L.int32.to_complex()),
    ("Inference tensors cannot be saved", lambda L: leaf(L) * barred_view(L)),
]  # fmt: skip


def barred_view(L: Any) -> Any:
    with L.inference_mode():
        x = L.ones(2)
    return x.view(2)


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_refused(number: int) -> None:
    text, call = REFUSED[number]
    for L in (ad, torch):
        with pytest.raises(RuntimeError) as caught:
            call(L)
        assert text in str(caught.value), L.__name__
