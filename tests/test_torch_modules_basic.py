"""Layers and losses against PyTorch: keys, representation, and, with the same weights, results."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracle import agree, numbers

import anadrome as ad

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]

#: Name, arguments, keywords, shapes of the inputs (or the inputs themselves).
LAYERS: list[tuple[str, tuple[Any, ...], dict[str, Any], list[Any]]] = [
    ("ReLU", (), {}, [(3, 4)]), ("ReLU6", (), {}, [(3, 4)]), ("ReLU6", (True,), {}, []),
    ("LeakyReLU", (0.2,), {}, [(3, 4)]), ("PReLU", (), {}, [(3, 4)]),
    ("PReLU", (4,), {"init": 0.1}, [(3, 4, 2)]), ("RReLU", (), {}, []),
    ("RReLU", (0.2, 0.2), {}, [(3, 4)]), ("ELU", (0.5,), {}, [(3, 4)]),
    ("CELU", (0.5,), {}, [(3, 4)]), ("CELU", (), {"inplace": True}, []), ("SELU", (), {}, [(3, 4)]),
    ("SELU", (True,), {}, []), ("GELU", (), {}, [(3, 4)]), ("GELU", ("tanh",), {}, [(3, 4)]),
    ("SiLU", (), {}, [(3, 4)]), ("Mish", (), {}, [(3, 4)]), ("Mish", (True,), {}, []),
    ("Softplus", (2.0, 3.0), {}, [(3, 4)]), ("Softsign", (), {}, [(3, 4)]),
    ("Softmin", (1,), {}, [(3, 4)]), ("Softmax", (1,), {}, [(3, 4)]), ("Softmin", (), {}, [(3, 4)]),
    ("LogSoftmax", (0,), {}, [(3, 4)]), ("Softmax2d", (), {}, [(2, 3, 4, 2)]),
    ("Softmax2d", (), {}, [(3, 4, 2)]), ("Hardtanh", (), {}, [(3, 4)]),
    ("Hardtanh", (-0.5, 0.7), {"inplace": True}, []), ("Hardtanh", (), {"min_value": -0.5}, [(4,)]),
    ("Hardsigmoid", (), {}, []), ("Hardsigmoid", (), {"inplace": True}, []),
    ("Hardswish", (), {}, [(3, 4)]), ("Hardswish", (True,), {}, []),
    ("Hardshrink", (0.3,), {}, [(3, 4)]), ("Softshrink", (0.3,), {}, [(3, 4)]),
    ("Tanhshrink", (), {}, [(3, 4)]), ("Threshold", (0.1, 2.0), {}, [(3, 4)]),
    ("Threshold", (0.1, 2.0, True), {}, []), ("LogSigmoid", (), {}, [(3, 4)]),
    ("Sigmoid", (), {}, [(3, 4)]), ("Tanh", (), {}, [(3, 4)]), ("GLU", (), {}, [(3, 4)]),
    ("GLU", (0,), {}, [(4, 3)]), ("Dropout", (0.0,), {}, [(3, 4)]),
    ("Dropout", (0.3, True), {}, []),
    ("Dropout1d", (0.0,), {}, [(3, 4, 2)]), ("Dropout2d", (0.2, True), {}, []),
    ("Dropout3d", (), {}, []), ("AlphaDropout", (0.0,), {}, [(3, 4)]),
    ("FeatureAlphaDropout", (0.2,), {}, []), ("BatchNorm1d", (4,), {}, [(3, 4)]),
    ("BatchNorm2d", (4,), {"momentum": None}, [(2, 4, 2, 3)]),
    ("BatchNorm3d", (4, 1e-3, 0.2), {"affine": False}, [(2, 4, 2, 3, 2)]),
    ("SyncBatchNorm", (4,), {}, []), ("GroupNorm", (2, 4), {}, [(3, 4, 2)]),
    ("GroupNorm", (2, 4), {"affine": False, "eps": 1e-3}, [(3, 4, 2)]),
    ("GroupNorm", (2, 4), {"bias": False}, [(3, 4, 2)]), ("LayerNorm", (4,), {}, [(3, 4)]),
    ("LayerNorm", ((3, 4), 1e-3), {"bias": False}, [(2, 3, 4)]), ("RMSNorm", (4,), {}, [(3, 4)]),
    ("RMSNorm", ([3, 4], 1e-3, False), {}, [(2, 3, 4)]),
    ("LocalResponseNorm", (2,), {"alpha": 0.3}, [(2, 4, 3)]),
    ("InstanceNorm1d", (4,), {}, [(3, 4, 5)]), ("InstanceNorm1d", (4,), {}, [(4, 5)]),
    ("InstanceNorm2d", (4,), {"affine": True}, [(3, 4, 5, 2)]),
    ("InstanceNorm3d", (4,), {"affine": True, "track_running_stats": True}, [(2, 4, 2, 2, 3)]),
    ("Linear", (4, 3), {}, [(2, 4)]), ("Bilinear", (4, 3, 2), {}, [(5, 4), (5, 3)]),
    ("Bilinear", (4, 3, 2, False), {}, [(5, 4), (5, 3)]),
    ("CosineSimilarity", (), {}, [(3, 4)] * 2),
    ("CosineSimilarity", (0, 1e-3), {}, [(3, 4)] * 2), ("PairwiseDistance", (), {}, [(3, 4)] * 2),
    ("PairwiseDistance", (3.0,), {"keepdim": True}, [(3, 4)] * 2),
    ("Embedding", (5, 3), {"padding_idx": -1}, [np.array([[0, 4], [2, 2]])]),
    ("Embedding", (5, 3), {"max_norm": 1.0, "norm_type": 1.0, "scale_grad_by_freq": True}, []),
    ("EmbeddingBag", (5, 3), {}, [np.array([[0, 4], [2, 2]])]),
    ("EmbeddingBag", (5, 3), {"mode": "max", "padding_idx": 2}, [np.array([[0, 4], [2, 2]])]),
    ("EmbeddingBag", (5, 3, 1.0, 1.0, True), {"mode": "sum"}, []),
    ("AdaptiveLogSoftmaxWithLoss", (8, 10, [2, 5]), {"div_value": 2.0},
     [(6, 8), np.array([0, 9, 4, 1, 7, 2])]),
    ("AdaptiveLogSoftmaxWithLoss", (8, 10, [2]), {"head_bias": True}, [(8,), np.array(1)]),
]  # fmt: skip

SIGNS = np.array([[1, -1, 1, 1], [-1, -1, 1, -1], [1, 1, -1, 1]])
INSIDE = numbers(3, 4, low=0.1, high=0.9)
LOSSES: list[tuple[str, tuple[Any, ...], dict[str, Any], list[Any]]] = [
    ("MSELoss", (), {}, [(3, 4)] * 2), ("L1Loss", (), {}, [(3, 4)] * 2),
    ("SmoothL1Loss", (), {"beta": 0.4}, [(3, 4)] * 2),
    ("HuberLoss", (), {"delta": 0.4}, [(3, 4)] * 2),
    ("BCELoss", (), {}, [INSIDE, INSIDE[::-1].copy()]),
    ("BCEWithLogitsLoss", (), {}, [(3, 4), INSIDE]),
    ("KLDivLoss", (), {"log_target": True}, [(3, 4)] * 2),
    ("PoissonNLLLoss", (), {"full": True}, [(3, 4), INSIDE * 4]),
    ("GaussianNLLLoss", (), {"full": True, "eps": 0.2}, [(3, 4), (3, 4), INSIDE]),
    ("SoftMarginLoss", (), {}, [(3, 4), SIGNS]),
    ("HingeEmbeddingLoss", (0.5,), {}, [(3, 4), SIGNS]),
    ("MarginRankingLoss", (0.5,), {}, [(3, 4), (3, 4), SIGNS]),
    ("CosineEmbeddingLoss", (0.1,), {}, [(3, 4), (3, 4), np.array([1, -1, 1])]),
    ("MultiMarginLoss", (2, 0.7), {}, [(3, 4), np.array([1, 0, 3])]),
    ("MultiLabelMarginLoss", (), {}, [(3, 4), np.array([[1, 0, -1, 2]] * 3)]),
    ("MultiLabelSoftMarginLoss", (), {}, [(3, 4), INSIDE]),
    ("TripletMarginLoss", (0.8, 3.0), {"swap": True}, [(3, 4)] * 3),
    ("TripletMarginWithDistanceLoss", (), {"margin": 0.8}, [(3, 4)] * 3),
    ("CrossEntropyLoss", (), {"label_smoothing": 0.2}, [(3, 4), np.array([1, 0, 3])]),
    ("NLLLoss", (), {"ignore_index": 0}, [(3, 4), np.array([1, 0, 3])]),
]  # fmt: skip


def inputs(given: list[Any]) -> list[np.ndarray]:
    return [x if isinstance(x, np.ndarray) else numbers(*x, seed=i) for i, x in enumerate(given)]


def built(L: Any, name: str, args: Any, keywords: Any, values: dict[str, Any]) -> Any:
    layer = getattr(L.nn, name)(*args, **keywords)
    layer.load_state_dict({k: L.tensor(v) for k, v in values.items()})
    return layer.double()


@pytest.mark.parametrize("name, args, keywords, given", LAYERS + LOSSES)
def test_against_pytorch(name: str, args: Any, keywords: Any, given: Any) -> None:
    import torch

    mine, theirs = (getattr(L.nn, name)(*args, **keywords) for L in (ad, torch))
    assert repr(mine) == repr(theirs)
    assert [(k, tuple(v.shape)) for k, v in mine.state_dict().items()] == [
        (k, tuple(v.shape)) for k, v in theirs.state_dict().items()
    ]
    assert [n for n, _ in mine.named_parameters()] == [n for n, _ in theirs.named_parameters()]
    values = {k: v.numpy() for k, v in theirs.state_dict().items()}
    if not given:
        return

    def call(L: Any, *tensors: Any) -> Any:
        layer = built(L, name, args, keywords, values)
        first = layer(*tensors)
        total = sum(t.sum() for t in (first if isinstance(first, tuple) else [first]))
        over = [p for p in layer.parameters() if p.requires_grad]
        grads = ()
        if over:
            grads = L.autograd.grad(total, over, retain_graph=True, allow_unused=True)
        layer.eval()
        second = layer(*(t.detach() if t.is_floating_point() else t for t in tensors))
        return [*(first if isinstance(first, tuple) else [first]), *grads, *layer.buffers(),
                *(second if isinstance(second, tuple) else [second])]  # fmt: skip

    second = name not in ("MultiMarginLoss", "MultiLabelMarginLoss", "EmbeddingBag")
    arrays = inputs(given)
    floating = any(a.dtype.kind == "f" for a in arrays)
    agree(call, *arrays, second=second and floating, gradients=floating)


@pytest.mark.parametrize("reduction", ["none", "sum"])
@pytest.mark.parametrize("name, args, keywords, given", LOSSES)
def test_reductions(name: str, args: Any, keywords: Any, given: Any, reduction: str) -> None:
    def call(L: Any, *tensors: Any) -> Any:
        return getattr(L.nn, name)(*args, reduction=reduction, **keywords)(*tensors)

    agree(call, *inputs(given), second=False)


def test_ctc_loss() -> None:
    x, t = numbers(6, 2, 4), np.array([[1, 2], [3, 3]])
    agree(lambda L, x, t: L.nn.CTCLoss()(x.log_softmax(2), t, (6, 5), (2, 2)), x, t, second=False)
    agree(lambda L, x, t: L.nn.CTCLoss(3, "sum", True)(x.log_softmax(2), t, (6, 1), (2, 2)),
          x, t - 1, second=False)  # fmt: skip


def test_weighted_losses_keep_their_weights() -> None:
    w = np.array([0.5, 1.0, 2.0, 0.1])
    for name in ("CrossEntropyLoss", "NLLLoss", "MultiMarginLoss", "MultiLabelSoftMarginLoss"):
        target = INSIDE if name.endswith("SoftMarginLoss") else np.array([1, 0, 3])

        def call(L: Any, x: Any, t: Any, w: Any, name: str = name) -> Any:
            loss = getattr(L.nn, name)(weight=w.detach())
            assert list(loss.state_dict()) == ["weight"]
            return loss(x, t)

        agree(call, numbers(3, 4), target, w, second=False)


def test_embeddings_from_tables() -> None:
    table = numbers(5, 3)
    agree(lambda L, w, i: L.nn.Embedding.from_pretrained(w.detach(), padding_idx=1)(i),
          table, np.array([[0, 1]]), gradients=False)  # fmt: skip
    agree(lambda L, w, i: L.nn.EmbeddingBag.from_pretrained(w.detach(), mode="sum")(i),
          table, np.array([[0, 1]]), gradients=False)  # fmt: skip
    assert not ad.nn.EmbeddingBag.from_pretrained(ad.ones(2, 2)).weight.requires_grad
    assert ad.nn.EmbeddingBag.from_pretrained(ad.ones(2, 2), freeze=False).weight.requires_grad
    bag = ad.nn.EmbeddingBag(4, 2, padding_idx=-1)
    assert bag.padding_idx == 3 and bag.weight[3].abs().sum() == 0


def test_starting_values() -> None:
    """The bounds of what is drawn; PyTorch's distributions."""
    import torch

    for L in (ad, torch):
        layer = L.nn.Bilinear(9, 40, 30)
        for values in (layer.weight, layer.bias):
            top = values.abs().max().item()
            assert 0.8 / 3 < top <= 1 / 3, L
        table = L.nn.EmbeddingBag(60, 40).weight
        assert abs(table.std().item() - 1) < 0.1, L
    assert (ad.nn.PReLU(3, 0.4).weight == 0.4).all()
    norm = ad.nn.GroupNorm(1, 2)
    assert norm.weight.tolist() == [1, 1] and norm.bias.tolist() == [0, 0]


def test_adaptive_softmax_gives_every_class() -> None:
    def call(L: Any, x: Any) -> Any:
        layer = L.nn.AdaptiveLogSoftmaxWithLoss(6, 9, [2, 4], 2.0, dtype=L.float64)
        with L.no_grad():
            for i, p in enumerate(layer.parameters()):
                line = L.linspace(-1, 1, p.numel(), dtype=L.float64)
                p.copy_(line.reshape(p.shape) * (i + 1) * 0.3)
        return layer.log_prob(x), layer.predict(x)

    agree(call, numbers(5, 6))


def test_layers_are_also_where_pytorch_has_them() -> None:
    assert ad.nn.modules.activation.ReLU6 is ad.nn.ReLU6
    assert ad.nn.modules.loss.CTCLoss is ad.nn.CTCLoss
    assert isinstance(ad.nn.SyncBatchNorm(2), ad.nn.modules.batchnorm._BatchNorm)


REFUSED: list[tuple[Any, str]] = [
    (lambda L, x: L.nn.Hardtanh(1.0, 1.0), "max_val must be greater than min_val"),
    (lambda L, x: L.nn.Dropout(1.5), "dropout probability has to be between 0 and 1, but got 1.5"),
    (lambda L, x: L.nn.GroupNorm(3, 4), "num_channels (4) must be divisible by num_groups (3)"),
    (lambda L, x: L.nn.Softmax2d()(x), "Softmax2d: expected input to be 3D or 4D, got 2D instead"),
    (lambda L, x: L.nn.BatchNorm3d(4)(x), "expected 5D input (got 2D input)"),
    (lambda L, x: L.nn.InstanceNorm2d(4)(x), "expected 3D or 4D input (got 2D input)"),
    (lambda L, x: L.nn.InstanceNorm1d(5, affine=True)(x),
     "expected input's size at dim=0 to match"),
    (lambda L, x: L.nn.Bilinear(0, 2, 3), "in1_features must be > 0, but got 0"),
    (lambda L, x: L.nn.MultiMarginLoss(3), "only p == 1 and p == 2 supported"),
    (lambda L, x: L.nn.TripletMarginLoss(0.0),
     "TripletMarginLoss: expected margin to be greater t"),
    (lambda L, x: L.nn.AdaptiveLogSoftmaxWithLoss(4, 5, [3, 2]),
     "cutoffs should be a sequence of u"),
    (lambda L, x: L.nn.NoSuchLayer(), "module 'anadrome.nn' has no attribute 'NoSuchLayer'"),
    (lambda L, x: L.nn.functional.no_such(), "module 'anadrome.nn.functional' has no attribute"),
]  # fmt: skip


@pytest.mark.parametrize("call, text", REFUSED)
def test_refusals(call: Any, text: str) -> None:
    import torch

    errors = (RuntimeError, ValueError, AssertionError, AttributeError)
    with pytest.raises(errors):
        call(torch, torch.ones(3, 4))
    with pytest.raises(errors) as caught:
        call(ad, ad.ones(3, 4))
    assert str(caught.value).startswith(text)
