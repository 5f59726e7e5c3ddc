"""Linear algebra."""

from __future__ import annotations

import torch

AS_IN_TORCH = {
    "linalg_inv": torch.linalg.inv,
    "linalg_solve": torch.linalg.solve,
    "linalg_solve_triangular": torch.linalg.solve_triangular,
    "linalg_det": torch.linalg.det,
    "linalg_slogdet": torch.linalg.slogdet,
    "linalg_cholesky": torch.linalg.cholesky,
    "linalg_pinv": torch.linalg.pinv,
    "linalg_qr": torch.linalg.qr,
    "linalg_eigh": torch.linalg.eigh,
    "linalg_eig": torch.linalg.eig,
    "linalg_svd": torch.linalg.svd,
    "linalg_cross": torch.linalg.cross,
}

OURS = {
    "cofactors": "only rules call it; through `linalg.det`",
    "cofactors_backward": "only rules call it; through `linalg.det`",
}
