"""_forms: the layers' functions in the form that PyTorch gives them outside ``nn.functional``."""

from __future__ import annotations

from typing import Any

from ..refusals import refusing
from ..tensor import Tensor
from . import _dropouts, _layers, _norms


@refusing
def dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """``nn.functional.dropout``, with ``train`` in its place (``torch.dropout``)."""
    return _layers.dropout(input, p, train)


@refusing
def dropout_(input: Tensor, p: float, train: bool) -> Tensor:
    """In-place form of ``dropout``."""
    return _layers.dropout(input, p, train, inplace=True)


@refusing
def feature_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """Dropout of whole channels, dimension 1 (``torch.feature_dropout``)."""
    _layers.check_probability(p)
    return _dropouts.channels(input, p, train, False, lead=2)


@refusing
def feature_dropout_(input: Tensor, p: float, train: bool) -> Tensor:
    """In-place form of ``feature_dropout``."""
    _layers.check_probability(p)
    return _dropouts.channels(input, p, train, True, lead=2)


@refusing
def alpha_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """``nn.functional.alpha_dropout`` (``torch.alpha_dropout``)."""
    return _dropouts.alpha_dropout(input, p, train)


@refusing
def alpha_dropout_(input: Tensor, p: float, train: bool) -> Tensor:
    """In-place form of ``alpha_dropout``."""
    return _dropouts.alpha_dropout(input, p, train, inplace=True)


@refusing
def feature_alpha_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """``nn.functional.feature_alpha_dropout`` (``torch.feature_alpha_dropout``)."""
    return _dropouts.feature_alpha_dropout(input, p, train)


@refusing
def feature_alpha_dropout_(input: Tensor, p: float, train: bool) -> Tensor:
    """In-place form of ``feature_alpha_dropout``."""
    return _dropouts.feature_alpha_dropout(input, p, train, inplace=True)


@refusing
def layer_norm(
    input: Tensor,
    normalized_shape: Any,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Tensor:
    """``nn.functional.layer_norm`` (``torch.layer_norm``)."""
    return _layers.layer_norm(input, normalized_shape, weight, bias, eps)


@refusing
def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Tensor:
    """``nn.functional.group_norm`` (``torch.group_norm``)."""
    return _norms.group_norm(input, num_groups, weight, bias, eps)


@refusing
def batch_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool,
) -> Tensor:
    """``nn.functional.batch_norm``, in another order (``torch.batch_norm``)."""
    return _layers.batch_norm(
        input, running_mean, running_var, weight, bias, training, momentum, eps
    )


@refusing
def instance_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool,
) -> Tensor:
    """``nn.functional.instance_norm``, in another order (``torch.instance_norm``)."""
    return _norms.instance_norm(
        input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps
    )


@refusing
def embedding(
    weight: Tensor,
    indices: Tensor,
    padding_idx: int = -1,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """``nn.functional.embedding``, the table first; -1 is no padding (``torch.embedding``)."""
    padding = None if padding_idx == -1 else padding_idx
    return _layers.embedding(
        indices, weight, padding, scale_grad_by_freq=scale_grad_by_freq, sparse=sparse
    )
