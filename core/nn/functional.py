"""functional: the functions that the modules call (PyTorch: ``torch.nn.functional``)."""

from __future__ import annotations

from .. import backend as backends
from ..errors import DomainError, DtypeError
from ..placement import at
from ..refusals import refusing
from ..tensor import Tensor, wrap
from . import _later
from ._activations import (
    elu,
    gelu,
    leaky_relu,
    log_softmax,
    logsigmoid,
    relu,
    sigmoid,
    silu,
    softmax,
    softplus,
    tanh,
)
from ._binary import binary_cross_entropy, binary_cross_entropy_with_logits
from ._convolution import conv1d, conv2d, conv3d
from ._layers import (
    batch_norm,
    dropout,
    embedding,
    layer_norm,
    linear,
    normalize,
)
from ._losses import (
    cross_entropy,
    huber_loss,
    l1_loss,
    mse_loss,
    nll_loss,
    smooth_l1_loss,
)
from ._padding import pad
from ._pooling import avg_pool1d, avg_pool2d, avg_pool3d, max_pool1d, max_pool2d, max_pool3d

__all__ = [
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "batch_norm",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "conv1d",
    "conv2d",
    "conv3d",
    "cross_entropy",
    "dropout",
    "elu",
    "embedding",
    "gelu",
    "huber_loss",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "logsigmoid",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "mse_loss",
    "nll_loss",
    "normalize",
    "one_hot",
    "pad",
    "relu",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "softmax",
    "softplus",
    "tanh",
]

# Functions that fewer programs use: the module that holds them, and their names.
_names, __getattr__, __dir__ = _later.later(
    __name__,
    _adaptive="adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d "
    "adaptive_max_pool2d adaptive_max_pool3d fractional_max_pool2d fractional_max_pool3d",
    _attention="scaled_dot_product_attention",
    _bags="embedding_bag",
    _ctc="ctc_loss",
    _distances="bilinear cosine_similarity pairwise_distance pdist",
    _dropouts="alpha_dropout dropout1d dropout2d dropout3d feature_alpha_dropout",
    _linear_loss="linear_cross_entropy",
    _likelihoods="gaussian_nll_loss kl_div poisson_nll_loss",
    _margins="cosine_embedding_loss hinge_embedding_loss margin_ranking_loss multi_margin_loss "
    "multilabel_margin_loss multilabel_soft_margin_loss soft_margin_loss triplet_margin_loss "
    "triplet_margin_with_distance_loss",
    _indices="adaptive_max_pool1d_with_indices adaptive_max_pool2d_with_indices "
    "adaptive_max_pool3d_with_indices fractional_max_pool2d_with_indices "
    "fractional_max_pool3d_with_indices max_pool1d_with_indices max_pool2d_with_indices "
    "max_pool3d_with_indices",
    _multihead="multi_head_attention_forward",
    _norms="group_norm instance_norm local_response_norm rms_norm",
    _piecewise="hardshrink hardsigmoid hardswish hardtanh hardtanh_ prelu relu6 rrelu rrelu_ "
    "softshrink tanhshrink threshold threshold_",
    _pooled="lp_pool1d lp_pool2d lp_pool3d max_unpool1d max_unpool2d max_unpool3d",
    _resampling="interpolate upsample upsample_bilinear upsample_nearest",
    _sampling="affine_grid grid_sample",
    _shuffling="channel_shuffle pixel_shuffle pixel_unshuffle",
    _smooth="celu celu_ elu_ glu gumbel_softmax leaky_relu_ mish relu_ selu selu_ softmin softsign",
    _transposed="conv_transpose1d conv_transpose2d conv_transpose3d",
    _windows="fold unfold",
)
__all__.extend(_names)


@refusing
def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """1 at each class number and 0 elsewhere, along a new last dimension (``one_hot``).

    ``tensor``: int64 (*); the result is int64 (*, num_classes). ``num_classes=-1``: as many as the
    largest number asks for.

    >>> import anadrome as ad
    >>> ad.nn.functional.one_hot(ad.tensor([0, 2]))
    tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    if tensor.dtype.name != "int64":
        raise DtypeError(
            "one_hot is only applicable to index tensor of type LongTensor, not "
            f"{tensor.dtype.name}; use `tensor.long()`"
        )
    if num_classes < 0:
        if num_classes < -1:
            raise RuntimeError(f"num_classes should be positive, or -1, not {num_classes}")
        if tensor.numel() == 0:
            raise RuntimeError(
                "Can not infer total number of classes from empty tensor; give num_classes"
            )
        num_classes = int(tensor.max().item()) + 1
    elif num_classes < 1 and tensor.numel():
        raise RuntimeError("num_classes should be positive")
    data = tensor._data
    backend = backends.by_type[data.__class__]
    with at(data):
        backend.require(data >= 0, lambda: DomainError("Class values must be non-negative."))
        backend.require(
            data < num_classes,
            lambda: DomainError("Class values must be smaller than num_classes."),
        )
    line = backend.asarray(list(range(num_classes)), dtype=data.dtype, device=tensor.device)
    return (tensor.unsqueeze(-1) == wrap(line)).to(tensor.dtype)
