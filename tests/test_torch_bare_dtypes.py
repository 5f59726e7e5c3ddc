"""Types that PyTorch keeps and casts and promotes to nothing: uint16 to uint64, 8-bit floats."""

from __future__ import annotations

import copy
from typing import Any

import pytest

import anadrome as ad

pytestmark = pytest.mark.torch

torch = pytest.importorskip("torch")

UNSIGNED = ("uint16", "uint32", "uint64")
FLOAT8 = ("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz")


@pytest.fixture(autouse=True)
def shown_as_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ad.dtypes, "shown_as", "torch")


def told(L: Any, call: Any, name: str) -> Any:
    """What a call gives, as text, or that it is refused."""
    dtype = getattr(L, name)
    try:
        out = call(L, L.tensor([1, 2.3, 200]).to(dtype))
    except (RuntimeError, TypeError, IndexError) as error:
        return type(error).__name__ if isinstance(error, IndexError) else "refused"
    out = getattr(out, "values", out) if isinstance(out, tuple) else out
    return repr(out)


#: What PyTorch gives of each of these types.
MOVES = {
    "printed": lambda L, x: x,
    "type": lambda L, x: x.type(),
    "element": lambda L, x: (x[0], x[0].item(), bool(x[0]), x.tolist()),
    "cast": lambda L, x: [x.float(), x.to(L.int64), x.half(), x.bool(), x.double()],
    "equal": lambda L, x: [x == x, x == 1, x != 1],
    "joined": lambda L, x: [L.cat([x, x]), L.stack([x, x]), x.repeat(2), x.expand(2, 3)],
    "chosen": lambda L, x: [x[1:], x[L.tensor([True, False, True])], x.index_select(
        0, L.tensor([0]))] if "float8" in str(x.dtype) else [x[1:], x[L.tensor([2, 0])]],
    "where": lambda L, x: L.where(L.tensor([True, False, True]), x, x),
    "made": lambda L, x: [L.zeros(2, dtype=x.dtype), L.ones_like(x), L.full((2,), 3, dtype=x.dtype),
                          x.new_zeros(2), L.tensor([1, 2], dtype=x.dtype), L.empty_like(x).shape],
    "written": lambda L, x: [x.clone().fill_(3), x.clone().zero_(), x.clone().copy_(L.ones(3))],
    "bits": lambda L, x: [x.view(L.uint8), x.element_size(), x.nbytes],
    "copied": lambda L, x: [x.clone(), copy.deepcopy(x), x.contiguous()],
    "truth": lambda L, x: [x.all(), x.any(), x.isnan()],
    "meta": lambda L, x: x.to("meta"),
    "padded": lambda L, x: [x.view(1, 3).T, x.unbind(), x.split(2), x.roll(1)],
    "as an index": lambda L, x: L.zeros(300)[x],
    "beside int64": lambda L, x: x == L.tensor([1, 2, 3]),
    "number": lambda L, x: L.result_type(x, 1),
}  # fmt: skip


@pytest.mark.parametrize("name", UNSIGNED + FLOAT8)
@pytest.mark.parametrize("move", MOVES)
def test_what_is_kept_and_cast(name: str, move: str) -> None:
    assert told(ad, MOVES[move], name) == told(torch, MOVES[move], name)


#: What PyTorch computes of unsigned integers; a result in floats where it makes one.
COMPUTED = {
    "mul": lambda L, x: [x * x, x * 2, x * 1.5, x * L.ones(3)],
    "div": lambda L, x: [x / 2, x / x],
    "bits": lambda L, x: [x & x, x | 1, x ^ x],
    "sums": lambda L, x: [x.sum(), x.prod(), x.cumsum(0)],
    "sorted": lambda L, x: [x.sort()[0], x.argsort(), x.unique()],
    "functions": lambda L, x: [x.sqrt(), x.exp(), x.round(), x.isfinite()],
    "limits": lambda L, x: [L.tensor([2**16 - 1], dtype=x.dtype), L.tensor([-1]).to(x.dtype)],
    "tested": lambda L, x: [L.equal(x, x), L.testing.assert_close(x, x)],
    "mean": lambda L, x: x.mean(),
    "beside uint8": lambda L, x: x * L.ones(3, dtype=L.uint8),
}


@pytest.mark.parametrize("name", UNSIGNED)
@pytest.mark.parametrize("call", COMPUTED)
def test_unsigned_integers_compute_what_pytorch_computes(name: str, call: str) -> None:
    assert told(ad, COMPUTED[call], name) == told(torch, COMPUTED[call], name)


@pytest.mark.parametrize("name", FLOAT8)
@pytest.mark.parametrize("call", ["sum", "exp", "relu", "sort", "max", "mean", "sqrt", "cumsum"])
def test_floats_of_8_bits_are_not_computed_with(name: str, call: str) -> None:
    def tried(L: Any) -> str:
        x = L.ones(3).to(getattr(L, name))
        with pytest.raises(RuntimeError) as raised:
            getattr(x, call)(*[0] * (call == "cumsum"))
        return str(raised.value)

    tried(torch)
    assert "write e.g. `x.float()`" in tried(ad)
    with pytest.raises(RuntimeError, match="not implemented for 'Float8_"):
        ad.ones(3).to(getattr(ad, name)) + 1


@pytest.mark.parametrize("name", FLOAT8)
def test_floats_of_8_bits_are_rounded_and_cut_off_alike(name: str) -> None:
    values = [0.0, -0.0, 0.1, 0.3, 3.3, 17.0, 447.0, 449.0, 465.0, 1000.0, -1e9, 1e-3, 1e-9,
              float("inf"), -float("inf"), float("nan"), 61439.0, 61441.0]  # fmt: skip
    for kind in ("float32", "float16", "bfloat16"):
        found, wanted = (
            L.tensor(values, dtype=getattr(L, kind)).to(getattr(L, name)).float().tolist()
            for L in (ad, torch)
        )
        assert str(found) == str(wanted), kind
    found, wanted = (str(L.tensor(values, dtype=getattr(L, name)).tolist()) for L in (ad, torch))
    assert found == wanted


@pytest.mark.parametrize("name", FLOAT8)
def test_gradients_flow_through_a_cast(name: str) -> None:
    def run(L: Any) -> Any:
        x = L.tensor([1.0, 2.3], requires_grad=True)
        (x.to(getattr(L, name)).float() * L.tensor([2.0, 3.0])).sum().backward()
        return x.grad.tolist()

    assert run(ad) == run(torch)


@pytest.mark.parametrize("name", ["uint8", "uint16", "uint32", "uint64"])
def test_negative_numbers_wrap_round_as_far_as_in_pytorch(name: str) -> None:
    for value in (-1, -255, -256, -65535, -65536, 2**16 - 1, 2**64 - 1, 2**64):

        def made(L: Any, value: int = value) -> Any:
            try:
                return L.tensor([value], dtype=getattr(L, name)).tolist()
            except (RuntimeError, OverflowError, ValueError):
                return "refused"

        assert made(ad) == made(torch), value


def test_numbers_beyond_a_type_are_refused_and_infinity_is_not() -> None:
    for name, value in (("float16", 7e4), ("bfloat16", 1e39), ("float32", 1e39),
                        ("float8_e5m2", 1e9), ("float8_e4m3fn", 449.0)):  # fmt: skip
        for L in (ad, torch):
            kind = getattr(L, name)
            with pytest.raises(RuntimeError, match="without overflow"):
                L.full((2,), value, dtype=kind)
            with pytest.raises(RuntimeError, match="without overflow"):
                L.zeros(2, dtype=kind).fill_(-value)
    assert ad.full((1,), float("inf"), dtype=ad.float16).tolist() == [float("inf")]


def test_a_tensor_of_a_float_in_a_list_is_no_integer() -> None:
    for L in (ad, torch):
        for kind in (L.int64, L.bool):
            with pytest.raises(TypeError, match="only integer tensors of a single element"):
                L.tensor([[L.tensor(1.7)], [2]], dtype=kind)
    assert ad.tensor([ad.tensor(3)], dtype=ad.float32).tolist() == [3.0]


def test_safetensors_files_go_there_and_back(tmp_path: Any) -> None:
    theirs = pytest.importorskip("safetensors.torch")
    for name in UNSIGNED + FLOAT8:
        wanted = torch.arange(6).to(getattr(torch, name))
        path = tmp_path / f"{name}.safetensors"
        theirs.save_file({"w": wanted}, path)
        found = ad.load(path)
        assert found["w"].dtype is getattr(ad, name)
        assert found["w"].tolist() == wanted.tolist()
        ad.save(found, path)
        assert torch.equal(theirs.load_file(path)["w"].view(torch.uint8), wanted.view(torch.uint8))


def test_numpy_shares_the_memory() -> None:
    import numpy as np

    for name in UNSIGNED:
        host = np.array([1, 2, 3], dtype=name)
        x = ad.from_numpy(host)
        host[0] = 7
        assert x.tolist() == [7, 2, 3]
        assert x.numpy().dtype == host.dtype
        assert x.dtype is getattr(ad, name)
