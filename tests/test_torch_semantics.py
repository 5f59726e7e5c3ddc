"""What programs ask of tensors, besides mathematics: the same answers as PyTorch's."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from oracle import agree, numbers, refuse

import anadrome as ad

pytestmark = pytest.mark.torch

torch = pytest.importorskip("torch")


def name(d: Any) -> str:
    """A dtype, device or type without the library in front."""
    return str(d).replace("anadrome.", "").replace("torch.", "")


def updated(L: Any, write: Callable[[Any], Any]) -> Any:
    """A leaf, its gradient and what a write left in it."""
    w = L.tensor([1.0, -2.0, 3.0], dtype=L.float64, requires_grad=True)
    (w * w).sum().backward()
    write(w)
    return w.detach(), w.grad, w.is_leaf, w.requires_grad


def no_grad_update(L: Any, w: Any) -> None:
    with L.no_grad():
        w -= 0.1 * w.grad


def replaced_data(L: Any, w: Any) -> None:
    w.data = L.zeros(3, dtype=L.float64)


UPDATES: dict[str, Callable[[Any, Any], Any]] = {
    "under no_grad": no_grad_update,
    "data.add_ with alpha": lambda L, w: w.data.add_(w.grad, alpha=-0.1),
    "data.sub_ of a product": lambda L, w: w.data.sub_(w.grad * 0.1),
    "data.mul_": lambda L, w: w.data.mul_(0.5),
    "data.copy_": lambda L, w: w.data.copy_(L.ones(3)),
    "data.zero_": lambda L, w: w.data.zero_(),
    "data.fill_": lambda L, w: w.data.fill_(2.5),
    "data.clamp_": lambda L, w: w.data.clamp_(-1, 1),
    "data.addcdiv_": lambda L, w: w.data.addcdiv_(w.grad, w.grad.abs() + 1, value=-0.3),
    "data.addcmul_": lambda L, w: w.data.addcmul_(w.grad, w.grad, value=-0.3),
    "data.lerp_": lambda L, w: w.data.lerp_(w.grad, 0.25),
    "data[0] =": lambda L, w: w.data.__setitem__(0, 9.0),
    "data -=": lambda L, w: w.data.__isub__(w.grad),
    "data =": replaced_data,
    "grad.zero_": lambda L, w: w.grad.zero_(),
    "grad = None": lambda L, w: setattr(w, "grad", None),
    "grad *=": lambda L, w: w.grad.mul_(0.5),
    "grad.data.clamp_": lambda L, w: w.grad.data.clamp_(-1, 1),
    "requires_grad_(False)": lambda L, w: w.requires_grad_(False),
}


@pytest.mark.parametrize("how", UPDATES)
def test_updates_of_a_leaf(how: str) -> None:
    agree(lambda L: updated(L, lambda w: UPDATES[how](L, w)))


FACTS: dict[str, Callable[[Any, Any], Any]] = {
    "size": lambda L, x: (tuple(x.size()), x.size(0), x.size(-1), x.shape[1], len(x.shape)),
    "counts": lambda L, x: (x.numel(), x.nelement(), x.dim(), x.ndim, x.ndimension(), len(x)),
    "bytes": lambda L, x: (x.element_size(), x.itemsize, x.nbytes),
    "stride": lambda L, x: (x.stride(), x.stride(0), x.t().stride(), x[:, ::2].stride()),
    "offset": lambda L, x: (x.storage_offset(), x[1].storage_offset(), x[1, 2:].storage_offset()),
    "contiguous": lambda L, x: (
        x.is_contiguous(), x.t().is_contiguous(), x.t().contiguous().is_contiguous(),
        x[1].is_contiguous(), x[:, 1].is_contiguous(),
    ),
    "same memory": lambda L, x: (
        x.data_ptr() == x.view(-1).data_ptr(), x.data_ptr() == x.clone().data_ptr(),
        x[1].data_ptr() - x.data_ptr(),
    ),
    "same size": lambda L, x: (x.is_same_size(x * 2), x.is_same_size(x[0])),
    "kinds": lambda L, x: (
        x.is_floating_point(), x.is_complex(), x.is_signed(), x.is_cuda, x.is_sparse,
        x.is_quantized, x.is_leaf, x.get_device(), name(x.layout), x.is_cpu,
    ),
    "functions": lambda L, x: (
        L.is_tensor(x), L.is_tensor(3), L.is_floating_point(x), L.is_complex(x), L.numel(x),
        L.is_nonzero(x[0, 0]), L.is_storage(x),
    ),
    "type": lambda L, x: (
        name(x.type()), name(L.typename(x)), name(x.long().type()), name(x.type(L.int8).dtype),
        name(x.type_as(L.zeros(1, dtype=L.int16)).dtype), name(x.long().type(L.Tensor).dtype),
        name(x.long().type(f"{L.__name__}.Tensor").dtype),
    ),
    "casts": lambda L, x: [
        name(getattr(x, c)().dtype)
        for c in ("float", "double", "half", "bfloat16", "int", "long", "short", "bool", "byte",
                  "char", "cfloat", "cdouble")
    ],
    "to": lambda L, x: (
        name(x.to(L.float16).dtype), name(x.to("cpu").device), name(x.to("cpu", L.int64).dtype),
        x.to(x.dtype) is x, x.to(x.dtype, copy=True) is x, name(x.to(L.ones(1)).dtype),
        name(x.to(dtype=L.float32, non_blocking=True).dtype),
    ),
    "new": lambda L, x: (
        x.new_zeros(2).dtype == x.dtype, x.new_ones((2, 1)), x.new_full((2,), 3), x.new_tensor([1]),
        tuple(x.new(2, 3).shape), x.new([1.0, 2.0]), tuple(x.new_empty(3).shape),
    ),
    "item": lambda L, x: (x[0, 0].item(), x.sum().item(), x.tolist(), x[0].tolist()),
    "numbers": lambda L, x: (
        float(x[0, 0]), int(x[0, 1]), bool(x[0, 0]), complex(x[0, 0]), round(float(x[1, 1]), 3),
    ),
    "format": lambda L, x: (
        f"{x[0, 0]:.3f}", f"{x[1, 1]}", f"{x[0, 0]:>10.2e}", format(x[0, 0], ".2f"),
        str(x[0, 1].item()),
    ),
    "in": lambda L, x: (x[0, 0] in x, 100.0 in x, x[0, 0].item() in x),
    "iteration": lambda L, x: [row * 2 for row in x],
    "unpacking": lambda L, x: (lambda a, b, c: (a, b, c))(*x),
    "index": lambda L, x: (
        [10, 20, 30][L.tensor(1)], list(range(L.tensor(3))), x[L.tensor(1)], x[L.tensor([1, 0])],
        x[range(2), [0, 1]], x[:L.tensor(2)],
    ),
    "reversed": lambda L, x: reversed(x),
    "numpy": lambda L, x: (
        x.numpy().shape, str(x.numpy().dtype), np.asarray(x).sum(),
        np.array(x, dtype="f4").dtype.name, x.numpy(force=True).mean(),
    ),
    "numpy functions": lambda L, x: (
        type(np.sqrt(x)) is L.Tensor, np.sqrt(x), float(np.mean(x.numpy())), np.exp(x[0]),
    ),
    "numpy beside": lambda L, x: (
        np.add(np.ones(4), x), np.float64(2.0) * x, x * np.float32(2.0), x + np.ones((3, 4)),
        L.tensor([1, 2]) * np.float64(1.5), np.float64(2.0) - x, L.ones(2) * np.int64(3),
    ),
    "hash": lambda L, x: (x in {x: 1}, len({x, x, x.clone()})),
    "result_type": lambda L, x: [
        name(L.result_type(a, b))
        for a, b in ((x, 1), (L.tensor([1]), 1.5), (L.tensor(1), x.float()), (True, L.tensor([1])))
    ],
    "can_cast": lambda L, x: (L.can_cast(L.float64, L.int32), L.can_cast(L.int64, L.float32)),
    "promote": lambda L, x: name(L.promote_types(L.uint8, L.int8)),
    "device": lambda L, x: (
        x.device.type, x.device.index, str(x.device), x.device == L.device("cpu"),
        str(L.device("cuda", 1)), repr(L.device("cuda:0")),
    ),
    "pinned": lambda L, x: (x.is_pinned(), x.is_shared() or True, x.requires_grad, x.grad is None),
}  # fmt: skip


@pytest.mark.parametrize("what", FACTS)
def test_facts(what: str) -> None:
    agree(lambda L, x: FACTS[what](L, x), numbers(3, 4, low=0.5), gradients=False)


def test_size_is_a_tuple() -> None:
    agree(
        lambda L: [
            (tuple(s), name(s), name(type(s).__name__))
            for s in (
                L.zeros(2, 3).shape, L.Size([2, 3]) + (4,), L.Size([2, 3])[:1], L.Size((5,)) * 2,
                L.zeros(2, 3).size(), L.Size(), L.zeros(()).shape,
            )
        ]
        + [L.Size([2, 3]).numel(), L.Size([2, 3]) == (2, 3), list(L.zeros(4, 5).shape),
           -1 in L.Size([1])]
    )  # fmt: skip


def test_legacy_constructors() -> None:
    agree(
        lambda L: [
            (tuple(t.shape), name(t.dtype))
            for t in (
                L.Tensor(2, 3), L.Tensor([1, 2]), L.Tensor(), L.FloatTensor(2),
                L.LongTensor([1, 2]),
                L.DoubleTensor([[1.0]]), L.BoolTensor([1, 0]), L.ByteTensor(3), L.IntTensor([3]),
                L.Tensor(np.ones(2)), L.Tensor(L.Size([2, 2])), L.HalfTensor([1.5]),
            )
        ]
        + [L.LongTensor([3, 4]), L.FloatTensor([[1, 2]]), L.Tensor([1.5])]
        + [isinstance(L.zeros(2), L.FloatTensor), isinstance(L.zeros(2), L.LongTensor),
           isinstance(L.tensor([1]), L.LongTensor), isinstance(L.zeros(2), L.Tensor)]
    )  # fmt: skip
    assert "float" in refuse(lambda L: L.Tensor(2.5))


def test_default_dtype() -> None:
    def call(L: Any) -> Any:
        L.set_default_dtype(L.float64)
        try:
            out = [name(L.tensor(1.5).dtype), name(L.ones(2).dtype), name(L.get_default_dtype()),
                   name(L.tensor(1j).dtype), name((L.tensor([1]) / 2).dtype)]  # fmt: skip
        finally:
            L.set_default_dtype(L.float32)
        L.set_default_tensor_type(L.DoubleTensor)
        out.append(name(L.rand(1).dtype))
        L.set_default_tensor_type("torch.FloatTensor")
        return [*out, name(L.rand(1).dtype)]

    agree(call)
    assert "floating-point" in refuse(lambda L: L.set_default_dtype(L.int64))


def test_limits() -> None:
    agree(
        lambda L: [
            [getattr(L.finfo(d), fact) for fact in ("eps", "max", "min", "tiny", "bits",
                                                    "smallest_normal", "resolution", "dtype")]
            for d in (L.float16, L.bfloat16, L.float32, L.float64, L.complex64)
        ]
        + [(L.iinfo(d).max, L.iinfo(d).min, L.iinfo(d).bits, repr(L.iinfo(d)))
           for d in (L.uint8, L.int8, L.int16, L.int32, L.int64)]
        + [repr(L.finfo(L.float32)), L.finfo(L.float32) == L.finfo()]
    )  # fmt: skip


def test_questions_about_devices() -> None:
    agree(
        lambda L: (
            L.cuda.is_available(), L.cuda.device_count(), L.accelerator.is_available(),
            L.accelerator.current_accelerator() is None or L.accelerator.is_available(),
            L.accelerator.device_count(), L.backends.mps.is_available(),
            L.device("cuda" if L.cuda.is_available() else "cpu").type, L.cuda.is_initialized(),
        )
    )  # fmt: skip


def test_switches_are_accepted() -> None:
    for L in (ad, torch):
        L.cuda.manual_seed(1)
        L.cuda.manual_seed_all(1)
        L.backends.cudnn.benchmark = True
        L.backends.cudnn.deterministic = True
        L.use_deterministic_algorithms(True, warn_only=True)
        assert L.are_deterministic_algorithms_enabled()
        L.use_deterministic_algorithms(False)
        L.set_float32_matmul_precision("high")
        assert L.get_float32_matmul_precision() == "high"
        L.set_float32_matmul_precision("highest")
        before = L.get_num_threads()
        L.set_num_threads(2)
        assert L.get_num_threads() == 2
        L.set_num_threads(before)
        L.set_default_device("cpu")
        assert L.get_default_device().type == "cpu"
        L.set_default_device(None)
        L.backends.cudnn.benchmark = False
        L.backends.cudnn.deterministic = False
    with pytest.raises(ValueError, match="medium"):
        ad.set_float32_matmul_precision("low")
    assert ad.version.torch.split(".")[:2] == torch.__version__.split(".")[:2]
    assert ad.version.anadrome == ad.__version__


def test_a_shallow_copy_shares_memory() -> None:
    def call(L: Any) -> Any:
        x = L.ones(2)
        copy.copy(x).add_(1)
        return x

    agree(call)


@pytest.mark.parametrize("way", ["deepcopy", "pickle"])
def test_copies(way: str) -> None:
    def call(L: Any) -> Any:
        x = L.tensor([1.0, 2.0], dtype=L.float64, requires_grad=True)
        (x * x).sum().backward()
        y = copy.deepcopy(x) if way == "deepcopy" else pickle.loads(pickle.dumps(x))
        with L.no_grad():
            x += 1
        return y.detach(), y.requires_grad, y.is_leaf, y.grad if way == "deepcopy" else None

    agree(call)


SHARED: dict[str, Callable[[Any, Any], list[Any]]] = {
    "a view and its base": lambda L, x: [x[1], x],
    "two views": lambda L, x: [x[0:2], x[1:3]],
    "views that do not meet": lambda L, x: [*x.split(1), x],
    "transposed": lambda L, x: [x.t(), x],
    "an alias": lambda L, x: [x, x.detach()],
    "data": lambda L, x: [x, x.data],
    "every other": lambda L, x: [x[:, ::2], x],
    "of another type": lambda L, x: [x.view(L.int32), x],
    "a part of complex numbers": lambda L, x: [L.view_as_complex(x.view(3, 2, 2)).imag, x],
    "expanded": lambda L, x: [x[:1], x[:1].expand(3, 4)],
    "windows": lambda L, x: [x, x.unfold(0, 2, 1)],
    "strided": lambda L, x: [x, L.as_strided(x, (2, 2), (1, 2), 1)],
    "of a leaf": lambda L, x: [x.requires_grad_(), x.detach()],
    "columns first": lambda L, x: [x.t().clone(), x.t()[1]],
    "columns of a copy": lambda L, x: (lambda y: [y[1], y])(L.empty_like(x.t()).copy_(x.t())),
    "three": lambda L, x: [x[0], x, x[:, 0]],
}


@pytest.mark.parametrize("case", SHARED)
def test_what_shares_memory_shares_it_in_deep_copies(case: str) -> None:
    def call(L: Any) -> Any:
        given = SHARED[case](L, L.arange(12.0).reshape(3, 4).clone())
        copied = copy.deepcopy(given)
        with L.no_grad():
            copied[0].fill_(7)
        return [t.detach().clone() for t in copied + given], [t.is_leaf for t in copied]

    agree(call)


def test_a_deep_copy_of_one_view_leaves_the_rest_of_the_memory() -> None:
    assert copy.deepcopy(ad.zeros(1000)[:2]).untyped_storage().nbytes() == 8


def test_a_write_through_one_deep_copy_is_seen_by_what_another_saved() -> None:
    first, second = copy.deepcopy((lambda x: [x, x[0]])(ad.ones(2, 2)))
    y = (first.requires_grad_() ** 2).sum()
    second.fill_(3)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


REFUSED: dict[str, Callable[[Any], Any]] = {
    "bool of several": lambda L: bool(L.zeros(2)),
    "float of several": lambda L: float(L.zeros(2)),
    "item of several": lambda L: L.zeros(2).item(),
    "len of none": lambda L: len(L.tensor(1.0)),
    "iteration over none": lambda L: list(L.tensor(1.0)),
    "index of float": lambda L: [1, 2][L.tensor(1.0)],
    "numpy of a leaf": lambda L: L.ones(2, requires_grad=True).numpy(),
    "array of a leaf": lambda L: np.array(L.ones(2, requires_grad=True)),
    "size out of range": lambda L: L.zeros(2).size(3),
    "stride out of range": lambda L: L.zeros(2).stride(3),
    "format of several": lambda L: f"{L.zeros(2):.2f}",
    "str in": lambda L: "a" in L.zeros(2),
    "integers with gradient": lambda L: L.tensor([1]).requires_grad_(),
    "leaf in place": lambda L: L.ones(2, requires_grad=True).add_(1),
    "grad of another shape": lambda L: setattr(L.ones(2, requires_grad=True), "grad", L.ones(3)),
    "deepcopy of a result": lambda L: copy.deepcopy(L.ones(2, requires_grad=True) * 2),
    "unknown device": lambda L: L.zeros(2, device="nowhere"),
    "type by a wrong name": lambda L: L.zeros(2).type("torch.NoTensor"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refusals(what: str) -> None:
    assert refuse(REFUSED[what])


def test_dlpack_both_ways_without_a_copy() -> None:
    theirs = torch.zeros(2, 3, dtype=torch.float64)
    ours = ad.from_dlpack(theirs)
    ours[0, 1] = 5.0
    assert theirs[0, 1].item() == 5.0
    back = torch.from_dlpack(ours)
    back[1, 2] = 7.0
    assert ours[1, 2].item() == 7.0 and theirs[1, 2].item() == 7.0
    array = np.from_dlpack(ours)
    assert np.shares_memory(array, ours.numpy())
    assert ad.utils.dlpack.from_dlpack(torch.utils.dlpack.to_dlpack(theirs))[1, 2].item() == 7.0
    assert torch.utils.dlpack.from_dlpack(ad.utils.dlpack.to_dlpack(ours))[1, 2].item() == 7.0
    assert ours.__dlpack_device__() == tuple(map(int, theirs.__dlpack_device__()))
    with pytest.raises(BufferError, match="require gradient"):
        torch.from_dlpack(ad.ones(2, requires_grad=True))
    with pytest.raises(TypeError, match="__dlpack__"):
        ad.from_dlpack([1, 2])


def test_asarray_shares_or_copies() -> None:
    source = np.zeros(3)
    ad.asarray(source)[0] = 1.0
    assert source[0] == 1.0
    ad.asarray(source, copy=True)[1] = 1.0
    assert source[1] == 0.0
    theirs = torch.zeros(2)
    ad.asarray(theirs)[0] = 3.0
    assert theirs[0].item() == 3.0
    assert ad.asarray([1.0, 2.0], dtype=ad.float64).dtype is ad.float64
    with pytest.raises(ValueError, match="alias"):
        ad.asarray([1.0], copy=False)
