"""vectors: parameters as one vector (PyTorch: ``torch.nn.utils``)."""

from __future__ import annotations

from collections.abc import Iterable

from ...border import enclose_functions
from ...ops.joining import cat
from ...tensor import Tensor

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All parameters behind one another, in one dimension; gradients flow back to them.

    >>> import anadrome as ad
    >>> ad.nn.utils.parameters_to_vector(ad.nn.Linear(2, 3).parameters()).shape
    anadrome.Size([9])
    """
    parts = list(parameters)
    _one_device(parts)
    return cat([p.reshape(-1) for p in parts])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Make the parameters views of consecutive pieces of ``vec``."""
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected anadrome.Tensor, but got: {type(vec).__name__}")
    parts = list(parameters)
    _one_device(parts)
    position = 0
    for p in parts:
        count = p.numel()
        p.data = vec[position : position + count].reshape(tuple(p.shape))
        position += count


def _one_device(parameters: list[Tensor]) -> None:
    for p in parameters:
        if not isinstance(p, Tensor):
            raise TypeError(f"expected Tensors for parameters, not {type(p).__name__}")
    devices = {str(p.device) for p in parameters}
    if len(devices) > 1:
        raise TypeError(
            "Found two parameters on different devices, this is currently not supported: "
            + " and ".join(sorted(devices))
        )


enclose_functions(globals())
