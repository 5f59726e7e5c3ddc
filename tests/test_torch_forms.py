"""Layers and losses as functions outside `nn.functional`, compared with PyTorch."""

from __future__ import annotations

from typing import Any

import pytest
from oracle import agree, numbers, refuse

import anadrome as ad

pytestmark = pytest.mark.torch

T, N, D, H = 4, 3, 2, 5


def parameters(gates: int, layers: int, directions: int, biases: bool, proj: int = 0) -> list[Any]:
    out = []
    for layer in range(layers):
        width = D if layer == 0 else (proj or H) * directions
        for direction in range(directions):
            seed = 10 * (layer * directions + direction) + 1
            out.append(numbers(gates * H, width, seed=seed, low=-0.5, high=0.5))
            out.append(numbers(gates * H, proj or H, seed=seed + 1, low=-0.5, high=0.5))
            if biases:
                out += [numbers(gates * H, seed=seed + 2), numbers(gates * H, seed=seed + 3)]
            if proj:
                out.append(numbers(proj, H, seed=seed + 4))
    return out


GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}


@pytest.mark.parametrize("name", GATES)
@pytest.mark.parametrize(
    ("layers", "directions", "biases", "first"), [(1, 1, True, False), (2, 2, False, True)]
)
def test_recurrent_networks(name, layers, directions, biases, first) -> None:
    params = parameters(GATES[name], layers, directions, biases)

    def call(L: Any, x: Any, h: Any, c: Any, *params: Any) -> Any:
        hx = (h, c) if name == "lstm" else h
        return getattr(L, name)(
            x, hx, params, biases, layers, 0.3, False, directions == 2, first
        )  # fmt: skip

    x = numbers(*((N, T, D) if first else (T, N, D)))
    states = [numbers(layers * directions, N, H, seed=s) for s in (98, 99)]
    agree(call, x, *states, *params, second=False)


@pytest.mark.parametrize("name", GATES)
def test_recurrent_networks_of_packed_sequences(name) -> None:
    params = parameters(GATES[name], 1, 2, True)

    def call(L: Any, x: Any, h: Any, c: Any, *params: Any) -> Any:
        sizes = L.tensor([3, 2, 1])
        hx = (h, c) if name == "lstm" else h
        return getattr(L, name)(x, sizes, hx, params, True, 1, 0.0, True, True)

    states = [numbers(2, N, H, seed=s) for s in (98, 99)]
    agree(call, numbers(6, D), *states, *params, second=False)


def test_a_projected_lstm() -> None:
    params = parameters(4, 1, 1, True, proj=2)

    def call(L: Any, x: Any, h: Any, c: Any, *params: Any) -> Any:
        return L.lstm(x, (h, c), params, True, 1, 0.0, False, False, False)

    states = [numbers(1, N, 2, seed=98), numbers(1, N, H, seed=99)]
    agree(call, numbers(T, N, D), *states, *params, second=False)


@pytest.mark.parametrize("name", GATES)
@pytest.mark.parametrize("biases", [True, False])
def test_recurrent_steps(name, biases) -> None:
    params = parameters(GATES[name], 1, 1, biases)

    def call(L: Any, x: Any, h: Any, c: Any, *params: Any) -> Any:
        return getattr(L, f"{name}_cell")(x, (h, c) if name == "lstm" else h, *params)

    states = [numbers(N, H, seed=s) for s in (98, 99)]
    agree(call, numbers(N, D), *states, *params)


def test_wrong_recurrent_calls() -> None:
    params = parameters(3, 1, 1, True)
    call = lambda L, x, h, *p: L.gru(x, h, p, True, 2, 0.0, False, False, False)
    message = refuse(call, numbers(T, N, D), numbers(2, N, H), *params)
    assert "params are of 1 layers and directions, not of 2 times 1" in message
    with pytest.raises(TypeError, match=r"gru\(\) takes the arguments input, hx, params"):
        ad.gru(ad.ones(1, 1, 1))


SIGNS = [1, -1, 1]
LOSSES = {
    "binary_cross_entropy_with_logits": lambda L, r, a, b, c: (
        L.binary_cross_entropy_with_logits(a, b.sigmoid().detach(), None, c.exp().detach(), r)
    ),
    "cosine_embedding_loss": lambda L, r, a, b, c: (
        L.cosine_embedding_loss(a, b, L.tensor(SIGNS), 0.2, r)
    ),
    "hinge_embedding_loss": lambda L, r, a, b, c: (
        L.hinge_embedding_loss(a, L.tensor(SIGNS).unsqueeze(1).expand(3, 4), 1.5, r)
    ),
    "kl_div": lambda L, r, a, b, c: L.kl_div(a, b, r, log_target=True),
    "margin_ranking_loss": lambda L, r, a, b, c: (
        L.margin_ranking_loss(a, b, L.tensor(SIGNS).unsqueeze(1), 0.1, r)
    ),
    "poisson_nll_loss": lambda L, r, a, b, c: (
        L.poisson_nll_loss(a, b.exp().detach(), True, True, 1e-8, r)
    ),
    "triplet_margin_loss": lambda L, r, a, b, c: (
        L.triplet_margin_loss(a, b, c, 1.0, 2.0, 1e-6, True, r)
    ),
    "ctc_loss": lambda L, r, a, b, c: L.ctc_loss(
        L.stack([a, b, c]).log_softmax(-1), L.tensor([[1, 2], [3, 3], [2, 1]]), (3, 3, 3),
        (2, 2, 1), 0, r, True,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("reduction", [0, 1, 2])
def test_losses(name, reduction) -> None:
    values = [numbers(3, 4, seed=s) for s in (1, 2, 3)]
    agree(lambda L, *t: LOSSES[name](L, reduction, *t), *values, second=False)


def test_a_word_for_the_reduction() -> None:
    with pytest.raises(ValueError, match=r"nn.functional.kl_div takes the words"):
        ad.kl_div(ad.ones(1), ad.ones(1), "mean")


def test_padding_and_pools_with_indices() -> None:
    def call(L: Any, x: Any) -> Any:
        F = L.nn.functional
        planes = x.reshape(1, 2, 4, 6)
        return [
            L.constant_pad_nd(x, (1, -1), 2.5),
            L.adaptive_max_pool1d(x, 3),
            L.max_pool1d_with_indices(x, 2),
            L.max_pool1d_with_indices(x, 3, 1, 1),
            F.max_pool1d_with_indices(x, 2),
            F.max_pool2d_with_indices(planes, 2, ceil_mode=True),
            F.adaptive_max_pool2d_with_indices(planes, (2, 3)),
        ]

    agree(call, numbers(1, 4, 12))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_cross_entropy_of_a_linear_layer(reduction: str) -> None:
    def call(L: Any, x: Any, w: Any, b: Any) -> Any:
        f = L.nn.functional.linear_cross_entropy
        target = L.tensor([0, 3, 1])
        return (
            f(x, w, target, reduction=reduction),
            f(
                x,
                w,
                target,
                linear_bias=b,
                ignore_index=3,
                label_smoothing=0.1,
                reduction=reduction,
            ),
            f(x[0], w, L.tensor(2), weight=b.exp().detach(), reduction=reduction),
        )

    agree(call, numbers(3, 5), numbers(4, 5, seed=1), numbers(4, seed=2))


def test_cross_entropy_of_a_linear_layer_over_more_dimensions() -> None:
    def call(L: Any, x: Any, w: Any) -> Any:
        return L.nn.functional.linear_cross_entropy(x, w, L.tensor([[0, 3], [1, 1], [2, 0]]))

    agree(call, numbers(3, 5), numbers(4, 2, 5, seed=1))
