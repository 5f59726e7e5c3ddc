"""Linear algebra."""

from __future__ import annotations

_WHERE = "in test_torch_linalg.py, through anadrome.linalg, which refuses what PyTorch refuses"

OURS = {
    **{
        f"linalg_{name}": _WHERE
        for name in (
            "inv",
            "solve",
            "solve_triangular",
            "det",
            "slogdet",
            "cholesky",
            "pinv",
            "qr",
            "eigh",
            "eig",
            "svd",
            "cross",
            "lu_factor",
        )
    },
    "linalg_ldl_factor": "in test_torch_ldl.py",
    "linalg_ldl_unpacked": "pivots as places; through `linalg.ldl_solve`",
    "linalg_lu_places": "pivots as places; through `lu_solve` and `lu_unpack`",
    "matrix_exp": _WHERE,
    "cofactors": "only rules call it; through `linalg.det`",
    "cofactors_backward": "only rules call it; through `linalg.det`",
    "pair_differences": "in test_torch_layers.py, through `pdist`",
    "pair_differences_backward": "only rules call it; through `pdist`",
    "pair_lengths": "in test_torch_layers.py, through `pdist`, once differentiable there",
    "pair_lengths_backward": "only rules call it; through `pdist`",
}
