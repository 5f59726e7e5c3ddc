"""Recurrent layers, cells and packed sequences, with PyTorch as oracle."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from oracle import agree, numbers, refuse

import anadrome as ad

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

LAYERS = ("RNN", "LSTM", "GRU")


def filled(library: Any, module: Any, seed: int = 0) -> Any:
    """The module in float64, every parameter with numbers that depend on its name's place only."""
    module = module.double()
    with library.no_grad():
        for i, p in enumerate(module.parameters()):
            values = numbers(*p.shape, seed=seed + i, low=-0.6, high=0.6)
            p.copy_(library.tensor(values.tolist(), dtype=library.float64).reshape(p.shape))
    return module


def with_parameters(library: Any, name: str, *args: Any, **kwargs: Any) -> Any:
    return filled(library, getattr(library.nn, name)(*args, **kwargs))


def everything(library: Any, module: Any, result: Any) -> Any:
    """The result, and what a backward through all of it leaves in the parameters."""
    flat = [result] if not isinstance(result, tuple) else [*_flat(result)]
    sum((t * t).sum() for t in flat if t is not None and t.requires_grad).backward(
        retain_graph=True
    )
    return result, {n: p.grad for n, p in module.named_parameters()}


def _flat(value: Any) -> Any:
    for v in value:
        if isinstance(v, tuple):
            yield from _flat(v)
        else:
            yield v


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize(
    "kwargs",
    [
        {},
        {"bias": False},
        {"batch_first": True},
        {"bidirectional": True},
        {"num_layers": 2},
        {"num_layers": 3, "bidirectional": True, "batch_first": True, "bias": False},
    ],
    ids=str,
)
def test_layers(name: str, kwargs: dict[str, Any]) -> None:
    def call(L: Any, x: Any) -> Any:
        module = with_parameters(L, name, 3, 4, **kwargs)
        return everything(L, module, module(x))

    agree(call, numbers(2, 5, 3))


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("directions", [1, 2])
def test_first_states(name: str, directions: int) -> None:
    def call(L: Any, x: Any, h: Any, c: Any) -> Any:
        module = with_parameters(L, name, 3, 4, num_layers=2, bidirectional=directions == 2)
        return everything(L, module, module(x, (h, c) if name == "LSTM" else h))

    states = (numbers(2 * directions, 2, 4, seed=s) for s in (1, 2))
    agree(call, numbers(5, 2, 3), *states)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("with_states", [False, True])
@pytest.mark.parametrize("batch_first", [False, True])
def test_unbatched(name: str, with_states: bool, batch_first: bool) -> None:
    def call(L: Any, x: Any, h: Any) -> Any:
        module = with_parameters(L, name, 3, 4, batch_first=batch_first, bidirectional=True)
        hx = (h, h * 2) if name == "LSTM" else h
        return module(x, hx) if with_states else module(x)

    agree(call, numbers(5, 3), numbers(2, 4, seed=3))


def test_relu() -> None:
    agree(lambda L, x: with_parameters(L, "RNN", 3, 4, 2, nonlinearity="relu")(x), numbers(4, 2, 3))
    agree(lambda L, x: with_parameters(L, "RNN", 3, 4, 2, "relu", False)(x), numbers(4, 2, 3))


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("packed", [False, True])
def test_projections(bidirectional: bool, packed: bool) -> None:
    def call(L: Any, x: Any) -> Any:
        module = with_parameters(
            L, "LSTM", 3, 4, num_layers=2, proj_size=2, bidirectional=bidirectional
        )
        if packed:
            x = L.nn.utils.rnn.pack_padded_sequence(x, [5, 3, 1])
        out, states = module(x)
        return (out.data if packed else out), states

    agree(call, numbers(5, 3, 3))


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("lengths", [[5, 5, 5], [5, 3, 1], [2, 5, 3]])
@pytest.mark.parametrize("with_states", [False, True])
def test_packed(name: str, lengths: list[int], with_states: bool) -> None:
    def call(L: Any, x: Any, h: Any) -> Any:
        module = with_parameters(L, name, 3, 4, num_layers=2, bidirectional=True)
        rnn = L.nn.utils.rnn
        x = rnn.pack_padded_sequence(x, lengths, enforce_sorted=lengths == sorted(lengths)[::-1])
        hx = (h, h * 2) if name == "LSTM" else h
        out, states = module(x, hx) if with_states else module(x)
        padded, sizes = rnn.pad_packed_sequence(out, batch_first=True, padding_value=-1.0)
        return everything(L, module, (out.data, out.batch_sizes, padded, sizes, states))

    agree(call, numbers(5, 3, 3), numbers(4, 3, 4, seed=4))


@pytest.mark.parametrize("name", LAYERS)
def test_only_some_results_are_used(name: str) -> None:
    def last(L: Any, x: Any) -> Any:
        return with_parameters(L, name, 3, 4, bidirectional=True)(x)[0][-1]

    def state(L: Any, x: Any) -> Any:
        states = with_parameters(L, name, 3, 4, bidirectional=True)(x)[1]
        return states[1] if name == "LSTM" else states

    agree(last, numbers(4, 2, 3))
    agree(state, numbers(4, 2, 3))


def test_a_batch_of_nothing() -> None:
    for name in LAYERS:
        agree(lambda L, x, name=name: with_parameters(L, name, 3, 4, 2)(x), numbers(4, 0, 3))


def test_one_step() -> None:
    for name in LAYERS:
        agree(lambda L, x, name=name: with_parameters(L, name, 3, 4)(x), numbers(1, 2, 3))


@pytest.mark.parametrize("name", ["RNNCell", "LSTMCell", "GRUCell"])
@pytest.mark.parametrize("shape", [(2, 3), (3,)])
@pytest.mark.parametrize("bias", [True, False])
def test_cells(name: str, shape: tuple[int, ...], bias: bool) -> None:
    def call(L: Any, x: Any, h: Any, c: Any) -> Any:
        cell = with_parameters(L, name, 3, 4, bias=bias)
        hx = (h, c) if name == "LSTMCell" else h
        first = cell(x)
        again = cell(x, hx)
        return everything(L, cell, (first, again, cell(x * 2, again)))

    states = (numbers(*shape[:-1], 4, seed=s) for s in (1, 2))
    agree(call, numbers(*shape), *states)


def test_relu_cell() -> None:
    def call(L: Any, x: Any) -> Any:
        return with_parameters(L, "RNNCell", 3, 4, nonlinearity="relu")(x)

    agree(call, numbers(2, 3))


def test_cells_in_a_loop_are_the_layer() -> None:
    def call(L: Any, x: Any) -> Any:
        cell = with_parameters(L, "LSTMCell", 3, 4)
        state = None
        outs = []
        for step in x:
            state = cell(step, state)
            outs.append(state[0])
        return L.stack(outs), state

    agree(call, numbers(6, 2, 3))
    x = ad.tensor(numbers(6, 2, 3))
    layer = with_parameters(ad, "LSTM", 3, 4)
    ad.testing.assert_close(layer(x)[0], call(ad, x)[0])


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("name", LAYERS)
def test_dtypes(name: str, dtype: str) -> None:
    def call(L: Any) -> Any:
        module = with_parameters(L, name, 3, 4).to(getattr(L, dtype))
        x = L.tensor(numbers(5, 2, 3).tolist()).to(getattr(L, dtype))
        return module(x)[0].float()

    tolerance = {"float32": 1e-5, "float16": 5e-3, "bfloat16": 5e-2}[dtype]
    agree(call, gradients=False, rtol=tolerance, atol=tolerance)


def test_names_and_printing() -> None:
    for name, args, kwargs in [
        ("RNN", (3, 4), {}),
        ("RNN", (3, 4, 2), {"nonlinearity": "relu", "bias": False}),
        ("LSTM", (3, 4), {"bidirectional": True, "num_layers": 2, "proj_size": 2}),
        ("LSTM", (3, 4, 2, True, True, 0.5, True), {}),
        ("GRU", (3, 4), {"dropout": 0.25, "num_layers": 2, "batch_first": True, "bias": False}),
        ("RNNCell", (3, 4), {"nonlinearity": "relu"}),
        ("LSTMCell", (3, 4), {"bias": False}),
        ("GRUCell", (3, 4), {}),
    ]:
        ours, theirs = (getattr(L.nn, name)(*args, **kwargs) for L in (ad, torch))
        assert repr(ours) == repr(theirs)
        assert [(n, tuple(p.shape)) for n, p in ours.state_dict().items()] == [
            (n, tuple(p.shape)) for n, p in theirs.state_dict().items()
        ]
        if hasattr(theirs, "all_weights"):
            assert [[tuple(p.shape) for p in ps] for ps in ours.all_weights] == [
                [tuple(p.shape) for p in ps] for ps in theirs.all_weights
            ]
            assert ours._flat_weights_names == theirs._flat_weights_names
        bound = 1 / np.sqrt(4)
        largest = max(float(p.detach().abs().max()) for p in ours.parameters())
        assert bound / 2 < largest <= bound


def test_training_steps() -> None:
    """Weights after clipped steps of SGD and Adam on a small language model."""

    def call(L: Any, make: str) -> Any:
        nn = L.nn
        model = nn.Sequential(nn.Embedding(7, 5), nn.LSTM(5, 6, 2, batch_first=True))
        head = nn.Linear(6, 7)
        model, head = filled(L, model), filled(L, head, 40)
        every = [*model.parameters(), *head.parameters()]
        optimizer = getattr(L.optim, make)(every, lr=0.05)
        tokens = L.tensor(np.random.default_rng(0).integers(0, 7, (4, 9)).tolist())
        state = None
        losses = []
        for _ in range(4):
            optimizer.zero_grad()
            out, state = model[1](model[0](tokens[:, :-1]), state)
            state = tuple(s.detach() for s in state)
            logits = head(out).reshape(-1, 7)
            loss = nn.functional.cross_entropy(logits, tokens[:, 1:].reshape(-1))
            loss.backward()
            losses.append(nn.utils.clip_grad_norm_(every, 0.3))
            optimizer.step()
            losses.append(loss.detach())
        return losses, [p.detach() for p in every]

    for make in ("SGD", "Adam"):
        agree(lambda L, make=make: call(L, make), second=False)


def test_dropout_between_layers() -> None:
    ad.manual_seed(0)
    module = ad.nn.LSTM(3, 40, num_layers=2, dropout=0.5)
    x = ad.randn(6, 2, 3)
    assert not ad.equal(module(x)[0], module(x)[0])
    module.eval()
    assert ad.equal(module(x)[0], module(x)[0])
    with pytest.warns(UserWarning, match="dropout option adds dropout after all but last"):
        ad.nn.GRU(3, 4, dropout=0.5)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda L, x: L.nn.LSTM(4, 4).double()(x), "input.size(-1) must be equal to input_size. "
         "Expected 4, got 3"),
        (lambda L, x: L.nn.LSTM(3, 4)(x), "RNN input dtype"),
        (lambda L, x: L.nn.LSTM(3, 4).double()(x[None]), "LSTM: Expected input to be 2D or 3D, got"
         " 4D instead"),
        (lambda L, x: L.nn.RNN(3, 4).double()(x[None]), "RNN: Expected input to be 2D or 3D, got"
         " 4D tensor instead"),
        (lambda L, x: L.nn.GRU(3, 4).double()(x, L.zeros(1, 2, 5).double()), "Expected hidden size "
         "(1, 2, 4), got [1, 2, 5]"),
        (lambda L, x: L.nn.GRU(3, 4).double()(x, L.zeros(2, 4).double()), "For batched 3-D input, "
         "hx should also be 3-D but got 2-D tensor"),
        (lambda L, x: L.nn.GRU(3, 4).double()(x[0], L.zeros(1, 2, 4).double()), "For unbatched 2-D "
         "input, hx should also be 2-D but got 3-D tensor"),
        (lambda L, x: L.nn.LSTM(3, 4).double()(x, (L.zeros(1, 2, 4).double(),
                                                   L.zeros(1, 3, 4).double())),
         "Expected hidden[1] size (1, 2, 4), got [1, 3, 4]"),
        (lambda L, x: L.nn.LSTM(3, 4).double()(x, (L.zeros(2, 4), L.zeros(2, 4))), "For batched "
         "3-D input, hx and cx should also be 3-D but got (2-D, 2-D) tensors"),
        (lambda L, x: L.nn.LSTM(3, 4).double()(x[:0]), "Expected sequence length to be larger than"
         " 0 in RNN"),
        (lambda L, x: L.nn.LSTM(0, 4), "input_size must be greater than zero"),
        (lambda L, x: L.nn.LSTM(3, 4.0), "hidden_size should be of type int, got: float"),
        (lambda L, x: L.nn.LSTM(3, 4, 0), "num_layers must be greater than zero"),
        (lambda L, x: L.nn.LSTM(3, 4, proj_size=4), "proj_size has to be smaller than hidden_size"),
        (lambda L, x: L.nn.GRU(3, 4, proj_size=2), "proj_size argument is only supported for LSTM"),
        (lambda L, x: L.nn.GRU(3, 4, bias=1), "bias should be of type bool, got: int"),
        (lambda L, x: L.nn.GRU(3, 4, dropout=2.0), "dropout should be a number in range [0, 1]"),
        (lambda L, x: L.nn.RNN(3, 4, nonlinearity="selu"), "Unknown nonlinearity 'selu'. Select "
         "from 'tanh' or 'relu'."),
        (lambda L, x: L.nn.LSTMCell(3, 4).double()(x), "LSTMCell: Expected input to be 1D or 2D, "
         "got 3D instead"),
        (lambda L, x: L.nn.GRUCell(4, 4).double()(x[0]), "input has inconsistent input_size: got 3 "
         "expected 4"),
        (lambda L, x: L.nn.GRUCell(3, 4).double()(x[0], L.zeros(2, 5).double()), "hidden0 has "
         "inconsistent hidden_size: got 5, expected 4"),
        (lambda L, x: L.nn.RNNCell(3, 4).double()(x[0], L.zeros(3, 4).double()), "Input batch size "
         "2 doesn't match hidden0 batch size 3"),
    ],
)  # fmt: skip
def test_refusals(call: Any, words: str) -> None:
    assert refuse(call, numbers(5, 2, 3)).startswith(words)


# -- nn.utils.rnn --------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("batch_first", "rest", "total"),
    itertools.product((False, True), ((), (2,), (2, 3)), (None, 7)),
)
def test_pack_and_pad(batch_first: bool, rest: tuple[int, ...], total: int | None) -> None:
    for lengths in ([5, 2, 2], [2, 5, 1], [4, 4, 4]):

        def call(L: Any, x: Any, lengths: Any = lengths) -> Any:
            rnn = L.nn.utils.rnn
            packed = rnn.pack_padded_sequence(
                x, L.tensor(lengths), batch_first=batch_first, enforce_sorted=False
            )
            back = rnn.pad_packed_sequence(packed, batch_first, -2.0, total)
            return tuple(packed), back, rnn.unpack_sequence(packed)

        agree(call, numbers(*((3, 5) if batch_first else (5, 3)), *rest))


def test_sequences() -> None:
    parts = [numbers(n, 2, seed=n) for n in (2, 4, 1)]
    for kwargs in ({}, {"batch_first": True}, {"padding_value": 3.0}, {"padding_side": "left"}):
        agree(lambda L, *xs, kw=kwargs: L.nn.utils.rnn.pad_sequence(list(xs), **kw), *parts)
    agree(
        lambda L, *xs: tuple(L.nn.utils.rnn.pack_sequence(list(xs), enforce_sorted=False)), *parts
    )
    agree(
        lambda L, x: L.nn.utils.rnn.unpad_sequence(x, L.tensor([2, 3]), batch_first=True),
        numbers(2, 3, 2),
    )
    agree(lambda L, i: L.nn.utils.rnn.invert_permutation(i), np.array([2, 0, 1]))
    made = ad.nn.utils.rnn.pack_sequence([ad.ones(2), ad.ones(1)])
    assert made.to(ad.float64).data.dtype is ad.float64 and made.double().long().int().cpu()
    assert made.sorted_indices is None and not made.is_cuda and made.pin_memory() is made
    assert made.to(ad.float32) is made


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda rnn, x: rnn.pack_padded_sequence(x, [2, 3]), "`lengths` array must be sorted in "
         "decreasing order when `enforce_sorted` is True."),
        (lambda rnn, x: rnn.pack_padded_sequence(x, [3]), "Expected `len(lengths)` to be equal to "
         "batch_size, but got 1 (batch_size=2)"),
        (lambda rnn, x: rnn.pack_padded_sequence(x, [3, 0]), "Length of all samples has to be "
         "greater than 0, but found an element in 'lengths' that is <= 0"),
        (lambda rnn, x: rnn.pad_packed_sequence(rnn.pack_padded_sequence(x, [3, 1]),
                                                total_length=2), "Expected total_length to be at "
         "least the length of the longest sequence in input"),
        (lambda rnn, x: rnn.pad_sequence([]), "received an empty list of sequences"),
        (lambda rnn, x: rnn.pad_sequence(3), "pad_sequence: Expected iterable for input sequences"),
        (lambda rnn, x: rnn.pad_sequence([x], padding_side="top"), "Expected padding_side to be "
         "one of left or right"),
    ],
)  # fmt: skip
def test_refusals_of_packing(call: Any, words: str) -> None:
    assert refuse(lambda L, x: call(L.nn.utils.rnn, x), numbers(4, 2)).startswith(words)
