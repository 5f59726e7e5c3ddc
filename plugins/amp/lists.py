"""Where PyTorch's list of autocast functions for the CPU differs from its list for CUDA.

The `amp=` of an op, or of a function that is announced as one (`core/composite.py`), is its class
on CUDA, and holds on the CPU too where nothing is said here. There PyTorch runs more functions in
float32, and leaves many as they come that are on its list for CUDA, or made of such.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anadrome import FULL, WIDEST

#: Of a composite: it is not on the list, and what is inside is.
INSIDE = object()


def _classes(
    full: str = "", widest: str = "", as_given: str = "", inside: str = ""
) -> dict[str, Any]:
    named = ((FULL, full), (WIDEST, widest), (None, as_given), (INSIDE, inside))
    return {name: kind for kind, names in named for name in names.split()}


#: Functions that autocast leaves alone everywhere, and what they are made of.
_NOWHERE = "_linear_cross_entropy_batch_chunked"

#: Ops. (`mv` is not on PyTorch's list; as an op it is what `matrix @ vector` is, which is.)
OPS_ON_CPU = _classes(
    as_given="""
        acos acosh asin asinh atanh cosh erfinv exp expm1 log log10 log1p log2 reciprocal rsqrt
        sinh square tan pow_number pow_tensor softmax log_softmax softplus layer_norm rms_norm sum
        cumprod cumsum logcumsumexp logsumexp matrix_exp norm2 norm_p addcdiv addcmul addmv addr
        atan2 dot gru index_put index_put_accumulate
    """,
)

#: Functions that are announced as one, by PyTorch's names of the operators.
COMPOSITES_ON_CPU = _classes(
    full="""
        fft_fft fft_fft2 fft_fftn fft_hfft fft_ifft fft_ifft2 fft_ifftn fft_ihfft fft_irfft
        fft_irfft2 fft_irfftn fft_rfft fft_rfft2 fft_rfftn stft
        _lu_with_info cholesky cholesky_inverse cholesky_solve geqrf linalg_cholesky
        linalg_cholesky_ex linalg_cond linalg_eig linalg_eigh linalg_eigvals linalg_eigvalsh
        inverse linalg_householder_product linalg_inv linalg_inv_ex linalg_lstsq linalg_matrix_rank
        linalg_qr linalg_solve linalg_svd linalg_svdvals linalg_tensorinv linalg_tensorsolve
        lu_solve ormqr pinverse qr svd triangular_solve
        nanquantile polar quantile trace view_as_complex
        adaptive_avg_pool3d adaptive_max_pool3d avg_pool3d fractional_max_pool2d
        fractional_max_pool3d max_pool3d max_unpool1d max_unpool2d max_unpool3d
        grid_sampler reflection_pad replication_pad
        binary_cross_entropy cross_entropy_loss ctc_loss
    """,
    widest="index_copy",
    as_given=f"addr bilinear group_norm layer_norm linalg_lu_solve mv rms_norm {_NOWHERE}",
    inside="lstm_cell gru_cell rnn_tanh_cell rnn_relu_cell",
)

#: By device type: the classes of ops and of composites there that differ from `amp=`.
LISTS: Mapping[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "cpu": (OPS_ON_CPU, COMPOSITES_ON_CPU),
    "cuda": ({}, _classes(as_given=_NOWHERE)),
}
