"""_layers: products, tables, normalisation and dropout, with PyTorch's signatures."""

from __future__ import annotations

from typing import Any

from .. import modes
from ..composite import one
from ..dtypes import float32
from ..errors import ArgumentError, DtypeError, ShapeError
from ..inplace import inplace_form
from ..looking import answered
from ..making import number
from ..op import FULL
from ..ops import normalise
from ..ops.convert import to
from ..ops.dropping import dropout as _dropout
from ..ops.embedding import embedding as _embedding
from ..ops.products import linear as _linear
from ..ops.products import same_dtype
from ..ops.reduce import whole
from ..ops.slices import index_add
from ..out import into
from ..random import default_generator
from ..refusals import refusing
from ..switches import truth
from ..tensor import Tensor
from ._activations import meant

_dropout_ = inplace_form(_dropout.op)


def linear(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, *, out: Tensor | None = None
) -> Tensor:
    """``input @ weight.T + bias`` (``torch.nn.functional.linear``).

    ``input``: (*, in), ``weight``: (out, in), or (in,) without a bias, ``bias``: (out,); the result
    is (*, out).
    """
    try:
        try:
            rows, table = input._data.shape, weight._data.shape
        except AttributeError:
            wrong = input if isinstance(weight, Tensor) else weight
            kind = type(wrong).__name__
            raise ArgumentError(
                f"linear(): arguments 'input' and 'weight' must be Tensor, not {kind}"
            ) from None
        if len(table) != 2 or not rows or rows[-1] != table[1]:
            result = _unusual_linear(input, weight, bias)
            return result if out is None else into(out, result, "linear")
        if input._data.dtype is not weight._data.dtype:
            same_dtype("expected m1 and m2 to have the same dtype", input, weight)
        return (
            _linear(input, weight, bias) if out is None else _linear(input, weight, bias, out=out)
        )
    except Exception as error:
        return answered(error)


def _unusual_linear(input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    rows, table = input.shape, weight.shape
    if len(table) == 1 and rows and rows[-1] == table[0]:
        if bias is not None:
            raise ShapeError(
                "linear(): weight must be a matrix beside a bias, got a vector (1-D tensor); add "
                "the bias to the result"
            )
        return input @ weight
    if not rows or len(table) != 2:
        raise ShapeError(
            f"linear: expected an input (*, in) and a weight (out, in) or (in,), got {tuple(rows)} "
            f"and {tuple(table)}"
        )
    count = input.numel() // rows[-1] if rows[-1] else 0
    raise ShapeError(
        f"mat1 and mat2 shapes cannot be multiplied ({count}x{rows[-1]} and "
        f"{table[1]}x{table[0]}): the input's last dimension is {rows[-1]}, the layer takes "
        f"{table[1]}"
    )


@refusing
def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """The rows of ``weight`` that ``input`` names (``torch.nn.functional.embedding``).

    ``input``: integers (*), ``weight``: (n, d); the result is (*, d).
    ``padding_idx``: a row that gets no gradient. ``max_norm``: rows that are used and are longer
    are shortened in place first. ``scale_grad_by_freq``: a row's gradient is divided by how often
    it was used. ``sparse`` is accepted; gradients are dense.
    Raises IndexError for a row that is not there.

    >>> import anadrome as ad
    >>> ad.nn.functional.embedding(ad.tensor([1, 1, 0]), ad.tensor([[1.0], [2.0]])).flatten()
    tensor([2., 2., 1.])
    """
    table_indices("embedding", input)
    if weight._data.ndim != 2:
        raise ShapeError(f"'weight' must be 2-D, not {weight.ndim}-D")
    n = weight._data.shape[0]
    if padding_idx is not None:
        padding_idx = whole(padding_idx, "padding_idx")
        if not -n <= padding_idx < n:
            raise AssertionError("Padding_idx must be within num_embeddings")
        padding_idx %= n
    if max_norm is not None:
        shorten(weight, input, max_norm, norm_type)
    out = _embedding(weight, input, padding_idx=padding_idx)
    if scale_grad_by_freq and out.requires_grad:
        shares = 1.0 / _uses(input, n, weight)[input].unsqueeze(-1)
        out.register_hook(lambda g: g * shares)
    return out


def table_indices(name: str, input: Tensor) -> None:
    """Refuse what does not name rows."""
    kind = input.dtype.name
    if kind not in ("int64", "int32"):
        raise DtypeError(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: "
            f"Long, Int; but got {kind} instead (while checking arguments for {name}); use "
            "`input.long()`"
        )


def _uses(input: Tensor, n: int, like: Tensor) -> Tensor:
    """How often each of n rows is named."""
    flat = input.reshape(-1)
    ones = like.new_ones((flat.numel(),))
    return index_add(like.new_zeros((n,)), 0, flat, ones)


def shorten(weight: Tensor, input: Tensor, max_norm: float, norm_type: float) -> None:
    """Shorten in place the rows that are used and whose norm is above ``max_norm``."""
    with modes.no_grad():
        lengths = weight.norm(norm_type, 1)
        long = (lengths > max_norm) & (_uses(input, weight.shape[0], weight) > 0)
        factors = (max_norm / (lengths + 1e-7)).where(long, lengths * 0.0 + 1.0)
        weight.mul_(factors.unsqueeze(1))


@refusing
@one(amp=FULL)
def layer_norm(
    input: Tensor,
    normalized_shape: Any,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Mean 0 and variance 1 over the last dimensions, times ``weight``, plus ``bias``.

    ``normalized_shape``: the lengths of those dimensions, which weight and bias have too.
    PyTorch: ``torch.nn.functional.layer_norm``; paper: arXiv:1607.06450.

    >>> import anadrome as ad
    >>> ad.nn.functional.layer_norm(ad.tensor([1.0, 3.0]), [2])
    tensor([-1.0000,  1.0000])
    """
    wanted = tuple(normalized_shape)
    fits("layer_norm", input, wanted, weight=weight, bias=bias)
    out = normalise.layer_norm(input, weight, bias, dims=len(wanted), eps=eps)[0]
    return to(out, input.dtype) if mixed(input, weight, bias) else out


def mixed(input: Tensor, *parameters: Tensor | None) -> bool:
    """Whether float32 parameters stand beside half precision; raises for any other two types."""
    kind = input._data.dtype
    others = [p for p in parameters if p is not None and p._data.dtype is not kind]
    others = [p for p in others if p._data.dtype != kind]
    if not others:
        return False
    given = others[0].dtype
    if input.dtype.itemsize == 2 and given is float32:
        return True
    wanted = (
        "all inputs must share same datatype"
        if input.dtype.itemsize == 8
        else "expect parameter to have scalar type of Float"
    )
    raise DtypeError(
        f"mixed dtype (CPU): {wanted}: the input is {input.dtype.name}, a parameter {given.name}; "
        "use `.to(...)`"
    )


def fits(name: str, input: Tensor, wanted: tuple[int, ...], **given: Tensor | None) -> None:
    """Refuse an input that does not end in the lengths ``wanted``, or parameters without them."""
    if not wanted:
        raise ShapeError(
            f"{name}: Expected normalized_shape to be at least 1-dimensional, i.e., containing at "
            "least one element, but got normalized_shape = []"
        )
    for parameter, value in given.items():
        if value is not None and tuple(value._data.shape) != wanted:
            raise ShapeError(
                f"Expected {parameter} to be of same shape as normalized_shape, but got "
                f"{parameter} of shape {list(value.shape)} and normalized_shape = {list(wanted)}"
            )
    if tuple(input._data.shape[-len(wanted) :]) != wanted:
        inner = ", ".join(map(str, wanted))
        raise ShapeError(
            f"Given normalized_shape={list(wanted)}, expected input with shape [*, {inner}], but "
            f"got input of size{list(input.shape)}"
        )


@refusing
def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Mean 0 and variance 1 for each channel, times ``weight``, plus ``bias``.

    ``input``: (N, C, *). ``training``: with the statistics of this batch, toward which the running
    ones take a step of ``momentum``; otherwise with the running ones.
    PyTorch: ``torch.nn.functional.batch_norm``; paper: arXiv:1502.03167.

    >>> import anadrome as ad
    >>> ad.nn.functional.batch_norm(ad.tensor([[1.0], [3.0]]), None, None, training=True)
    tensor([[-1.0000],
            [ 1.0000]])
    """
    shape = input._data.shape
    if len(shape) < 2:
        if shape == (0,):
            return input * 1.0
        raise ShapeError(f"batch_norm: Expected an input (N, C, *), got {tuple(shape)}")
    if training and eps <= 0.0:
        raise ValueError(f"batch_norm eps must be positive during training, but got {eps}")
    if eps < 0.0:
        raise ValueError(f"batch_norm eps must be non-negative, but got {eps}")
    eps = float(eps)
    given = {
        "running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias,
    }  # fmt: skip
    for name, value in given.items():
        if value is not None and value._data.shape != (shape[1],):
            raise ShapeError(
                f"{name} should contain {shape[1]} elements not {value.numel()}: one for each "
                f"channel (dimension 1) of the input {tuple(shape)}"
            )
    narrow = input
    if mixed(input, *given.values()) and weight is None and bias is None:
        input = input.to(float32)  # beside statistics in float32
    if not training:
        if running_mean is None or running_var is None:
            missing = "running_mean" if running_mean is None else "running_var"
            raise RuntimeError(f"{missing} must be defined in evaluation mode")
        out = normalise.batch_norm_eval(input, running_mean, running_var, weight, bias, eps=eps)
        return _as_narrow_as(narrow, out)
    count = input.numel() // shape[1] if shape[1] else 0
    if count == 1:
        raise ValueError(
            f"Expected more than 1 value per channel when training, got input size {input.shape!r}"
        )
    out, _, mean, var = normalise.batch_norm(input, weight, bias, eps=eps)
    if count and running_mean is not None and running_var is not None:
        normalise.batch_norm_track(
            running_mean, running_var, mean, var,
            momentum=momentum, correction=count / max(count - 1, 1),
        )  # fmt: skip
    return _as_narrow_as(narrow, out)


def _as_narrow_as(input: Tensor, out: Tensor) -> Tensor:
    """Half precision stays so beside float32 weights, which is how autocast meets them."""
    kind = input.dtype
    return to(out, kind) if kind.is_floating_point and kind.itemsize == 2 else out


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Each value zero with probability ``p``, else divided by ``1 - p``.

    Only while ``training``. The mask comes from the default generator's next key.
    PyTorch: ``torch.nn.functional.dropout``; paper: arXiv:1207.0580.
    """
    check_probability(p)
    if p == 0.0 or (training is not True and not truth(training, "dropout", "training")):
        return input
    function = _dropout_ if inplace is not False and meant(inplace) else _dropout
    return function(input, p=p, key=default_generator.next_key())


def check_probability(p: float) -> None:
    """Refuse what is no probability."""
    try:
        outside = not 0.0 <= p <= 1.0
    except TypeError:
        raise TypeError(f"argument 'p' must be float, not {type(p).__name__}") from None
    if p.__class__ is not float:
        number(p, "p")
    if outside:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


@refusing
def normalize(
    input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: Tensor | None = None
) -> Tensor:
    """``input`` divided by its p-norm along ``dim``, or by ``eps`` where that is larger."""
    result = input / input.norm(p, dim, keepdim=True).clamp_min(eps)
    if out is None:
        return result
    return into(out, result, "normalize")
