"""Nested tensors: values, gradients and structure beside PyTorch's."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from nested_programs import BOTH, agree, jagged
from oracle import numbers

import anadrome as ad

torch = pytest.importorskip("torch")
pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors"),
]

UNARY = {
    "relu": lambda L, x: L.relu(x),
    "gelu": lambda L, x: L.nn.functional.gelu(x),
    "silu": lambda L, x: L.nn.functional.silu(x),
    "tanh": lambda L, x: x.tanh(),
    "exp": lambda L, x: L.exp(x),
    "neg": lambda L, x: -x,
    "power": lambda L, x: x**2,
    "number": lambda L, x: 1 - 2 * x / 3,
    "compared": lambda L, x: (x > 0).to(L.float64),
    "where": lambda L, x: L.where(x > 0, x, 0.0),
    "masked_fill": lambda L, x: x.masked_fill(x > 0, 0.0),
    "clone": lambda L, x: x.clone(),
    "detach": lambda L, x: x.detach(),
    "float": lambda L, x: x.detach().float(),
    "ones_like": lambda L, x: L.ones_like(x) + L.zeros_like(x),
    "row": lambda L, x: x + L.tensor(numbers(3, seed=4)),
    "rows": lambda L, x: x * L.tensor(numbers(3, 1, 3, seed=4)),
    "itself": lambda L, x: x * x - x,
    "dropout": lambda L, x: L.nn.functional.dropout(x, 0.5, training=False),
}
SHAPES = {
    "transpose": lambda L, x: x.transpose(1, 2),
    "transpose back": lambda L, x: x.transpose(1, 2).transpose(1, 2),
    "unsqueeze 1": lambda L, x: x.unsqueeze(1),
    "unsqueeze -1": lambda L, x: x.unsqueeze(-1),
    "squeeze": lambda L, x: x.unsqueeze(-1).squeeze(-1),
    "view": lambda L, x: x.view(3, -1, 3, 1),
    "reshape": lambda L, x: x.reshape(3, x.size(1), 1, 3),
    "unflatten": lambda L, x: x.unflatten(-1, [3, 1]),
    "flatten": lambda L, x: x.unflatten(-1, [3, 1]).flatten(2, 3),
    "chunk": lambda L, x: x.chunk(3, -1),
    "chunk of the batch": lambda L, x: x.chunk(2, 0),
    "split": lambda L, x: x.split([1, 2], -1),
    "component": lambda L, x: x[1],
    "unbind": lambda L, x: x.unbind(),
    "of the last": lambda L, x: x[..., 1],
    "slice of the last": lambda L, x: x[..., :2],
    "cat": lambda L, x: L.cat([x, 2 * x], -1),
    "values": lambda L, x: x.values(),
    "padded": lambda L, x: L.nested.as_nested_tensor(
        list(x.unbind()), layout=L.jagged
    ).to_padded_tensor(-1.0),
    "padded further": lambda L, x: L.nested.to_padded_tensor(x, 0.0, output_size=(3, 6, 3)),
    "expand": lambda L, x: x.unsqueeze(-1).expand(3, -1, 3, 2),
}
ALONG = {
    "sum": lambda L, x: x.sum(),
    "mean": lambda L, x: x.mean(),
    "sum 1": lambda L, x: x.sum(dim=1),
    "sum 2": lambda L, x: x.sum(dim=2),
    "sum -1 kept": lambda L, x: x.sum(-1, keepdim=True),
    "sum 0 1": lambda L, x: x.sum(dim=(0, 1)),
    "mean 1": lambda L, x: x.mean(dim=1),
    "mean 1 kept": lambda L, x: x.mean(1, keepdim=True),
    "centered": lambda L, x: x - x.mean(dim=1, keepdim=True),
    "mean 2": lambda L, x: x.mean(-1),
    "amax 1": lambda L, x: x.amax(1),
    "amin 2": lambda L, x: x.amin(2),
    "max 1": lambda L, x: x.max(1),
    "min 2": lambda L, x: x.min(dim=2),
    "argmax 1": lambda L, x: x.argmax(1),
    "prod 1": lambda L, x: x.prod(1),
    "any 1": lambda L, x: (x > 1).any(1),
    "all": lambda L, x: (x > -9).all(),
    "softmax 1": lambda L, x: x.softmax(1),
    "softmax -1": lambda L, x: L.softmax(x, -1),
    "log_softmax": lambda L, x: x.log_softmax(-1),
}


#: Those of which PyTorch has no gradient, or (of softmax over lengths) another than that of each
#: component's softmax; and `split`, whose backward ends its process.
NO_GRADIENT = {
    "unsqueeze 1", "split", "of the last", "slice of the last", "sum 1", "sum 2", "sum -1 kept",
    "sum 0 1", "mean 1", "mean 1 kept", "centered", "max 1", "prod 1", "softmax 1", "log_softmax",
}  # fmt: skip


@pytest.mark.parametrize("name", [*UNARY, *SHAPES, *ALONG])
def test_functions_of_a_jagged_tensor(name: str) -> None:
    call = {**UNARY, **SHAPES, **ALONG}[name]

    def program(L: Any, leaf: Any) -> Any:
        values, x = jagged(L, leaf, 3)
        return call(L, x), [values]

    agree(program, name not in NO_GRADIENT)


def test_two_operands_share_their_offsets() -> None:
    def program(L: Any, leaf: Any) -> Any:
        a, x = jagged(L, leaf, 3)
        b, y = jagged(L, leaf, 3, seed=1, like=x)
        c, z = jagged(L, leaf, 1, seed=2, like=x)
        return [x + y, x * y / 2, L.where(x > y, x, y), x * z], [a, b, c]

    agree(program)
    for L in BOTH:
        x = L.nested.nested_tensor([L.ones(2), L.ones(1)], layout=L.jagged)
        y = L.nested.nested_tensor_from_jagged(L.ones(3), x.offsets())
        assert (x + y).values().tolist() == [2.0] * 3
        x, y = (L.nested.nested_tensor([L.ones(2), L.ones(1)], layout=L.jagged) for _ in range(2))
        assert x.shape != y.shape and x.shape == (2 * x).shape
        with pytest.raises(RuntimeError):
            x + y


def test_layers() -> None:
    def program(L: Any, leaf: Any) -> Any:
        F = L.nn.functional
        values, x = jagged(L, leaf, 4)
        w = leaf(L.tensor(numbers(6, 4, seed=1)).requires_grad_())
        b = leaf(L.tensor(numbers(6, seed=2)).requires_grad_())
        g = leaf(L.tensor(numbers(4, seed=3)).requires_grad_())
        table = leaf(L.tensor(numbers(9, 4, seed=5)).requires_grad_())
        ids = L.nested.nested_tensor_from_jagged(L.tensor([3, 1, 4, 1, 5, 8, 2]), x.offsets())
        out = [
            F.linear(x, w, b), F.layer_norm(x, (4,), g), F.rms_norm(x, (4,), g), x @ w.t(),
            F.embedding(ids, table),
        ]  # fmt: skip
        return out, [values, w, b, g, table]

    agree(program)


@pytest.mark.parametrize("causal", [False, True])
def test_attention(causal: bool) -> None:
    def program(L: Any, leaf: Any) -> Any:
        leaves, heads = [], []
        for seed in range(3):
            values, x = jagged(L, leaf, 8, seed=seed, like=heads[0] if heads else None)
            leaves.append(values)
            heads.append(x)
        call = L.nn.functional.scaled_dot_product_attention
        q, k, v = (x.unflatten(-1, [2, 4]).transpose(1, 2) for x in heads)
        if L is ad:
            out = list(call(q, k, v, is_causal=causal).transpose(1, 2).flatten(-2, -1).unbind())
        else:  # it has no causal one on the CPU
            parts = zip(q.unbind(), k.unbind(), v.unbind())
            out = [call(*p, is_causal=causal).transpose(0, 1).flatten(1) for p in parts]
        return out, leaves

    agree(program)


def test_a_block_of_a_transformer_is_trained() -> None:
    def block(L: Any) -> Any:
        class Block(L.nn.Module):  # type: ignore[name-defined, misc]
            def __init__(self) -> None:
                super().__init__()
                self.norm, self.qkv, self.out = (
                    L.nn.LayerNorm(8),
                    L.nn.Linear(8, 24),
                    L.nn.Linear(8, 8),
                )
                self.mlp = L.nn.Sequential(L.nn.Linear(8, 16), L.nn.GELU(), L.nn.Linear(16, 8))

            def forward(self, x: Any) -> Any:
                heads = [
                    p.unflatten(-1, [2, 4]).transpose(1, 2)
                    for p in self.qkv(self.norm(x)).chunk(3, -1)
                ]
                y = L.nn.functional.scaled_dot_product_attention(*heads, is_causal=True)
                x = x + self.out(y.transpose(1, 2).flatten(2))
                return x + self.mlp(x)

        return Block().double()

    theirs, ours = block(torch), block(ad)
    ours.load_state_dict(
        {k: ad.tensor(v.tolist(), dtype=ad.float64) for k, v in theirs.state_dict().items()}
    )
    out = []
    for L, model in ((ad, ours), (torch, theirs)):
        optimizer = L.optim.Adam(model.parameters(), 1e-2)
        losses = []
        for step in range(5):
            parts = [L.tensor(numbers(n, 8, seed=step * 10 + n)) for n in (3, 1, 5)]
            if L is ad:
                means = model(L.nested.nested_tensor(parts, layout=L.jagged)).mean(1)
            else:  # it has no causal attention of nested tensors on the CPU
                means = L.cat([model(p[None]).mean(1) for p in parts])
            loss = means.square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        out.append(losses)
    np.testing.assert_allclose(*out, rtol=1e-9)


@pytest.mark.parametrize("layout", ["jagged", "strided"])
def test_made_of_lists(layout: str) -> None:
    def program(L: Any, leaf: Any) -> Any:
        leaves = [leaf(L.tensor(numbers(n, 3, seed=n)).requires_grad_()) for n in (2, 5)]
        kind = getattr(L, layout)
        x = L.nested.as_nested_tensor(leaves, layout=kind)
        out = [
            x * 2,
            x.unbind(),
            L.nested.to_padded_tensor(x, 1.0),
            x.size(0),
            x.size(2),
            x.numel(),
        ]
        copied = L.nested.nested_tensor(leaves, layout=kind, dtype=L.float32)
        assert copied.is_leaf and not copied.requires_grad and copied.dtype is L.float32
        assert copied.layout is kind and copied.is_nested and not leaves[0].is_nested
        assert leaves[0].shape == (2, 3)
        dense = L.nested.as_nested_tensor(L.stack([leaves[0], leaves[0]]), layout=kind)
        return [*out, copied, dense], leaves

    agree(program)


STRIDED = {
    "values": lambda L, x: [x.relu(), x * 2, -x, x + x],
    "softmax": lambda L, x: x.softmax(-1),
    "transpose": lambda L, x: x.transpose(1, 2),
    "sum": lambda L, x: x.sum(-1, keepdim=True),
    "component": lambda L, x: [x[0], x[1, 1]],
    "padded": lambda L, x: L.nested.to_padded_tensor(x, 2.0, (2, 5, 6)),
    "product": lambda L, x: L.matmul(x, x.transpose(1, 2)),
    "flat": lambda L, x: x.values() if L is ad else x.detach().values(),
    "detached": lambda L, x: x.detach(),
}


@pytest.mark.parametrize("name", STRIDED)
def test_functions_of_a_strided_tensor(name: str) -> None:
    def program(L: Any, leaf: Any) -> Any:
        shapes = ((2, 3), (4, 5))
        leaves = [leaf(L.tensor(numbers(*s, seed=s[0])).requires_grad_()) for s in shapes]
        out = STRIDED[name](L, L.nested.as_nested_tensor(leaves))
        return (out.detach() if name == "flat" else out), leaves

    agree(program)


def test_a_leaf_has_a_nested_gradient() -> None:
    for L in BOTH:
        x = L.nested.nested_tensor(
            [L.ones(1, 2), L.ones(2, 2)], layout=L.jagged, requires_grad=True
        )
        for times in (1, 2) if L is ad else (1,):  # PyTorch asks for strides to add
            (x * x).values().sum().backward()
            assert x.grad.is_nested and x.grad.shape == x.shape
            assert x.grad.values().tolist() == [[2.0 * times, 2.0 * times]] * 3
        if L is ad:
            (3 * x).backward(gradient=L.ones_like(x))
            assert x.grad.values().tolist() == [[7.0, 7.0]] * 3
            (found,) = L.autograd.grad(x * 2, x, L.ones_like(x))
            assert found.is_nested and found.values().tolist() == [[2.0, 2.0]] * 3


def test_parts_of_dense_tensors() -> None:
    def program(L: Any, leaf: Any) -> Any:
        x = leaf(L.tensor(numbers(3, 5, 2)).requires_grad_())
        starts, lengths = L.tensor([0, 1, 3]), L.tensor([2, 4, 1])
        narrow = L.nested.narrow(x, 1, starts, lengths, layout=L.jagged)
        chosen = L.nested.masked_select(x.detach(), x.detach() > 0)
        values = leaf(L.tensor(numbers(8, 2)).requires_grad_())
        holes = L.nested.nested_tensor_from_jagged(
            values, offsets=L.tensor([0, 3, 8]), lengths=L.tensor([2, 4])
        )
        by_lengths = L.nested.nested_tensor_from_jagged(values, lengths=L.tensor([3, 5]))
        return [narrow.unbind(), chosen, holes.unbind(), by_lengths * 2], [x, values]

    agree(program)


def test_facts() -> None:
    for L in BOTH:
        x = L.nested.nested_tensor([L.ones(1, 2), L.ones(2, 2)], layout=L.jagged)
        assert x.dim() == x.ndim == 3 and x.size(0) == len(x) == 2 and x.shape[2] == x.size(-1) == 2
        assert x.size(1) == x.shape[1] and x.size(1) != 2 and x.size(1) > 1
        assert x.offsets().tolist() == [0, 1, 3] and x.lengths() is None
        assert repr(x).startswith("NestedTensor(size=(2, j")
        assert repr(x).endswith(", 2), offsets=tensor([0, 1, 3]), contiguous=True)")
        assert str((x.requires_grad_() * 2).grad_fn).startswith("<MulBackward0")
        y = L.nested.nested_tensor([[1.0], [2.0, 3.0]])
        assert repr(y) == "nested_tensor([\n  tensor([1.]),\n  tensor([2., 3.])\n])"
        assert y.size(0) == 2
        with pytest.raises(RuntimeError, match="irregular"):
            y.size(1)


def test_written_in_place() -> None:
    for L in BOTH:
        x = L.nested.nested_tensor([L.ones(1, 2), L.ones(2, 2)], layout=L.jagged)
        y = x.mul_(3)
        assert y is x and x.values().tolist() == [[3.0, 3.0]] * 3
        x += x
        assert x.is_nested and x.values().sum() == 36
        assert copy.copy(x).is_nested


N = ad.nested
REFUSED = {
    "two ragged sizes": (
        "more than one ragged",
        lambda x: N.nested_tensor([ad.ones(1, 2), ad.ones(1, 3)], layout=ad.jagged),
    ),
    "two numbers of dimensions": (
        "Found dimensions 2, 1", lambda x: N.nested_tensor([ad.ones(1, 2), ad.ones(3)])
    ),
    "no list": ("Only lists of tensors", lambda x: N.nested_tensor(3)),
    "nothing": ("At least one of", lambda x: N.nested_tensor_from_jagged(ad.ones(2))),
    "sort": ("write it of each part of unbind", lambda x: x.sort(1)),
    "stack": ("to_padded_tensor", lambda x: ad.stack([x, x])),
    "numpy": ("numpy", lambda x: x.numpy()),
    "tolist": ("tolist", lambda x: x.tolist()),
    "transpose of the batch": ("on dim=0", lambda x: x.transpose(0, 1)),
    "flatten of the ragged": ("ragged dim", lambda x: x.flatten(1, 2)),
    "sum of the batch": ("the batch dimension but not the ragged", lambda x: x.sum(0)),
    "unbind 1": ("only dim=0", lambda x: x.unbind(1)),
    "norm over the ragged": (
        "normalize over", lambda x: ad.nn.functional.layer_norm(x.transpose(1, 2), (2,))
    ),
    "linear over the ragged": (
        "the last dim is ragged",
        lambda x: ad.nn.functional.linear(x.transpose(1, 2), ad.ones(2, 2)),
    ),
    "other batch": ("does not broadcast", lambda x: x + ad.ones(4, 1, 2)),
    "view": ("the ragged size stays", lambda x: x.view(2, 3, 2)),
    "dense": ("takes a nested tensor", lambda x: N.to_padded_tensor(ad.ones(2), 0.0)),
    "narrow 0": ("along dimension 1", lambda x: N.narrow(ad.ones(2, 2), 0, 0, 1)),
    "narrow too far": ("beyond the 2 rows", lambda x: N.narrow(ad.ones(2, 2), 1, 1, 2)),
    "padded to less": ("less than the largest", lambda x: x.to_padded_tensor(0.0, (2, 1, 2))),
    "offsets too far": (
        "end with the number", lambda x: N.nested_tensor_from_jagged(ad.ones(2), ad.tensor([0, 3]))
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    words, call = REFUSED[name]
    x = ad.nested.nested_tensor([ad.ones(1, 2), ad.ones(2, 2)], layout=ad.jagged)
    with pytest.raises((RuntimeError, TypeError, NotImplementedError), match=words):
        call(x)
