"""The layers against PyTorch: signatures, representations, keys, values; containers; refusals."""

from __future__ import annotations

import inspect
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
from nn_twin import arrays, both, host, same_text

import anadrome as ad
from anadrome import nn
from anadrome.nn import functional as F

LAYERS: list[Any] = [
    ("Linear", (4, 3), {}, (5, 4)),
    ("Linear", (4, 3), {"bias": False}, (2, 5, 4)),
    ("Conv1d", (4, 6, 3), {"padding": "same", "dilation": 2}, (2, 4, 9)),
    ("Conv1d", (4, 6, 3), {"padding": 2, "padding_mode": "circular"}, (2, 4, 9)),
    ("Conv2d", (4, 6, 3), {"stride": 2, "padding": (1, 0), "groups": 2}, (2, 4, 7, 7)),
    ("Conv2d", (4, 6, (3, 2)), {"bias": False, "padding": "valid"}, (2, 4, 7, 7)),
    ("Conv2d", (4, 6, 3), {"padding": 1, "padding_mode": "reflect"}, (2, 4, 7, 7)),
    ("Conv2d", (4, 6, 4), {"padding": "same", "padding_mode": "replicate"}, (2, 4, 7, 7)),
    ("MaxPool1d", (2,), {"ceil_mode": True}, (2, 3, 7)),
    ("MaxPool2d", (3,), {"stride": 2, "padding": 1}, (2, 3, 7, 7)),
    ("MaxPool2d", ((2, 3),), {"return_indices": True}, (2, 3, 7, 7)),
    ("AvgPool1d", (2,), {}, (2, 3, 7)),
    ("AvgPool2d", (3, 2, 1), {"count_include_pad": False}, (2, 3, 7, 7)),
    ("AvgPool2d", (2,), {"divisor_override": 3}, (2, 3, 7, 7)),
    ("BatchNorm1d", (4,), {}, (5, 4)),
    ("BatchNorm1d", (4,), {"momentum": None}, (5, 4, 3)),
    ("BatchNorm2d", (4,), {"affine": False}, (5, 4, 3, 2)),
    ("BatchNorm2d", (4,), {"track_running_stats": False, "bias": False}, (5, 4, 3, 2)),
    ("LayerNorm", (4,), {}, (5, 4)),
    ("LayerNorm", ([3, 4],), {"elementwise_affine": False, "eps": 1e-3}, (5, 3, 4)),
    ("LayerNorm", (4,), {"bias": False}, (5, 4)),
    ("Dropout", (0.0,), {}, (5, 4)),
    ("ReLU", (), {}, (5, 4)),
    ("ReLU", (), {"inplace": True}, None),
    ("GELU", (), {"approximate": "tanh"}, (5, 4)),
    ("SiLU", (), {}, (5, 4)),
    ("Tanh", (), {}, (5, 4)),
    ("Sigmoid", (), {}, (5, 4)),
    ("LogSigmoid", (), {}, (5, 4)),
    ("Softmax", (1,), {}, (5, 4)),
    ("LogSoftmax", (), {"dim": -1}, (5, 4)),
    ("LeakyReLU", (0.2,), {}, (5, 4)),
    ("LeakyReLU", (0.2, True), {}, None),
    ("ELU", (0.5,), {}, (5, 4)),
    ("Softplus", (2.0, 10.0), {}, (5, 4)),
    ("Flatten", (), {}, (5, 4, 3)),
    ("Unflatten", (1, (2, -1)), {}, (5, 4)),
    ("Identity", (), {}, (5, 4)),
]


#: Beside them stand the options of one.
MODULES = [n for n in nn.modules.__all__ if issubclass(getattr(nn, n), nn.Module)]


def _built(fw: Any, name: str, args: Any, keywords: Any) -> Any:
    return getattr(fw.nn, name)(*args, **keywords)


@pytest.mark.torch
@pytest.mark.parametrize("name, args, keywords, shape", LAYERS)
def test_layers(name: str, args: Any, keywords: Any, shape: Any) -> None:
    torch = pytest.importorskip("torch")
    mine, theirs = (_built(fw, name, args, keywords) for fw in (ad, torch))
    same_text(mine, theirs)
    assert list(mine.state_dict()) == list(theirs.state_dict())
    for a, b in zip(mine.state_dict().values(), theirs.state_dict().values()):
        assert tuple(a.shape) == tuple(b.shape)
        assert a.dtype.name == str(b.dtype).removeprefix("torch.")
    if shape is None:
        return
    values = {k: np.array(v.numpy()) for k, v in theirs.state_dict().items()}

    def run(fw: Any, x: Any) -> Any:
        layer = _built(fw, name, args, keywords)
        layer.load_state_dict({k: fw.tensor(v) for k, v in values.items()})
        layer.double()
        out = layer(x)
        first = out[0] if isinstance(out, tuple) else out
        again = layer.eval()(x)
        again = again[0] if isinstance(again, tuple) else again
        return (first + again, *(b.double() for b in layer.buffers()))

    both(run, *arrays(shape))


@pytest.mark.torch
@pytest.mark.parametrize("name", sorted({*MODULES} - {"Module"}))
def test_signatures_are_pytorchs(name: str) -> None:
    torch = pytest.importorskip("torch")
    mine = inspect.signature(getattr(nn, name).__init__).parameters
    theirs = inspect.signature(getattr(torch.nn, name).__init__).parameters
    assert _form(mine) == _form(theirs)
    assert issubclass(getattr(nn, name), nn.Module)


@pytest.mark.torch
@pytest.mark.parametrize("name", F.__all__)
def test_signatures_of_functions_are_pytorchs(name: str) -> None:
    torch = pytest.importorskip("torch")
    mine = inspect.signature(getattr(F, name))
    theirs = getattr(torch.nn.functional, name)
    try:
        wanted = inspect.signature(theirs)
    except ValueError:  # written in C++: its signature is the first line of its documentation
        line = theirs.__doc__.strip().split("->")[0]
        names = [p.split("=")[0].strip() for p in line[line.index("(") + 1 :].split(",")]
        # Which of them take `out`, their documentation does not say.
        assert [n for n in mine.parameters if n != "out"] == [
            n.strip(") \n") for n in names if n.strip(") \n") not in ("", "*", "out")
        ]
        return
    if "args" not in wanted.parameters:  # a dispatcher that hides the real one
        assert _form(mine.parameters) == _form(wanted.parameters)


def _form(parameters: Any) -> Any:
    """A default that is a function by its name: each library has its own."""
    return [
        (p.name, getattr(p.default, "__name__", p.default), p.kind)
        for p in parameters.values()
        if p.name != "self"
    ]


def test_every_module_and_function_says_what_it_is() -> None:
    for name in nn.modules.__all__:
        assert getattr(nn, name).__doc__, name
    for name in MODULES:
        assert getattr(nn, name).forward.__doc__, name
    for name in F.__all__:
        assert getattr(F, name).__doc__, name


@pytest.mark.torch
@pytest.mark.parametrize("name", ["MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss", "BCELoss",
                                  "BCEWithLogitsLoss"])  # fmt: skip
def test_losses_of_pairs(name: str) -> None:
    pytest.importorskip("torch")
    x, y = arrays((3, 4), (3, 4), low=0.1, high=0.9)
    for reduction in ("mean", "sum", "none"):
        both(lambda fw, x, y, r=reduction: getattr(fw.nn, name)(reduction=r)(x, y), x, y)


@pytest.mark.torch
def test_losses_of_classes() -> None:
    torch = pytest.importorskip("torch")
    x, t = arrays((5, 3))[0], np.array([0, 2, 1, 1, 0])

    def run(fw: Any, x: Any, t: Any) -> Any:
        weight = fw.tensor([0.5, 1.0, 2.0], dtype=fw.float64)
        one = fw.nn.CrossEntropyLoss(weight, ignore_index=1, label_smoothing=0.1)
        other = fw.nn.NLLLoss(weight, reduction="sum")
        binary = fw.nn.BCEWithLogitsLoss(pos_weight=weight)
        return one(x, t) + other(x, t) + binary(x, x.sigmoid().detach())

    both(run, x, t)
    weight = [0.5, 1.0, 2.0]
    same_text(
        nn.CrossEntropyLoss(ad.tensor(weight)), torch.nn.CrossEntropyLoss(torch.tensor(weight))
    )
    assert list(nn.CrossEntropyLoss(ad.tensor(weight)).state_dict()) == ["weight"]
    assert list(nn.BCEWithLogitsLoss(pos_weight=ad.tensor(weight)).state_dict()) == ["pos_weight"]


# -- batch normalisation ------------------------------------------------------------------------
def test_batch_norm_statistics_by_hand() -> None:
    layer = nn.BatchNorm1d(1, momentum=0.5)
    out = layer(ad.tensor([[1.0], [3.0]]))
    np.testing.assert_allclose(host(out), [[-1.0], [1.0]], atol=1e-4)
    assert layer.running_mean.tolist() == [1.0]  # 0 + (2 - 0) / 2
    assert layer.running_var.tolist() == [1.5]  # 1 + (2 - 1) / 2, of the unbiased variance
    assert layer.num_batches_tracked.item() == 1
    layer.eval()
    np.testing.assert_allclose(host(layer(ad.tensor([[1.0]]))), [[0.0]], atol=1e-6)
    assert layer.num_batches_tracked.item() == 1
    layer.reset_running_stats()
    assert layer.running_var.tolist() == [1.0]


def test_batch_norm_does_not_record_its_statistics() -> None:
    layer = nn.BatchNorm2d(2)
    x = ad.randn(3, 2, 4, 4, requires_grad=True)
    for _ in range(2):
        layer(x).sum().backward()
    assert not layer.running_mean.requires_grad
    assert layer.running_mean.grad_fn is None


def test_batch_norm_loads_a_state_of_before_it_counted() -> None:
    layer = nn.BatchNorm1d(2)
    state = layer.state_dict()
    del state["num_batches_tracked"]
    with pytest.raises(RuntimeError, match=r'Missing key.*"num_batches_tracked"'):
        layer.load_state_dict(state)
    state._metadata[""]["version"] = 1
    layer.load_state_dict(state)
    layer.load_state_dict(dict(state))  # no version at all is an old one


# -- embedding ----------------------------------------------------------------------------------
@pytest.mark.torch
def test_embedding() -> None:
    torch = pytest.importorskip("torch")
    for keywords in (
        {}, {"padding_idx": -1}, {"max_norm": 2.0, "norm_type": 1.0, "scale_grad_by_freq": True},
        {"sparse": True},
    ):  # fmt: skip
        same_text(nn.Embedding(5, 3, **keywords), torch.nn.Embedding(5, 3, **keywords))
    layer = nn.Embedding(5, 3, padding_idx=1)
    assert layer.weight[1].tolist() == [0.0] * 3
    layer(ad.tensor([1, 2, 2])).sum().backward()
    assert layer.weight.grad.tolist() == [[0.0] * 3, [0.0] * 3, [2.0] * 3, [0.0] * 3, [0.0] * 3]
    frozen = nn.Embedding.from_pretrained(ad.ones(2, 3))
    assert not frozen.weight.requires_grad
    assert frozen(ad.tensor([1])).tolist() == [[1.0] * 3]
    with pytest.raises(AssertionError, match=r"Padding_idx must be within num_embeddings"):
        nn.Embedding(5, 3, padding_idx=5)
    with pytest.raises(AssertionError, match=r"Shape of weight does not match"):
        nn.Embedding(5, 3, _weight=ad.ones(2, 3))
    with pytest.raises(AssertionError, match=r"expected to be 2-dimensional"):
        nn.Embedding.from_pretrained(ad.ones(3))


# -- containers ---------------------------------------------------------------------------------
def containers(fw: Any) -> list[Any]:
    """What containers give, as text."""
    seen: list[Any] = []
    lin = fw.nn.Linear
    s = fw.nn.Sequential(lin(1, 2), fw.nn.ReLU(), lin(2, 3))
    seen += [len(s), repr(s[1:]), repr(s[-1]), repr(s[::2]), [type(m).__name__ for m in s]]
    s[1] = fw.nn.Tanh()
    s.append(fw.nn.ReLU()).extend([fw.nn.Tanh()])
    s.insert(1, fw.nn.Identity())
    seen.append(repr(s))
    del s[0]
    del s[-2:]
    seen += [repr(s), repr(s.pop(0)), list(s.state_dict())]
    s += fw.nn.Sequential(fw.nn.SiLU())
    seen += [repr(s + fw.nn.Sequential(fw.nn.ELU())), repr(s * 2), repr(2 * s)]
    s *= 2
    seen.append(repr(s))
    named = fw.nn.Sequential(OrderedDict(a=lin(1, 1), b=fw.nn.ReLU()))
    seen += [repr(named), repr(named[:1]), repr(named.a), list(named.state_dict())]
    several = fw.nn.ModuleList([lin(1, 1), lin(1, 1), fw.nn.ReLU()])
    several += [fw.nn.Tanh()]
    several.insert(1, fw.nn.SiLU())
    seen += [repr(several), repr(several[:2]), repr(several + [fw.nn.ELU()]), len(several)]
    several[-1] = lin(2, 2)
    del several[1]
    seen += [repr(several), repr(several.pop(0)), repr(fw.nn.ModuleList())]
    d = fw.nn.ModuleDict({"x": fw.nn.ReLU()})
    d.update([["y", fw.nn.Tanh()]])
    d["z"] = lin(1, 1)
    seen += [repr(d), list(d), "x" in d, "q" in d, repr(d.pop("x")), len(d), sorted(d.keys())]
    seen += [[n for n, _ in d.items()], [repr(m) for m in d.values()], repr(d.y)]
    del d["y"]
    d.clear()
    seen.append(repr(d))
    nested = fw.nn.Sequential(fw.nn.Sequential(lin(1, 1), fw.nn.ModuleList([lin(1, 1)] * 3)))
    seen += [repr(nested), [n for n, _ in nested.named_modules()]]
    return seen


@pytest.mark.torch
def test_containers() -> None:
    torch = pytest.importorskip("torch")
    assert containers(ad) == containers(torch)


def test_containers_without_pytorch() -> None:
    s = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    assert repr(s) == (
        "Sequential(\n  (0): Linear(in_features=2, out_features=3, bias=True)\n  (1): ReLU()\n)"
    )
    assert list(s.state_dict()) == ["0.weight", "0.bias"]
    assert nn.Sequential()(3) == 3


CONTAINER_REFUSALS: list[Any] = [
    (lambda: nn.Sequential(nn.ReLU())[3], IndexError, "^index 3 is out of range"),
    (lambda: nn.ModuleList([nn.ReLU()])[-2], IndexError, "^index -2 is out of range"),
    (lambda: nn.Sequential(3), TypeError, "^int is not a Module subclass"),
    (lambda: nn.ModuleList([3]), TypeError, "^int is not a Module subclass"),
    (lambda: nn.ModuleList(3), TypeError, "^ModuleList.extend should be called with an iterable"),
    (lambda: nn.ModuleDict({"a": 3}), TypeError, "^int is not a Module subclass"),
    (lambda: nn.ModuleDict(3), TypeError, "^ModuleDict.update should be called with an iterable"),
    (lambda: nn.ModuleDict([("a",)]), ValueError, "element #0 has length 1; 2 is required"),
    (lambda: nn.ModuleDict([3]), TypeError, "element #0 should be Iterable; is int"),
    (lambda: nn.Sequential() + [], ValueError, "^add operator supports only objects of Sequential"),
    (lambda: nn.Sequential() * 0, ValueError, "^Non-positive multiplication factor 0"),
    (lambda: nn.Sequential() * 1.5, TypeError, r"^unsupported operand type\(s\) for \*"),
    (lambda: nn.Sequential().insert(3, nn.ReLU()), IndexError, "^Index out of range: 3"),
    (lambda: nn.ModuleList()(1), NotImplementedError,
     r'^Module \[ModuleList\] is missing the required "forward"'),
]  # fmt: skip


@pytest.mark.parametrize("call, error, text", CONTAINER_REFUSALS)
def test_container_refusals(call: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()
