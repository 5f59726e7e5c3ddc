"""The layers over spatial dimensions: PyTorch's names, repr, state and numbers."""

from __future__ import annotations

import inspect
import math
from typing import Any

import numpy as np
import pytest
from oracle import numbers

import anadrome as ad

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore:Note that order of the arguments"),
    pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel"),
]

torch = pytest.importorskip("torch")

LINE, PLANE, VOLUME = (2, 4, 9), (2, 4, 6, 7), (2, 4, 4, 5, 6)
LAYERS: list[tuple[str, tuple[int, ...], tuple[Any, ...], dict[str, Any]]] = [
    ("Conv1d", LINE, (4, 6, 3), {"stride": 2, "padding": 1, "dilation": 2, "groups": 2}),
    ("Conv2d", PLANE, (4, 6, (3, 2)), {"bias": False, "padding": (1, 0)}),
    ("Conv2d", PLANE, (4, 6, 3), {"padding": 2, "padding_mode": "reflect"}),
    ("Conv2d", PLANE, (4, 6, 3), {"padding": (1, 2), "padding_mode": "circular"}),
    ("Conv2d", PLANE, (4, 6, (2, 3)), {"padding": "same", "padding_mode": "replicate"}),
    ("Conv2d", PLANE[1:], (4, 6, 3), {"padding": "valid"}),
    ("Conv3d", VOLUME, (4, 2, 3), {"padding": "same"}),
    ("Conv3d", VOLUME, (4, 2, 2), {"stride": (1, 2, 2), "padding": 1, "padding_mode": "circular"}),
    ("ConvTranspose1d", LINE, (4, 6, 3), {"stride": 2, "padding": 1, "output_padding": 1}),
    ("ConvTranspose2d", PLANE, (4, 6, 4), {"stride": 2, "padding": 1, "groups": 2}),
    ("ConvTranspose2d", PLANE, (4, 6, 3), {"dilation": 2, "bias": False}),
    ("ConvTranspose3d", VOLUME, (4, 2, 2), {"stride": 2}),
    ("MaxPool1d", LINE, (3,), {"stride": 2, "padding": 1, "ceil_mode": True}),
    ("MaxPool2d", PLANE, (2,), {}),
    ("MaxPool2d", PLANE, ((3, 2),), {"stride": 1, "dilation": 2, "return_indices": True}),
    ("MaxPool3d", VOLUME, (2,), {}),
    ("AvgPool1d", LINE, (3,), {"padding": 1, "count_include_pad": False}),
    ("AvgPool2d", PLANE, (3, 2), {"ceil_mode": True, "divisor_override": 2}),
    ("AvgPool3d", VOLUME, (2,), {"stride": 1}),
    ("AdaptiveAvgPool1d", LINE, (4,), {}),
    ("AdaptiveAvgPool2d", PLANE, ((None, 3),), {}),
    ("AdaptiveAvgPool2d", PLANE, (1,), {}),
    ("AdaptiveAvgPool3d", VOLUME, ((2, 3, 4),), {}),
    ("AdaptiveMaxPool1d", LINE, (4,), {"return_indices": True}),
    ("AdaptiveMaxPool2d", PLANE, ((3, 2),), {}),
    ("AdaptiveMaxPool3d", VOLUME, (2,), {}),
    ("LPPool1d", LINE, (2, 3), {}),
    ("LPPool2d", PLANE, (2, 2), {"stride": 1}),
    ("LPPool3d", VOLUME, (2, 2), {"ceil_mode": True}),
    ("Upsample", PLANE, (), {"scale_factor": 2, "mode": "bilinear", "align_corners": True}),
    ("Upsample", LINE, (5,), {}),
    ("Upsample", PLANE, (), {"scale_factor": (2, 1.5)}),
    ("UpsamplingNearest2d", PLANE, (), {"scale_factor": 2}),
    ("UpsamplingBilinear2d", PLANE, ((4, 9),), {}),
    ("ZeroPad1d", LINE, (2,), {}),
    ("ZeroPad2d", PLANE, ((1, 2, 0, 3),), {}),
    ("ZeroPad3d", VOLUME, (1,), {}),
    ("ConstantPad1d", LINE, (2, 3.5), {}),
    ("ConstantPad2d", PLANE, ((1, 2, 0, -1), 1.0), {}),
    ("ConstantPad3d", VOLUME, (1, -1.0), {}),
    ("ReflectionPad1d", LINE, (2,), {}),
    ("ReflectionPad2d", PLANE, ((1, 2, 0, 3),), {}),
    ("ReflectionPad3d", VOLUME, (1,), {}),
    ("ReplicationPad1d", LINE, ((0, 9),), {}),
    ("ReplicationPad2d", PLANE, (2,), {}),
    ("ReplicationPad3d", VOLUME, ((1, 2, 0, 3, 1, 1),), {}),
    ("CircularPad1d", LINE, (2,), {}),
    ("CircularPad2d", PLANE, (1,), {}),
    ("CircularPad3d", VOLUME, (1,), {}),
    ("Unfold", PLANE, (3,), {"padding": 1, "stride": 2}),
    ("Fold", (2, 8, 20), ((5, 6), 2), {}),
    ("PixelShuffle", PLANE, (2,), {}),
    ("PixelUnshuffle", (2, 4, 6, 8), (2,), {}),
    ("ChannelShuffle", PLANE, (2,), {}),
    ("Flatten", PLANE, (), {}),
    ("Flatten", PLANE, (2,), {"end_dim": 3}),
    ("Unflatten", PLANE, (1, (2, 2)), {}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "shape", "arguments", "keywords"), LAYERS)
def test_layer(name: str, shape: Any, arguments: Any, keywords: Any) -> None:
    ours = getattr(ad.nn, name)(*arguments, **keywords).double()
    theirs = getattr(torch.nn, name)(*arguments, **keywords).double()
    assert repr(ours) == repr(theirs)
    state = {k: v.numpy() for k, v in theirs.state_dict().items()}
    assert {k: v.shape for k, v in state.items()} == {
        k: tuple(v.shape) for k, v in ours.state_dict().items()
    }
    ours.load_state_dict({k: ad.tensor(v) for k, v in state.items()})
    values = numbers(*shape)
    if name.startswith("LPPool"):  # a root of a negative sum is none
        values = np.abs(values)
    x, y = ad.tensor(values, requires_grad=True), torch.tensor(values, requires_grad=True)
    out, wanted = ours(x), theirs(y)
    if isinstance(wanted, tuple):
        np.testing.assert_array_equal(out[1].numpy(), wanted[1].numpy())
        out, wanted = out[0], wanted[0]
    np.testing.assert_allclose(out.detach().numpy(), wanted.detach().numpy(), 1e-9, 1e-9)
    (out**2).sum().backward()
    (wanted**2).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), 1e-8, 1e-8)
    for p, q in zip(ours.parameters(), theirs.parameters()):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), 1e-8, 1e-8)


NAMES = sorted({name for name, *_ in LAYERS} | {
    "MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d", "FractionalMaxPool2d", "FractionalMaxPool3d",
})  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_arguments_are_those_of_pytorch(name: str) -> None:
    def told(cls: Any) -> list[tuple[str, Any]]:
        parameters = inspect.signature(cls).parameters.values()
        return [(p.name, p.default) for p in parameters]

    assert told(getattr(ad.nn, name)) == told(getattr(torch.nn, name))


@pytest.mark.parametrize("name", ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose2d"])
def test_starting_values_have_the_bounds_of_pytorch(name: str) -> None:
    ad.manual_seed(0)
    ours, theirs = getattr(ad.nn, name)(16, 24, 3), getattr(torch.nn, name)(16, 24, 3)
    bound = 1 / math.sqrt(theirs.weight[0].numel())
    for p, q in zip(ours.parameters(), theirs.parameters()):
        for largest in (float(p.abs().max()), q.abs().max().item()):
            assert 0.8 * bound < largest <= bound


@pytest.mark.parametrize(
    "name",
    ["conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
     "avg_pool1d", "max_pool1d", "max_pool2d", "max_pool3d", "adaptive_avg_pool1d",
     "pixel_shuffle", "pixel_unshuffle", "channel_shuffle"],
)  # fmt: skip
def test_names_that_are_functions_of_the_library_itself(name: str) -> None:
    assert hasattr(torch, name)
    assert getattr(ad, name) is getattr(ad.nn.functional, name)


def test_unpool_of_a_pool() -> None:
    values = numbers(2, 3, 7, 6)

    def there_and_back(L: Any, x: Any) -> Any:
        pool = L.nn.MaxPool2d(2, stride=2, return_indices=True)
        undo = L.nn.MaxUnpool2d(2, stride=2)
        assert repr(undo) == "MaxUnpool2d(kernel_size=(2, 2), stride=(2, 2), padding=(0, 0))"
        out, places = pool(x)
        return undo(out, places, output_size=x.size())

    got = there_and_back(ad, ad.tensor(values))
    np.testing.assert_array_equal(got.numpy(), there_and_back(torch, torch.tensor(values)).numpy())


def test_fractional_max_pool() -> None:
    x = ad.tensor(numbers(2, 3, 8, 9))
    assert ad.nn.FractionalMaxPool2d(3, output_size=(4, 5))(x).shape == (2, 3, 4, 5)
    assert ad.nn.FractionalMaxPool2d(3, output_ratio=0.5)(x).shape == (2, 3, 4, 4)
    with pytest.raises(ValueError, match="requires specifying either"):
        ad.nn.FractionalMaxPool2d(3)
    with pytest.raises(ValueError, match="only one of output_size and output_ratio"):
        ad.nn.FractionalMaxPool2d(3, 2, 0.5)
    with pytest.raises(ValueError, match="output_ratio must be between 0 and 1"):
        ad.nn.FractionalMaxPool2d(3, output_ratio=1.5)


def test_output_size_of_a_transposed_convolution() -> None:
    x = numbers(2, 4, 3, 3)
    ours = ad.nn.ConvTranspose2d(4, 2, 3, stride=2).double()
    theirs = torch.nn.ConvTranspose2d(4, 2, 3, stride=2).double()
    ours.load_state_dict({k: ad.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    for size in ((8, 7), (2, 2, 7, 8)):
        got = ours(ad.tensor(x), output_size=size)
        wanted = theirs(torch.tensor(x), output_size=size)
        np.testing.assert_allclose(got.detach().numpy(), wanted.detach().numpy(), 1e-9)
    with pytest.raises(ValueError, match="requested an output size of"):
        ours(ad.tensor(x), output_size=(9, 7))
    with pytest.raises(ValueError, match="output_size must have 2 or 4 elements"):
        ours(ad.tensor(x), output_size=(9,))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda nn: nn.Conv2d(3, 4, 3, groups=2), "in_channels must be divisible by groups"),
        (lambda nn: nn.Conv2d(4, 3, 3, groups=2), "out_channels must be divisible by groups"),
        (lambda nn: nn.Conv2d(4, 4, 3, groups=0), "groups must be a positive integer"),
        (lambda nn: nn.Conv2d(4, 4, 3, padding="some"), "Invalid padding string"),
        (lambda nn: nn.Conv2d(4, 4, 3, padding="same", stride=2), "padding='same' is not supp"),
        (lambda nn: nn.Conv2d(4, 4, 3, padding_mode="wrap"), "padding_mode must be one of"),
        (lambda nn: nn.ConvTranspose2d(4, 4, 3, padding_mode="reflect"), 'Only "zeros" padding'),
    ],
)
def test_refusals(make: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        make(torch.nn)
    with pytest.raises(ValueError, match=text):
        make(ad.nn)


class Residual:
    """A small residual net, for either library."""

    def __new__(cls, L: Any) -> Any:
        nn, F = L.nn, L.nn.functional

        class Block(nn.Module):
            def __init__(self, inside: int, outside: int, stride: int) -> None:
                super().__init__()
                self.conv1 = nn.Conv2d(inside, outside, 3, stride, 1, bias=False)
                self.bn1 = nn.BatchNorm2d(outside)
                self.conv2 = nn.Conv2d(outside, outside, 3, 1, 1, bias=False)
                self.bn2 = nn.BatchNorm2d(outside)
                self.shortcut = nn.Sequential()
                if stride != 1 or inside != outside:
                    self.shortcut = nn.Sequential(
                        nn.Conv2d(inside, outside, 1, stride, bias=False), nn.BatchNorm2d(outside)
                    )

            def forward(self, x: Any) -> Any:
                out = F.relu(self.bn1(self.conv1(x)))
                out = self.bn2(self.conv2(out))
                out += self.shortcut(x)
                return F.relu(out)

        return nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2, 1), Block(8, 8, 1), Block(8, 16, 2), nn.AdaptiveAvgPool2d((1, 1)),
            nn.Flatten(), nn.Linear(16, 5),
        )  # fmt: skip


def test_a_residual_net_trains_as_in_pytorch() -> None:
    ours, theirs = Residual(ad), Residual(torch)
    assert repr(ours) == repr(theirs)
    ours.load_state_dict({k: ad.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    images = numbers(4, 8, 3, 16, 16).astype(np.float32)
    labels = np.random.default_rng(0).integers(0, 5, (4, 8))
    losses: list[list[float]] = []
    for L, net in ((ad, ours), (torch, theirs)):
        optimizer = L.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
        seen = []
        for x, y in zip(images, labels):
            optimizer.zero_grad()
            loss = L.nn.functional.cross_entropy(net(L.tensor(x)), L.tensor(y))
            loss.backward()
            optimizer.step()
            seen.append(loss.item())
        losses.append(seen)
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)
    for (name, v), w in zip(ours.state_dict().items(), theirs.state_dict().values()):
        np.testing.assert_allclose(v.numpy(), w.numpy(), rtol=2e-3, atol=2e-5, err_msg=name)


@pytest.mark.parametrize("name", ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose2d"])
def test_what_a_convolution_tells_of_itself(name: str) -> None:
    def run(L: Any) -> Any:
        layer = getattr(L.nn, name)(2, 4, 3, stride=2, padding=1)
        return layer.transposed, layer.output_padding, layer.dilation, layer.padding

    assert run(ad) == run(torch)
