"""Wrong use of layers and functions: found at the call, with PyTorch's words first."""

from __future__ import annotations

from typing import Any

import pytest

import anadrome as ad
from anadrome import nn
from anadrome.nn import functional as F

X = ad.zeros(4, 5)
IM = ad.zeros(2, 3, 6, 6)
REFUSALS: list[Any] = [
    (lambda: F.linear(X, ad.zeros(3, 4)), RuntimeError,
     r"^mat1 and mat2 shapes cannot be multiplied \(4x5 and 4x3\)"),
    (lambda: nn.Linear(4, 2)(X), RuntimeError,
     "the input's last dimension is 5, the layer takes 4"),
    (lambda: F.linear(ad.tensor(1.0), ad.zeros(3, 4)), RuntimeError, "^linear: expected an input"),
    (lambda: F.conv2d(IM, ad.zeros(4, 2, 3, 3)), RuntimeError,
     r"^Given groups=1, weight of size \[4, 2, 3, 3\], expected input\[2, 3, 6, 6\] to have 2 "
     "channels, but got 3 channels instead"),
    (lambda: F.conv2d(ad.zeros(3, 3), ad.zeros(4, 2, 3, 3)), RuntimeError,
     r"^Expected 3D \(unbatched\) or 4D \(batched\) input to conv2d, but got input of size: "
     r"\[3, 3\]"),
    (lambda: F.conv2d(IM, ad.zeros(4, 3, 9, 9)), RuntimeError,
     r"^Calculated padded input size per channel: \(6 x 6\). Kernel size: \(9 x 9\). Kernel size "
     "can't be greater than actual input size"),
    (lambda: F.conv2d(IM, ad.zeros(4, 3, 3, 3), ad.zeros(3)), RuntimeError,
     r"^Given weight of size \[4, 3, 3, 3\], expected bias to be 1-dimensional with 4 elements"),
    (lambda: F.conv2d(IM, ad.zeros(4, 3, 3, 3), padding="same", stride=2), RuntimeError,
     "^padding='same' is not supported for strided convolutions"),
    (lambda: F.conv2d(IM, ad.zeros(4, 3, 3, 3), padding="bad"), RuntimeError,
     "^Invalid padding string: 'bad'"),
    (lambda: F.conv2d(IM[:, :2], ad.zeros(3, 1, 3, 3), groups=2), RuntimeError,
     "^Given groups=2, expected weight to be divisible by 2 at dimension 0"),
    (lambda: F.conv2d(IM, ad.zeros(4, 3, 3, 3), stride=0), RuntimeError,
     "^non-positive stride is not supported"),
    (lambda: F.conv2d(IM, ad.zeros(4, 3, 3, 3), padding=-1), RuntimeError,
     "^negative padding is not supported"),
    (lambda: F.conv2d(IM, ad.zeros(4, 3, 3, 3), stride=(1, 1, 1)), RuntimeError,
     "^expected stride to be a single integer value or a list of 2 values to match the "
     r"convolution dimensions, but got stride=\[1, 1, 1\]"),
    (lambda: nn.Conv2d(3, 4, 3, groups=2), ValueError, "^in_channels must be divisible by groups"),
    (lambda: nn.Conv2d(4, 3, 3, groups=2), ValueError, "^out_channels must be divisible by groups"),
    (lambda: nn.Conv2d(4, 4, 3, groups=0), ValueError, "^groups must be a positive integer"),
    (lambda: nn.Conv2d(4, 4, 3, padding="x"), ValueError, "^Invalid padding string 'x'"),
    (lambda: nn.Conv2d(4, 4, 3, padding="same", stride=2), ValueError, "strided convolutions"),
    (lambda: nn.Conv2d(4, 4, 3, padding_mode="x"), ValueError, "^padding_mode must be one of"),
    (lambda: F.max_pool2d(IM, 2, padding=2), RuntimeError,
     "^pad should be at most half of effective kernel size, but got pad=2, kernel_size=2 and "
     "dilation=1"),
    (lambda: F.max_pool2d(IM, 9), RuntimeError,
     r"^Given input size: \(3x6x6\). Calculated output size: \(3x0x0\). Output size is too small"),
    (lambda: F.max_pool1d(IM, 2), RuntimeError,
     r"^max_pool1d: Expected 2D or 3D \(batch mode\) tensor"),
    (lambda: F.max_pool2d(IM, 2, 0), RuntimeError, "^stride should not be zero"),
    (lambda: F.avg_pool2d(IM, 2, divisor_override=0), RuntimeError, "^divisor must be not zero"),
    (lambda: F.batch_norm(X[:1], None, None, training=True), ValueError,
     r"^Expected more than 1 value per channel when training, got input size "
     r"anadrome.Size\(\[1, 5\]\)"),
    (lambda: F.batch_norm(X, None, None), RuntimeError,
     "^running_mean must be defined in evaluation mode"),
    (lambda: F.batch_norm(X, ad.zeros(4), ad.ones(4)), RuntimeError,
     "^running_mean should contain 5 elements not 4"),
    (lambda: F.batch_norm(X, ad.zeros(5), ad.ones(5), ad.ones(4)), RuntimeError,
     "^weight should contain 5 elements not 4"),
    (lambda: F.batch_norm(X, None, None, training=True, eps=0.0), ValueError,
     "^batch_norm eps must be positive during training, but got 0.0"),
    (lambda: nn.BatchNorm2d(3)(X), ValueError, r"^expected 4D input \(got 2D input\)"),
    (lambda: nn.BatchNorm1d(3)(IM), ValueError, r"^expected 2D or 3D input \(got 4D input\)"),
    (lambda: F.layer_norm(X, (4,)), RuntimeError,
     r"^Given normalized_shape=\[4\], expected input with shape \[\*, 4\], but got input of "
     r"size\[4, 5\]"),
    (lambda: F.layer_norm(X, (5,), ad.ones(4)), RuntimeError,
     r"^Expected weight to be of same shape as normalized_shape, but got weight of shape \[4\] "
     r"and normalized_shape = \[5\]"),
    (lambda: F.dropout(X, 1.5), ValueError,
     "^dropout probability has to be between 0 and 1, but got 1.5"),
    (lambda: nn.Dropout(2), ValueError,
     "^dropout probability has to be between 0 and 1, but got 2"),
    (lambda: F.embedding(X, X), RuntimeError,
     "^Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, "
     "Int; but got float32"),
    (lambda: F.embedding(ad.tensor([1, 4]), X), IndexError, "^index out of range in self"),
    (lambda: F.embedding(ad.tensor([1, -1]), X), IndexError, "an index is -1"),
    (lambda: F.embedding(ad.tensor([1]), X, padding_idx=9), AssertionError,
     "^Padding_idx must be within num_embeddings"),
    (lambda: F.softmax(X, 5), IndexError,
     r"^Dimension out of range \(expected to be in range of \[-2, 1\], but got 5\)"),
    (lambda: F.gelu(X, approximate="bad"), RuntimeError,
     "^approximate argument must be either none or tanh"),
    (lambda: F.one_hot(X), RuntimeError,
     "^one_hot is only applicable to index tensor of type LongTensor"),
    (lambda: F.one_hot(ad.tensor([-1, 2])), RuntimeError, "^Class values must be non-negative."),
    (lambda: F.one_hot(ad.tensor([3]), 2), RuntimeError,
     "^Class values must be smaller than num_classes."),
    (lambda: F.one_hot(ad.zeros(0).long()), RuntimeError,
     "^Can not infer total number of classes from empty tensor"),
    (lambda: F.pad(X, (1,)), RuntimeError, "^Padding length must be divisible by 2"),
    (lambda: F.pad(X, (1,) * 6), RuntimeError,
     "^Padding length should be less than or equal to two times the input dimension but got "
     "padding length 6 and input of dimension 2"),
    (lambda: F.pad(X, (-3, -3)), RuntimeError, r"^narrow\(\): length must be non-negative"),
    (lambda: F.pad(X, (1, 1), mode="bad"), NotImplementedError, "^Unrecognised padding mode bad"),
    (lambda: F.pad(X, (5, 0), mode="reflect"), RuntimeError,
     "^Padding size should be less than the corresponding input dimension"),
    (lambda: F.pad(X, (1, 0), mode="reflect", value=1.0), RuntimeError,
     "^Padding mode \"reflect\" doesn't take in value argument"),
    (lambda: F.scaled_dot_product_attention(X, X, X, attn_mask=X @ X.T > 0, is_causal=True),
     RuntimeError, "Explicit attn_mask should not be set when is_causal=True"),
    (lambda: F.scaled_dot_product_attention(X[0], X[0], X[0]), RuntimeError,
     "^Expected query, key, and value to all be  at least 2 dimensional"),
    (lambda: nn.Unflatten(1, 3), TypeError, "^unflattened_size must be a tuple of ints"),
    (lambda: nn.Unflatten(1, (2.0,)), TypeError, "found element of type float at pos 0"),
]  # fmt: skip


@pytest.mark.parametrize("call, error, text", REFUSALS)
def test_refusals(call: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()
