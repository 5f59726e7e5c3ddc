"""Memory under Tensors, counted values, and the choice of attention: as PyTorch answers."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import pytest

import anadrome as ad

torch = pytest.importorskip("torch")
pytest.importorskip("torch.testing._internal.common_methods_invocations")

import opinfo

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]

OPS = opinfo.entries(["histogram", "histogramdd", "index_reduce", "unravel_index"])


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name + op.variant_test_name)
def test_samples(op: Any) -> None:
    dtype = torch.float64 if torch.float64 in op.dtypes else torch.int64
    assert opinfo.compare(op, dtype) > 0
    opinfo.refused(op)


def facts(L: Any) -> list[Any]:
    x = L.zeros(4, 3)
    y = L.nn.Linear(3, 4, bias=False)
    z = L.nn.Embedding(4, 3)
    z.weight = y.weight
    memory = x.untyped_storage()
    return [
        memory.nbytes(), x[1:].untyped_storage().nbytes(), memory.size(), str(memory.device),
        x[2:].untyped_storage().data_ptr() == memory.data_ptr(), memory == x.untyped_storage(),
        x.clone().untyped_storage().data_ptr() == memory.data_ptr(), L.is_storage(memory),
        z.weight.untyped_storage().data_ptr() == y.weight.untyped_storage().data_ptr(),
        x.is_set_to(x.view(4, 3)), x.is_set_to(x[1:]), x.is_set_to(x.clone()),
        type(memory).__name__, memory.data_ptr() == x.data_ptr(), len(memory),
    ]  # fmt: skip


def test_storages_tell_what_pytorchs_do() -> None:
    assert facts(ad) == facts(torch)


def test_a_choice_of_attention_is_accepted() -> None:
    wanted = importlib.import_module("torch.nn.attention").SDPBackend.__members__
    found = ad.nn.attention.SDPBackend.__members__
    assert {k: v.value for k, v in found.items()} == {k: int(v) for k, v in wanted.items()}
    x = ad.ones(1, 2, 4)
    with ad.nn.attention.sdpa_kernel(found["MATH"]):
        assert ad.nn.functional.scaled_dot_product_attention(x, x, x).tolist() == x.tolist()
    with (
        pytest.raises(TypeError, match="Backend must be an instance of SDPBackend .*, got str"),
        ad.nn.attention.sdpa_kernel("flash"),
    ):
        pass


def test_bytes_of_a_file_are_a_storage(tmp_path: Any) -> None:
    """As readers of safetensors take weights out of a mapped file."""

    def read(L: Any) -> list[Any]:
        path = tmp_path / f"{L.__name__}.bin"
        path.write_bytes(bytes(range(32)))
        whole = L.UntypedStorage.from_file(str(path), shared=False, nbytes=32)
        part = whole[8:16]
        x = L.asarray(part, dtype=L.uint8).view(dtype=L.int16)
        x += 1
        out = [whole.nbytes(), part.nbytes(), whole[3], x.tolist(), list(path.read_bytes()[8:16])]
        shared = L.UntypedStorage.from_file(str(path), shared=True, nbytes=40)
        L.asarray(shared[0:4], dtype=L.uint8).fill_(7)
        del shared
        typed = L.arange(4, dtype=L.int32).storage()
        return [
            *out,
            list(path.read_bytes()[:6]),
            path.stat().st_size,
            typed[2],
            typed.untyped()[4],
        ]

    assert read(ad) == read(torch)
    short = tmp_path / "short.bin"
    short.write_bytes(b"ab")
    for L in (ad, torch):
        with pytest.raises(RuntimeError):
            L.UntypedStorage.from_file(str(short), shared=False, nbytes=4)


def test_view_takes_its_argument_by_name() -> None:
    def both(x: Any, L: Any) -> list[Any]:
        return [x.view(size=(2, 3)).tolist(), x.view(dtype=L.int8).shape[0]]

    assert both(ad.arange(6), ad) == both(torch.arange(6), torch)
    for L in (ad, torch):
        with pytest.raises(TypeError, match="view"):
            L.arange(6).view(2, dtype=L.int32)
        with pytest.raises(TypeError, match="view"):
            L.arange(6).view(sizes=2)


@pytest.mark.parametrize("make", [
    lambda L, x: x, lambda L, x: x.view(6), lambda L, x: x[0], lambda L, x: x.detach(),
    lambda L, x: x * 2, lambda L, x: x.expand(4, 2, 3), lambda L, x: x.clone().t(),
    lambda L, x: x.requires_grad_().T[1],
])  # fmt: skip
def test_who_looks_into_anothers_memory(make: Any) -> None:
    assert make(ad, ad.ones(2, 3))._is_view() == make(torch, torch.ones(2, 3))._is_view()


def test_a_storage_is_as_large_as_its_memory() -> None:
    for L in (ad, torch):
        few, many = L.zeros(10).untyped_storage(), L.zeros(1010)[1:].untyped_storage()
        assert sys.getsizeof(many) - sys.getsizeof(few) == 4000
        assert sys.getsizeof(few) >= 40


def test_bytes_are_written_and_copied() -> None:
    for L in (ad, torch):
        x, y = L.tensor([1.0, 2.0, 3.0]), L.tensor([4.0, 5.0, 6.0])
        view = x[1:]
        storage = x.untyped_storage()
        assert storage.copy_(y.untyped_storage()) is storage and view.tolist() == [5.0, 6.0]
        kept = storage.clone()
        storage.fill_(0)
        assert x.tolist() == [0.0] * 3 and view.tolist() == [0.0] * 2
        assert kept.tolist() == y.untyped_storage().tolist() and kept.cpu().nbytes() == 12
        assert (storage.element_size(), storage.is_cuda) == (1, False)
    x = ad.ones(2, 3)
    with pytest.raises(RuntimeError, match="24 and 4 bytes"):
        x.untyped_storage().copy_(ad.ones(1).untyped_storage())
    with pytest.raises(TypeError, match="copy_\\(\\) takes a storage, not a Tensor"):
        x.untyped_storage().copy_(x)
