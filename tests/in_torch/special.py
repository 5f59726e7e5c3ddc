"""Special functions whose derivatives PyTorch does not have."""

from __future__ import annotations

_FAMILIES = ("t", "u", "v", "w")

OURS = dict.fromkeys(
    (
        "airy_ai", "airy_ai_slope", "bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1",
        "modified_bessel_k0", "modified_bessel_k1", "scaled_modified_bessel_k0",
        "scaled_modified_bessel_k1", "spherical_bessel_j0", "hermite_polynomial_h",
        "hermite_polynomial_he", "laguerre_polynomial_l", "legendre_polynomial_p",
        *(f"chebyshev_polynomial_{kind}" for kind in _FAMILIES),
        *(f"shifted_chebyshev_polynomial_{kind}" for kind in _FAMILIES),
    ),
    "in test_torch_special.py",
)  # fmt: skip
