"""Attention in several heads and the transformer's layers, with PyTorch as oracle."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracle import agree, numbers, refuse
from test_torch_recurrent import everything, filled

import anadrome as ad

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:enable_nested_tensor")]
torch = pytest.importorskip("torch")


@pytest.fixture(autouse=True)
def in_steps() -> Any:
    """PyTorch's fused attention has no second derivative; its other one has."""
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        yield


def boolean(*shape: int, seed: int = 0) -> np.ndarray:
    """A mask that hides some, and in no row all."""
    mask = np.random.default_rng(seed).random(shape) < 0.4
    mask[..., 0] = False
    return mask


def tensor(L: Any, mask: Any) -> Any:
    return None if mask is None else L.tensor(mask.tolist(), dtype=getattr(L, mask.dtype.name))


def attention(L: Any, *args: Any, **kwargs: Any) -> Any:
    return filled(L, L.nn.MultiheadAttention(*args, **kwargs))


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize(
    "kwargs",
    [
        {},
        {"bias": False},
        {"batch_first": True},
        {"kdim": 3, "vdim": 5},
        {"add_bias_kv": True},
        {"add_zero_attn": True},
        {"add_bias_kv": True, "add_zero_attn": True, "kdim": 3, "batch_first": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("masked", [False, True])
def test_attention(kwargs: dict[str, Any], need_weights: bool, masked: bool) -> None:
    first = kwargs.get("batch_first", False)

    def call(L: Any, q: Any, k: Any, v: Any) -> Any:
        module = attention(L, 4, 2, **kwargs)
        masks = {}
        if masked:
            masks["key_padding_mask"] = tensor(L, boolean(2, 5))
            masks["attn_mask"] = tensor(L, boolean(3, 5, seed=1) & False)
        result = module(q, k, v, need_weights=need_weights, **masks)
        return everything(L, module, result)

    def given(length: int, width: int, seed: int) -> np.ndarray:
        return numbers(*((2, length) if first else (length, 2)), width, seed=seed)

    agree(
        call, given(3, 4, 0), given(5, kwargs.get("kdim", 4), 1), given(5, kwargs.get("vdim", 4), 2)
    )


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("average", [True, False])
def test_masks(need_weights: bool, average: bool) -> None:
    for mask in (boolean(4, 4), boolean(4, 4, 4), numbers(4, 4), numbers(4, 4, 4), None):
        for padding in (boolean(2, 4, seed=2), numbers(2, 4, seed=2), None):
            if mask is not None and padding is not None and mask.dtype != padding.dtype:
                continue

            def call(L: Any, x: Any, mask: Any = mask, padding: Any = padding) -> Any:
                return attention(L, 4, 2)(
                    x, x, x, tensor(L, padding), need_weights, tensor(L, mask), average
                )

            if mask is not None and padding is not None and mask.dtype == bool:
                continue  # together they may hide a whole row; see below
            agree(call, numbers(4, 2, 4))


def test_a_causal_mask_and_padding() -> None:
    def call(L: Any, x: Any, is_causal: bool = False, need_weights: bool = False) -> Any:
        mask = L.nn.Transformer.generate_square_subsequent_mask(4, dtype=L.float64)
        padding = L.tensor([[False, False, False, True], [False] * 4])
        padding = L.zeros(2, 4).double().masked_fill(padding, float("-inf"))
        return attention(L, 4, 2)(
            x, x, x, padding, need_weights, mask, is_causal=is_causal
        ), attention(L, 4, 2)(x, x, x, need_weights=need_weights, attn_mask=mask, is_causal=True)

    for causal in (False, True):
        for weights in (False, True):
            agree(lambda L, x, c=causal, w=weights: call(L, x, c, w), numbers(4, 2, 4))


def test_unbatched() -> None:
    for kwargs in ({}, {"need_weights": False}, {"average_attn_weights": False}):
        agree(
            lambda L, q, k, kw=kwargs: attention(L, 4, 2, batch_first=True)(q, k, k, **kw),
            numbers(3, 4),
            numbers(5, 4, seed=1),
        )
    agree(
        lambda L, q: attention(L, 4, 2)(q, q, q, key_padding_mask=L.tensor([False, True, False])),
        numbers(3, 4),
    )


def test_key_and_value_are_one() -> None:
    agree(lambda L, q, k: attention(L, 4, 2)(q, k, k), numbers(3, 2, 4), numbers(5, 2, 4, seed=1))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda L, x: L.nn.MultiheadAttention(4, 3), "embed_dim must be divisible by num_heads"),
        (lambda L, x: L.nn.MultiheadAttention(0, 1), "embed_dim and num_heads must be greater than "
         "0"),
        (lambda L, x: attention(L, 6, 2)(x, x, x), "was expecting embedding dimension of 6, but got"
         " 4"),
        (lambda L, x: attention(L, 4, 2)(x, x, x[:2]), "key shape"),
        (lambda L, x: attention(L, 4, 2)(x[0, 0], x, x), "query should be unbatched 2D or batched "
         "3D tensor but received 1-D query tensor"),
        (lambda L, x: attention(L, 4, 2)(x, x[0], x), "For batched (3-D) `query`, expected `key` "
         "and `value` to be 3-D but found 2-D and 3-D tensors respectively"),
        (lambda L, x: attention(L, 4, 2)(x, x, x, attn_mask=L.zeros(2, 2)), "The shape of the 2D "
         "attn_mask is"),
        (lambda L, x: attention(L, 4, 2)(x, x, x, attn_mask=L.zeros(3, 3, 3)), "The shape of the "
         "3D attn_mask is"),
        (lambda L, x: attention(L, 4, 2)(x, x, x, L.zeros(3, 3) > 0), "Expected "
         "key_padded_mask.shape[0] to be 2, but got 3"),
        (lambda L, x: attention(L, 4, 2)(x, x, x, L.zeros(2, 3).long()), "only bool and floating "
         "types of key_padding_mask are supported"),
        (lambda L, x: attention(L, 4, 2)(x, x, x, is_causal=True), "Need attn_mask if specifying "
         "the is_causal hint."),
    ],
)  # fmt: skip
def test_refusals(call: Any, words: str) -> None:
    kinds = (AssertionError, RuntimeError, ValueError)
    with pytest.raises(kinds):
        call(torch, torch.tensor(numbers(3, 2, 4)))
    with pytest.raises(kinds) as caught:
        call(ad, ad.tensor(numbers(3, 2, 4)))
    assert str(caught.value).startswith(words)


# -- layers --------------------------------------------------------------------------------------
@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("activation", ["relu", "gelu", "function", "module"])
@pytest.mark.parametrize("bias", [True, False])
def test_layers(norm_first: bool, batch_first: bool, activation: str, bias: bool) -> None:
    def options(L: Any) -> dict[str, Any]:
        given = {"function": L.nn.functional.silu, "module": L.nn.GELU()}.get(
            activation, activation
        )
        return {"dropout": 0.0, "norm_first": norm_first, "batch_first": batch_first,
                "activation": given, "bias": bias, "layer_norm_eps": 1e-3}  # fmt: skip

    def encode(L: Any, x: Any) -> Any:
        layer = filled(L, L.nn.TransformerEncoderLayer(4, 2, 6, **options(L)))
        return everything(L, layer, layer(x))

    def decode(L: Any, x: Any, memory: Any) -> Any:
        layer = filled(L, L.nn.TransformerDecoderLayer(4, 2, 6, **options(L)))
        mask = L.nn.Transformer.generate_square_subsequent_mask(x.shape[batch_first])
        return everything(L, layer, layer(x, memory, tgt_mask=mask.double(), tgt_is_causal=True))

    agree(encode, numbers(3, 2, 4))
    agree(decode, numbers(3, 2, 4), numbers(3, 2, 4, seed=1))


@pytest.mark.parametrize("batch_first", [False, True])
def test_whole(batch_first: bool) -> None:
    def call(L: Any, src: Any, tgt: Any) -> Any:
        model = filled(L, L.nn.Transformer(4, 2, 2, 2, 6, 0.0, batch_first=batch_first))
        length = 3
        result = model(
            src,
            tgt,
            tgt_mask=model.generate_square_subsequent_mask(length).double(),
            src_key_padding_mask=L.tensor([[False] * 4, [False, False, True, True]]),
            memory_key_padding_mask=L.tensor([[False] * 4, [False, False, True, True]]),
        )
        return everything(L, model, result)

    shapes = ((2, 4, 4), (2, 3, 4)) if batch_first else ((4, 2, 4), (3, 2, 4))
    agree(call, *(numbers(*s, seed=i) for i, s in enumerate(shapes)))


@pytest.mark.parametrize("left", [True, False])
def test_evaluation_with_padding(left: bool) -> None:
    """PyTorch's fast path gives zeros at the padding."""

    def call(L: Any) -> Any:
        layer = L.nn.TransformerEncoderLayer(4, 2, 6, 0.0, batch_first=True)
        model = filled(L, L.nn.TransformerEncoder(layer, 2, L.nn.LayerNorm(4))).eval()
        x = L.tensor(numbers(2, 4, 4).tolist(), dtype=L.float64)
        rows = [[False, False, True, True], [False, False, False, True]]
        hidden = L.tensor(rows if left else [r[::-1] for r in rows])
        with L.no_grad():
            return model(x, src_key_padding_mask=hidden)

    agree(call, gradients=False)


def test_names_and_printing() -> None:
    for make in (
        lambda nn: nn.Transformer(4, 2, 2, 1, 6),
        lambda nn: nn.TransformerEncoder(
            nn.TransformerEncoderLayer(4, 2, 6, activation=nn.ReLU(), bias=False), 3
        ),
        lambda nn: nn.MultiheadAttention(4, 2, kdim=3, add_bias_kv=True),
    ):
        ours, theirs = make(ad.nn), make(torch.nn)
        assert repr(ours) == repr(theirs)
        assert [(n, tuple(p.shape)) for n, p in ours.state_dict().items()] == [
            (n, tuple(p.shape)) for n, p in theirs.state_dict().items()
        ]
    ad.manual_seed(0)
    made = ad.nn.MultiheadAttention(64, 2)
    bound = np.sqrt(6 / (64 + 192))
    assert 0.9 * bound < float(made.in_proj_weight.detach().abs().max()) <= bound
    assert float(made.in_proj_bias.detach().abs().max()) == 0.0


def test_training_steps() -> None:
    """Weights after steps of AdamW on a small translation model."""

    def call(L: Any) -> Any:
        nn = L.nn
        model = nn.Transformer(4, 2, 1, 1, 6, 0.0, batch_first=True, norm_first=True)
        parts = nn.ModuleList([nn.Embedding(5, 4), model, nn.Linear(4, 5)])
        parts = filled(L, parts)
        optimizer = L.optim.AdamW(parts.parameters(), lr=0.02)
        tokens = L.tensor(np.random.default_rng(0).integers(0, 5, (3, 6)).tolist())
        mask = model.generate_square_subsequent_mask(5).double()
        losses = []
        for _ in range(4):
            optimizer.zero_grad()
            out = model(parts[0](tokens), parts[0](tokens[:, :-1]), tgt_mask=mask)
            loss = nn.functional.cross_entropy(
                parts[2](out).reshape(-1, 5), tokens[:, 1:].reshape(-1), label_smoothing=0.1
            )
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        return losses, [p.detach() for p in parts.parameters()]

    agree(call, second=False)


def test_refusals_of_the_model() -> None:
    src, tgt = numbers(4, 2, 4), numbers(3, 1, 4)
    text = refuse(lambda L, a, b: L.nn.Transformer(4, 2, 1, 1, 6).double()(a, b), src, tgt)
    assert text == "the batch number of src and tgt must be equal"
    text = refuse(lambda L, a: L.nn.Transformer(6, 2, 1, 1, 6).double()(a, a), src)
    assert text == "the feature number of src and tgt must be equal to d_model"
    text = refuse(lambda L: L.nn.TransformerEncoderLayer(4, 2, activation="tanh"))
    assert text == "activation should be relu/gelu, not tanh"
