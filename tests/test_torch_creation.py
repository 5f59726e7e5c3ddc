"""Tensors made of numbers, lists, arrays and chance: shapes, dtypes, values and errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from oracle import agree, refuse

import anadrome as ad

pytestmark = pytest.mark.torch

torch = pytest.importorskip("torch")

MADE: dict[str, Callable[[Any], Any]] = {
    "numbers": lambda L: [L.tensor(v) for v in (1, 1.5, True, 2j)],
    "lists": lambda L: [L.tensor([[1, 2], [3, 4]]), L.tensor([1, 2.5]), L.tensor([True, 2]),
                        L.tensor([]), L.tensor([[], []]), L.tensor((1, 2)), L.tensor([1, 2j])],
    "ranges": lambda L: L.tensor(range(4)),
    "lists of tensors": lambda L: [
        L.tensor([L.tensor(1.0), L.tensor(2.0)]), L.tensor([L.tensor(1), 2.5]),
        L.tensor([L.tensor(1.0, dtype=L.float64), 2]), L.tensor([[L.tensor(1), L.tensor(2)]]),
    ],
    "lists of arrays": lambda L: [
        L.tensor(np.array([[1, 2], [3, 4]], "f4")), L.tensor([np.float64(1.5), np.float64(2)]),
        L.tensor([np.float32(1.5)]), L.tensor([np.int32(1), 2]), L.tensor(np.float64(2.0)),
        L.tensor(np.array([True])), L.tensor(np.arange(3, dtype=np.int16)),
        L.tensor([np.array([1.0, 2.0]), np.array([3.0, 4.0])]),
    ],
    "with a dtype": lambda L: [L.tensor([1.7, -2.3], dtype=L.int64), L.tensor([0, 3], dtype=L.bool),
                               L.tensor([1, 2], dtype=L.float16), L.tensor(1, dtype=L.complex64)],
    "as_tensor": lambda L: [L.as_tensor([1, 2]), L.as_tensor(np.ones(2)), L.as_tensor(3.5),
                            L.as_tensor(np.ones(2), dtype=L.float32), L.as_tensor(np.float64(2)),
                            L.as_tensor([1, 2], dtype=L.float32)],
    "from_numpy": lambda L: [L.from_numpy(np.arange(6).reshape(2, 3)), L.from_numpy(np.ones(2))],
    "zeros and ones": lambda L: [
        L.zeros(2, 3), L.zeros((2, 3)), L.zeros([2]), L.zeros(size=(2,)), L.zeros(()),
        L.ones(2, dtype=L.int32), L.zeros(0, 3), L.ones(L.Size([2])), L.zeros(2, dtype=L.bool),
        L.zeros(L.tensor(2), 3), L.zeros(L.tensor(2)), L.zeros(np.int64(2)),
        L.ones(2, 2, dtype=L.complex64), L.zeros(2, device="cpu"),
    ],
    "full": lambda L: [L.full((2,), 3), L.full((2,), 3.5), L.full([1], True), L.full((), 2j),
                       L.full((2,), 1.5, dtype=L.int64), L.full(size=(2,), fill_value=7),
                       L.full((2,), L.tensor(3.0)), L.full((2,), -3, dtype=L.uint8)],
    "like": lambda L: [
        f(L.tensor([[1, 2]]), **kw) for f in (L.zeros_like, L.ones_like)
        for kw in ({}, {"dtype": L.float32}, {"dtype": L.bool})
    ] + [L.full_like(L.ones(2), 3), L.full_like(L.tensor([1]), 2.7), L.zeros_like(input=L.ones(2)),
         L.full_like(L.tensor([1]), 2.5, dtype=L.float64),
         L.empty_like(L.ones(2, 3)).shape == (2, 3)],
    "out": lambda L: [L.zeros(2, out=L.ones(2)), L.ones(2, 2, out=L.empty(0)),
                      L.arange(3, out=L.empty(0, dtype=L.int64)), L.eye(2, out=L.empty(2, 2)),
                      L.zeros(2, out=L.ones(2, dtype=L.int32)),
                      L.full((2,), 2.0, out=L.empty(2)), L.linspace(0, 1, 3, out=L.empty(3))],
    "requires_grad": lambda L: [L.zeros(1, requires_grad=True).requires_grad,
                                L.tensor(1.0, requires_grad=True).is_leaf,
                                L.arange(2.0, requires_grad=True).requires_grad,
                                L.ones_like(L.ones(1), requires_grad=True).requires_grad],
    "arange": lambda L: [
        L.arange(5), L.arange(5.0), L.arange(1, 4), L.arange(1, 2.5, 0.5), L.arange(5, 0, -2),
        L.arange(0), L.arange(start=1, end=7, step=2), L.arange(3, dtype=L.float64),
        L.arange(0, 1, 0.1), L.arange(-1, 2, dtype=L.int16), L.arange(0.5, 5, dtype=L.int64),
        L.arange(1, 10, 3.0), L.arange(L.tensor(3)), L.arange(2.5), L.arange(3, 3),
    ],
    "range": lambda L: [L.arange(4), L.arange(0, 0.35, 0.1, dtype=L.float64)],
    "linspace": lambda L: [
        L.linspace(0, 1, 5), L.linspace(1, -1, 4), L.linspace(0, 10, 1), L.linspace(0, 1, 0),
        L.linspace(start=0, end=1, steps=3), L.linspace(0, 10, 4, dtype=L.int64),
        L.linspace(0, 1, 101, dtype=L.float64), L.linspace(L.tensor(0.0), L.tensor(2.0), 3),
    ],
    "logspace": lambda L: [L.logspace(0, 2, 3), L.logspace(0, 3, 4, base=2.0),
                           L.logspace(-1, 1, 5, dtype=L.float64), L.logspace(1, 1, 1)],
    "eye": lambda L: [L.eye(3), L.eye(2, 3), L.eye(2, m=1), L.eye(2, dtype=L.int64), L.eye(0)],
    "scalar_tensor": lambda L: [L.scalar_tensor(2), L.scalar_tensor(2, dtype=L.int64)],
    "frombuffer": lambda L: [L.frombuffer(bytearray(b"abcd"), dtype=L.uint8),
                             L.frombuffer(bytearray(8), dtype=L.int16, count=2, offset=2)],
    "asarray": lambda L: [L.asarray([1, 2]), L.asarray(np.ones(2)), L.asarray(3.0)],
    "accepted": lambda L: [
        L.zeros(1, layout=L.strided), L.ones(1, pin_memory=False), L.tensor([1], pin_memory=False),
        L.zeros_like(L.ones(1), memory_format=L.preserve_format), L.eye(1, layout=L.strided),
    ],
}  # fmt: skip


@pytest.mark.parametrize("what", MADE)
def test_same_as_torch(what: str) -> None:
    agree(MADE[what])


def test_half_precision_from_lists() -> None:
    agree(
        lambda L: [
            L.tensor([1.0, 2.5], dtype=d).float() for d in (L.bfloat16, L.float16)
        ] + [L.linspace(0, 1, 3, dtype=L.bfloat16).float()]
    )  # fmt: skip


LISTED: dict[str, Callable[[Any], Any]] = {
    "one element each": lambda L: L.tensor([L.ones(1), L.ones(1)]),
    "of other dimensions": lambda L: L.tensor([[L.ones(1)], [L.ones(1, 1, 1)]]),
    "beside scalars": lambda L: L.tensor((L.ones(()), L.ones(1, dtype=L.float64))),
    "beside numbers": lambda L: [L.tensor([2, L.ones(1)]), L.Tensor([L.ones(1), 2])],
    "integers": lambda L: L.LongTensor([L.ones(1, dtype=L.int64), L.tensor(3)]),
    "as_tensor": lambda L: [L.as_tensor([L.ones(1)]), L.asarray([L.ones(1), 3.0])],
    "new_tensor": lambda L: L.ones(2).new_tensor([L.ones(1), L.ones(1)]),
    "arrays": lambda L: L.tensor([np.ones(1), np.ones(1)]),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Creating a tensor from a list")
@pytest.mark.parametrize("what", LISTED)
def test_a_tensor_in_a_list_is_one_number(what: str) -> None:
    agree(LISTED[what])


REFUSED: dict[str, Callable[[Any], Any]] = {
    "a list of Tensors of more elements": lambda L: L.tensor([L.ones(2), L.ones(2)]),
    "a list with a Tensor of none": lambda L: L.tensor([L.ones(0)]),
    "ragged": lambda L: L.tensor([[1, 2], [3]]),
    "string": lambda L: L.tensor("a"),
    "strings": lambda L: L.tensor(["a", "b"]),
    "none": lambda L: L.tensor(None),
    "none in a list": lambda L: L.tensor([1, None]),
    "set": lambda L: L.tensor({1, 2}),
    "too large": lambda L: L.tensor(2**70),
    "too large for the dtype": lambda L: L.tensor(300, dtype=L.uint8),
    "negative size": lambda L: L.zeros(-1),
    "float size": lambda L: L.zeros(2.5),
    "integers with gradient": lambda L: L.zeros(2, dtype=L.int64, requires_grad=True),
    "full too large": lambda L: L.full((2,), 300, dtype=L.int8),
    "full of complex": lambda L: L.full((2,), 2j, dtype=L.float32),
    "arange of step zero": lambda L: L.arange(0, 3, 0),
    "arange the wrong way": lambda L: L.arange(3, 0),
    "arange to infinity": lambda L: L.arange(float("inf")),
    "linspace of -1 steps": lambda L: L.linspace(0, 1, -1),
    "linspace of 2.5 steps": lambda L: L.linspace(0, 1, 2.5),
    "linspace without steps": lambda L: L.linspace(0, 1),
    "eye of -1": lambda L: L.eye(-1),
    "zeros_like a list": lambda L: L.zeros_like([1, 2]),
    "from_numpy of a list": lambda L: L.from_numpy([1, 2]),
    "from_numpy of strings": lambda L: L.from_numpy(np.array(["a"])),
    "unknown keyword": lambda L: L.zeros(2, kind="x"),
    "unknown dtype": lambda L: L.zeros(2, dtype="floaty"),
    "randint of an empty range": lambda L: L.randint(3, 3, (2,)),
    "randint without size": lambda L: L.randint(3),
    "randn of integers": lambda L: L.randn(2, dtype=L.int64),
    "normal of a negative std": lambda L: L.normal(0.0, -1.0, (2,)),
    "normal_ of a negative std": lambda L: L.zeros(2).normal_(0, -1),
    "uniform_ the wrong way": lambda L: L.zeros(2).uniform_(1, 0),
    "bernoulli of 2": lambda L: L.bernoulli(L.full((2,), 2.0)),
    "bernoulli_ of 2": lambda L: L.zeros(2).bernoulli_(2.0),
    "exponential_ of -1": lambda L: L.zeros(2).exponential_(-1.0),
    "geometric_ of 2": lambda L: L.zeros(2).geometric_(2.0),
    "normal_ of integers": lambda L: L.zeros(2, dtype=L.int64).normal_(),
    "multinomial of too many": lambda L: L.multinomial(L.ones(2), 3),
    "multinomial of none": lambda L: L.multinomial(L.ones(2), 0),
    "multinomial of negatives": lambda L: L.multinomial(L.tensor([-1.0, 2.0]), 1),
    "multinomial of nothing": lambda L: L.multinomial(L.zeros(2), 1),
    "multinomial of three dimensions": lambda L: L.multinomial(L.ones(2, 2, 2), 1),
    "multinomial of integers": lambda L: L.multinomial(L.tensor([1, 2]), 1),
    "randperm of -1": lambda L: L.randperm(-1),
    "randperm of bytes": lambda L: L.randperm(257, dtype=L.uint8),
    "randperm of halves": lambda L: L.randperm(2050, dtype=L.float16),
    "randperm of booleans": lambda L: L.randperm(2, dtype=L.bool),
    "a seed of 65 bits": lambda L: L.manual_seed(2**64),
    "a seed below 64 bits": lambda L: L.manual_seed(-(2**63) - 1),
    "a fraction as seed": lambda L: L.Generator().manual_seed(1.5),
    "a word as seed": lambda L: L.Generator().manual_seed("1"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refusals(what: str) -> None:
    assert refuse(REFUSED[what])


DRAWN: dict[str, Callable[[Any], Any]] = {
    "rand": lambda L: [L.rand(2, 3), L.rand((2,)), L.rand(size=(2,)), L.rand(2, dtype=L.float64),
                       L.rand(()), L.rand(0), L.rand(2, dtype=L.float16)],
    "randn": lambda L: [L.randn(2, 3), L.randn([2], dtype=L.float64), L.randn(2, dtype=L.complex64),
                        L.randn(2, generator=L.Generator())],
    "like": lambda L: [L.rand_like(L.zeros(2, 3)), L.randn_like(L.zeros(2, dtype=L.float64)),
                       L.randint_like(L.zeros(2), 5), L.randint_like(L.tensor([1, 2]), 2, 5),
                       L.rand_like(L.tensor([1]), dtype=L.float32)],
    "randint": lambda L: [L.randint(5, (2, 3)), L.randint(2, 5, (4,)), L.randint(high=5, size=(2,)),
                          L.randint(0, 5, size=(2,), dtype=L.int32),
                          L.randint(5, (2,), dtype=L.float32),
                          L.randint(low=1, high=2, size=())],
    "randperm": lambda L: [L.randperm(5).sort()[0], L.randperm(0),
                           L.randperm(3, dtype=L.int32).sort()[0],
                           L.randperm(256, dtype=L.uint8).sort()[0],
                           L.randperm(2049, dtype=L.float16).sort()[0]],
    "normal": lambda L: [L.normal(0.0, 1.0, (2, 3)), L.normal(L.zeros(2), 1.0),
                         L.normal(0.0, L.ones(3)),
                         L.normal(L.zeros(2), L.ones(2)), L.normal(mean=1.0, std=2.0, size=(2,)),
                         L.normal(L.zeros(2, dtype=L.float64), 1.0)],
    "bernoulli": lambda L: [L.bernoulli(L.tensor([0.0, 1.0])), L.tensor([0.0, 1.0]).bernoulli(),
                            L.bernoulli(L.zeros(3), 1.0), L.zeros(3).bernoulli_(1),
                            L.zeros(2).bernoulli_(L.tensor([1.0, 0.0]))],
    "multinomial": lambda L: [
        L.multinomial(L.tensor([0.0, 2.0, 0.0]), 3, replacement=True),
        L.multinomial(L.tensor([[0.0, 1.0], [1.0, 0.0]]), 1),
        L.multinomial(L.ones(2, 4), 4).sort(-1)[0], L.multinomial(L.ones(4), 2).shape,
        L.multinomial(L.tensor([[0.0, 0.0, 5.0]]), 2, True), L.tensor([0.0, 1.0]).multinomial(1),
    ],
    "filled": lambda L: [
        tuple(f(L.zeros(2, 3)).shape)
        for f in (lambda t: t.uniform_(), lambda t: t.normal_(), lambda t: t.random_(),
                  lambda t: t.exponential_(), lambda t: t.cauchy_(), lambda t: t.log_normal_(),
                  lambda t: t.geometric_(0.5), lambda t: t.uniform_(-1, 1), lambda t: t.random_(5),
                  lambda t: t.random_(2, 5), lambda t: t.normal_(mean=1, std=2),
                  lambda t: t.exponential_(lambd=2.0), lambda t: t.uniform_(to=0.5))
    ],
}  # fmt: skip


@pytest.mark.parametrize("what", DRAWN)
def test_random_forms(what: str) -> None:
    """The values are each library's own; shapes, dtypes and what is certain are the same."""

    def call(L: Any) -> Any:
        L.manual_seed(0)
        out = []
        for t in DRAWN[what](L):
            certain = what in ("bernoulli", "multinomial", "randperm")
            known = t if certain or isinstance(t, tuple) else None
            out.append((tuple(getattr(t, "shape", ())), str(getattr(t, "dtype", "")), known))
        return [(s, d.rpartition(".")[2], k) for s, d, k in out]

    agree(call)


def test_moments() -> None:
    ad.manual_seed(0)
    n = 200_000
    t = ad.empty(n, dtype=ad.float64)

    def close(x: Any, mean: float, std: float) -> None:
        assert abs(x.mean().item() - mean) < 6 * std / n**0.5
        assert abs(x.std().item() - std) < 0.02 * std

    close(t.uniform_(-1, 3), 1.0, 4 / 12**0.5)
    close(t.normal_(2.0, 3.0), 2.0, 3.0)
    close(t.exponential_(2.0), 0.5, 0.5)
    close(t.log_normal_(0.0, 0.25).log(), 0.0, 0.25)
    close(t.geometric_(0.25), 4.0, 12**0.5)
    close(t.bernoulli_(0.3), 0.3, 0.21**0.5)
    close(t.random_(0, 10), 4.5, (99 / 12) ** 0.5)
    assert abs(t.cauchy_(1.0, 2.0).median().item() - 1.0) < 0.05
    close(ad.normal(ad.full((n,), 2.0), 0.5), 2.0, 0.5)
    close(ad.randn(n, dtype=ad.complex64).real, 0.0, 0.5**0.5)


def test_multinomial_follows_the_weights() -> None:
    ad.manual_seed(0)
    weights = ad.tensor([[1.0, 2.0, 0.0, 5.0], [4.0, 0.0, 0.0, 4.0]])
    drawn = ad.multinomial(weights, 40_000, replacement=True).numpy()
    for row, w in zip(drawn, weights.numpy()):
        assert np.allclose(np.bincount(row, minlength=4) / row.size, w / w.sum(), atol=0.01)
    first = ad.multinomial(ad.tensor([1.0, 2.0, 0.0, 5.0]).expand(20_000, 4), 3).numpy()
    assert np.allclose(
        np.bincount(first[:, 0], minlength=4) / 20_000, [1 / 8, 2 / 8, 0, 5 / 8], atol=0.02
    )
    assert all(sorted(row) == [0, 1, 3] for row in first[:100].tolist())


@pytest.mark.parametrize("L", [ad, torch], ids=["anadrome", "torch"])
def test_states_are_bytes(L: Any) -> None:
    """Programs that resume make bytes of them, wherever the file put them."""
    L.manual_seed(2**63 + 5)
    L.rand(3)
    state = L.get_rng_state()
    assert state.dtype is L.uint8 and state.ndim == 1 and str(state.device) == "cpu"
    wanted = L.rand(3)
    for kept in (state, state.byte(), state.type(L.ByteTensor), L.ByteTensor(state.tolist())):
        L.set_rng_state(kept)
        assert L.equal(L.rand(3), wanted)
    with pytest.raises((TypeError, RuntimeError)):
        L.set_rng_state(L.zeros(2))


def test_states_of_older_files() -> None:
    ad.manual_seed(11)
    ad.rand(1)
    wanted = ad.rand(2)
    ad.set_rng_state(ad.tensor([11, 1]))
    assert ad.equal(ad.rand(2), wanted)
    for wrong in ([11, -1], [11, 1, 0]):
        with pytest.raises((TypeError, RuntimeError)):
            ad.set_rng_state(ad.tensor(wrong))


def test_generators_and_states() -> None:
    def call(L: Any) -> Any:
        L.manual_seed(7)
        a = L.rand(3)
        L.manual_seed(7)
        b = L.rand(3)
        state = L.get_rng_state()
        c = L.rand(3)
        L.set_rng_state(state)
        d = L.rand(3)
        with L.random.fork_rng():
            L.manual_seed(0)
            L.rand(5)
        e = L.rand(3)
        L.set_rng_state(state)
        L.rand(3)
        f = L.rand(3)
        g = L.Generator().manual_seed(3)
        x = L.randn(2, generator=g)
        kept = g.get_state()
        y = L.randn(2, generator=g)
        g.set_state(kept)
        z = L.randn(2, generator=g)
        return [
            bool((a == b).all()), bool((c == d).all()), bool((e == f).all()), bool((y == z).all()),
            bool((x == y).all()), L.initial_seed(), g.initial_seed(), str(g.device),
            isinstance(L.default_generator, L.Generator),
        ]  # fmt: skip

    agree(call)


def test_filling_a_leaf_needs_no_grad() -> None:
    for L in (ad, torch):
        w = L.zeros(3, requires_grad=True)
        with pytest.raises(RuntimeError):
            w.uniform_()
        with L.no_grad():
            w.uniform_(1, 2)
        w.data.normal_()
        L.nn.init.uniform_(w)
        assert w.is_leaf and w.requires_grad


def test_filling_cuts_the_history() -> None:
    def call(L: Any) -> Any:
        x = L.ones(3, dtype=L.float64, requires_grad=True)
        y = x * 2
        y.uniform_()
        (y.sum() + x.sum()).backward()
        return x.grad

    agree(call)


def test_arrays_mapped_from_a_file(tmp_path):
    """Of a class derived from NumPy's array: what nanoGPT reads its tokens from."""
    np.arange(6, dtype=np.int64).tofile(tmp_path / "tokens.bin")
    tokens = np.memmap(tmp_path / "tokens.bin", dtype=np.int64, mode="r+")
    for L in (ad, torch):
        tokens[:] = np.arange(6)
        parts = [L.from_numpy(tokens[i : i + 2].astype(np.int64)) for i in L.tensor([0, 3])]
        assert L.stack(parts).tolist() == [[0, 1], [3, 4]]
        assert (L.ones(6) * tokens).tolist() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
        assert (L.from_numpy(tokens) + L.as_tensor(tokens) + L.tensor(tokens)).sum().item() == 45
        L.from_numpy(tokens)[0] = 7
        assert tokens[0] == 7
        L.as_tensor(tokens)[0] = 8
        assert tokens[0] == 8
        assert L.arange(6)[tokens[1:3]].tolist() == [1, 2]


def test_a_tensor_of_a_tensor_keeps_its_graph() -> None:
    for L in (ad, torch):
        x = L.ones(2, requires_grad=True)
        (L.Tensor(x) * 3).sum().backward()
        assert x.grad.tolist() == [3.0, 3.0]
        assert not L.Tensor(L.ones(2)).requires_grad
