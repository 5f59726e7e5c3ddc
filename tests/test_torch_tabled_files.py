"""Copies, pickles and files of Tensors that are more than their values: nested, and masked."""

from __future__ import annotations

import copy
import io
import pickle
from typing import Any

import pytest

import anadrome as ad

torch: Any = pytest.importorskip("torch")
pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore:The PyTorch API of"),
]


def jagged(L: Any, **options: Any) -> Any:
    return L.nested.nested_tensor([L.ones(3, 2), L.zeros(2, 2)], layout=L.jagged, **options)


def masked(L: Any, **options: Any) -> Any:
    from importlib import import_module

    values, mask = L.arange(3.0), L.tensor([True, False, True])
    return import_module(f"{L.__name__}.masked").masked_tensor(values, mask, **options)


MADE: dict[str, Any] = {
    "jagged": jagged,
    "jagged_requires": lambda L: jagged(L, requires_grad=True),
    "jagged_of_a_graph": lambda L: jagged(L, requires_grad=True) * 2,
    "jagged_transposed": lambda L: jagged(L).transpose(1, 2),
    "jagged_half": lambda L: jagged(L, dtype=L.bfloat16),
    "jagged_narrowed": lambda L: L.nested.narrow(
        L.arange(12.0).view(2, 6), 1, L.tensor([0, 1]), L.tensor([2, 3]), layout=L.jagged
    ),
    "strided": lambda L: L.nested.nested_tensor([L.arange(3.0), L.arange(2.0)]),
    "strided_of_two": lambda L: L.nested.nested_tensor([L.ones(3, 2), L.zeros(1, 4)]),
    "masked": masked,
    "masked_requires": lambda L: masked(L, requires_grad=True),
    "masked_of_a_graph": lambda L: masked(L, requires_grad=True) * 2,
}


def through_a_file(L: Any, value: Any, **options: Any) -> Any:
    file = io.BytesIO()
    L.save({"it": value, "again": value}, file)
    file.seek(0)
    found = L.load(file, **options)
    assert found["it"] is found["again"]
    return found["it"]


WAYS: dict[str, Any] = {
    "copy": lambda L, x: copy.copy(x),
    "deepcopy": lambda L, x: copy.deepcopy(x),
    "pickle": lambda L, x: pickle.loads(pickle.dumps(x)),
    "a file that is trusted": lambda L, x: through_a_file(L, x, weights_only=False),
    "a file": lambda L, x: through_a_file(L, x),
}


def told(x: Any) -> Any:
    facts = str(x.dtype).partition(".")[2], x.requires_grad, x.is_leaf
    if hasattr(x, "get_mask"):
        return facts, x.get_data().tolist(), x.get_mask().tolist()
    return facts, str(x.layout).partition(".")[2], [part.tolist() for part in x.unbind()]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", MADE)
def test_copies_are_what_they_are_made_of(kind: str, way: str) -> None:
    if way == "deepcopy" and kind.endswith("graph"):
        for L in (torch, ad):
            with pytest.raises(RuntimeError, match="Only Tensors created explicitly"):
                copy.deepcopy(MADE[kind](L))
        return
    ours = told(WAYS[way](ad, MADE[kind](ad)))
    if way == "deepcopy" and kind.startswith("strided"):  # which PyTorch cannot do
        assert ours == told(MADE[kind](torch))
        return
    if way == "a file" and kind.startswith("masked"):  # which PyTorch reads only if it is trusted
        way = "a file that is trusted"
    assert ours == told(WAYS[way](torch, MADE[kind](torch)))


@pytest.mark.parametrize("kind", MADE)
def test_each_reads_the_files_of_the_other(kind: str) -> None:
    for one, other in ((ad, torch), (torch, ad)):
        file = io.BytesIO()
        one.save([MADE[kind](one)], file)
        file.seek(0)
        (found,) = other.load(file, weights_only=False)
        assert told(found)[1:] == told(MADE[kind](torch))[1:]
        assert found.requires_grad == MADE[kind](torch).requires_grad


def test_a_copy_goes_together_with_its_original_and_a_loaded_pair_with_each_other() -> None:
    for L in (torch, ad):
        x = jagged(L)
        for other in (copy.copy(x), copy.deepcopy(x)):
            assert (other + x).unbind()[0].tolist() == [[2.0, 2.0]] * 3
        file = io.BytesIO()
        L.save([x, x * 2], file)
        file.seek(0)
        a, b = L.load(file)
        assert a.shape == b.shape
        assert (a + b).unbind()[0].tolist() == [[3.0, 3.0]] * 3


def test_a_module_with_such_a_buffer() -> None:
    def program(L: Any) -> Any:
        made = L.nn.Linear(2, 2)
        made.register_buffer("kept", masked(L))
        other = copy.deepcopy(made)
        return told(other.kept), told(pickle.loads(pickle.dumps(made)).kept)

    assert program(ad) == program(torch)


def test_a_copy_is_a_leaf_of_the_same_memory() -> None:
    def program(L: Any) -> Any:
        x = L.ones(3, requires_grad=True)
        y = copy.copy(x * 2)
        y.sum().backward()
        return y.is_leaf, y.requires_grad, y.grad.tolist(), x.grad

    assert program(ad) == program(torch)


def test_a_file_of_both_is_made_by_pickle_where_it_holds_more() -> None:
    """A whole Module beside nested and masked Tensors goes another way than plain containers."""
    value = {"module": ad.nn.Linear(2, 2), "x": jagged(ad), "m": masked(ad)}
    file = io.BytesIO()
    ad.save(value, file)
    file.seek(0)
    found = ad.load(file, weights_only=False)
    assert told(found["x"]) == told(jagged(torch))
    assert told(found["m"]) == told(masked(torch))


@pytest.mark.parametrize("damage", ["sizes", "strides", "mask"])
def test_a_file_that_does_not_fit_is_refused(damage: str) -> None:
    """What does not go together is no Tensor, and no read outside of its memory."""
    if damage != "mask":
        first = 1000 if damage == "sizes" else 1
        buffer, sizes = torch.arange(3.0), torch.tensor([[first], [2]])
        steps = torch.ones_like(sizes) if damage == "sizes" else torch.tensor([[1]])
        parts = (buffer, sizes, steps, torch.tensor([0, 1]))

        class Made:
            def __reduce__(self) -> Any:
                return torch._utils._rebuild_nested_tensor, parts

        value: Any = Made()
    else:
        value = masked(torch)
        value._masked_mask = torch.tensor([True, False])
    file = io.BytesIO()
    torch.save(value, file)
    file.seek(0)
    with pytest.raises(ad.errors.SerializationError):
        ad.load(file)
