"""_forms: the layers' functions in the form that PyTorch gives them outside ``nn.functional``."""

from __future__ import annotations

from typing import Any

from ..modes import no_grad
from ..refusals import refusing
from ..tensor import Tensor
from . import _bags, _dropouts, _layers, _norms, _sampling


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


#: The kinds that these functions have numbers for.
_INTERPOLATION = ("bilinear", "nearest", "bicubic")
_PADDING = ("zeros", "border", "reflection")
_BAGS = ("sum", "mean", "max")


def _kind(names: tuple[str, ...], number: int, what: str) -> str:
    if not 0 <= number < len(names):
        raise RuntimeError(f"{what} {number} is none of " + ", ".join(map("{0[0]} ({0[1]})".format,
                           enumerate(names))))  # fmt: skip
    return names[number]


@refusing
def grid_sampler(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Tensor:
    """``nn.functional.grid_sample`` with numbers for its modes (``torch.grid_sampler``).

    ``interpolation_mode``: 0 bilinear, 1 nearest, 2 bicubic. ``padding_mode``: 0 zeros, 1 border,
    2 reflection.
    """
    mode = _kind(_INTERPOLATION, interpolation_mode, "interpolation_mode")
    padding = _kind(_PADDING, padding_mode, "padding_mode")
    return _sampling.grid_sample(input, grid, mode, padding, align_corners)


grid_sampler_2d = grid_sampler_3d = grid_sampler


@refusing
def affine_grid_generator(theta: Tensor, size: Any, align_corners: bool) -> Tensor:
    """``nn.functional.affine_grid`` (``torch.affine_grid_generator``)."""
    return _sampling.affine_grid(theta, size, align_corners)


@refusing
def embedding_bag(
    weight: Tensor,
    indices: Tensor,
    offsets: Tensor,
    scale_grad_by_freq: bool = False,
    mode: int = 0,
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """``nn.functional.embedding_bag`` with a number for its mode (``torch.embedding_bag``).

    ``mode``: 0 sum, 1 mean, 2 max. Also returns the bag of each index, how many each bag has, and,
    for the maximum, which row of ``weight`` it is from.
    """
    from ..namespace import arange, bincount, bucketize

    if padding_idx is not None and padding_idx < 0:
        padding_idx = None
    kind = _kind(_BAGS, mode, "mode")
    out = _bags.embedding_bag(
        indices, weight, offsets, None, 2, scale_grad_by_freq, kind, sparse, per_sample_weights,
        include_last_offset, padding_idx,
    )  # fmt: skip
    places = arange(indices.numel(), device=indices.device)
    starts = offsets[:-1] if include_last_offset else offsets
    bags = bucketize(places, starts, right=True) - 1
    sizes = bincount(bags, minlength=len(starts))
    if kind != "max" or not indices.numel():
        return out, bags, sizes, sizes
    with no_grad():
        rows = weight[indices]
        count = indices.numel()
        where_largest: Any = places.unsqueeze(1).expand(rows.shape)
        where_largest = where_largest.masked_fill(rows != out[bags], count)
        first = where_largest.new_full(out.shape, count)
        first = first.scatter_reduce(0, bags.unsqueeze(1).expand(rows.shape), where_largest, "amin")
        return out, bags, sizes, indices[first.clamp(max=count - 1)]
