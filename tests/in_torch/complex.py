"""Complex values and their parts."""

from __future__ import annotations

_HALF = "in test_torch_complex.py; PyTorch makes another type of half precision"

OURS = {
    "imaginary": "only rules call it; through `imag`",
    "complex": _HALF,
    "view_as_complex": _HALF,
}

#: PyTorch's conjugation of a Tensor is a view.
OTHER_NAMES = {"conj"}
