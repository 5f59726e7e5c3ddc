"""later: public names whose modules are imported when they are first asked for.

Linear algebra and Fourier transforms are a seventh of the op table, and most programs use none of
it. Whoever needs the whole table calls ``everything()``.
"""

from __future__ import annotations

import importlib
from typing import Any

from .dtypes import BARE, NAMED_ONLY
from .places import MODULES
from .tensor import Tensor

_MODULES = (
    "func", "linalg", "fft", "accelerator", "signal", "special", "sparse", "version",
    "nn.attention", "nn.grad", "utils.module_tracker",
)  # fmt: skip

#: PyTorch's switches, in the package of the backends, and its names for shared memory.
_SWITCHES = ("cuda", "cudnn", "mps")
_LIBRARIES = "cpu mkl mkldnn nnpack openmp opt_einsum quantized xnnpack"
_DLPACK = ("from_dlpack", "to_dlpack")

_CPU = (
    "Event Stream StreamContext current_device current_stream device_count is_available "
    "get_capabilities is_initialized set_device stream synchronize"
)

#: Functions of lists of Tensors; those of the second list only write.
_EACH = (
    "abs acos add addcdiv addcmul asin atan ceil clamp_max clamp_min cos cosh div erf erfc exp "
    "expm1 floor frac lerp lgamma log log10 log1p log2 maximum minimum mul neg pow reciprocal "
    "round rsqrt sigmoid sign sin sinh sqrt sub tan tanh trunc norm"
)
_EACH_IN_PLACE = _EACH.removesuffix("norm") + "copy zero"
FOREACH = [f"_foreach_{n}" for n in _EACH.split()]
FOREACH += [f"_foreach_{n}_" for n in _EACH_IN_PLACE.split()]

#: Where a name is found, by module; the names are PyTorch's.
_HOMES = {
    "anadrome.dtypes": " ".join(["chalf", *NAMED_ONLY, *[d.name for d in BARE]]),
    "anadrome.storage": "StorageBase TypedStorage UntypedStorage resize_as_",
    "anadrome.counts": "binomial poisson",
    "anadrome.special": "i0 multigammaln mvlgamma",
    "anadrome.sparse": "sparse_coo sparse_coo_tensor sparse_csr sparse_csr_tensor",
    "anadrome.exchange": "from_file frombuffer to_dlpack",
    "anadrome.func": "vmap",
    "anadrome.capturing": "capture",
    "anadrome.serialization": "load save",
    "anadrome.accelerator": "get_device_module",
    "anadrome.cuda": "Event Stream",
    "anadrome.foreach": " ".join(FOREACH),
    "anadrome.places.fx": "SymBool SymFloat SymInt",
    "anadrome.places.futures": "Future",
    "anadrome.places.jit": "ScriptModule",
    "anadrome.places.private": "PyTorchFileReader TensorType",
    "anadrome.places.compiler": "_assert _assert_async _check compile",
    "anadrome.settings": (
        "are_deterministic_algorithms_enabled get_deterministic_debug_mode "
        "get_float32_matmul_precision "
        "get_num_interop_threads get_num_threads is_deterministic_algorithms_warn_only_enabled "
        "set_deterministic_debug_mode set_float32_matmul_precision set_flush_denormal "
        "set_num_interop_threads set_num_threads use_deterministic_algorithms"
    ),
    "anadrome.legacy": (
        "BFloat16Tensor BoolTensor ByteTensor CharTensor ComplexDoubleTensor ComplexFloatTensor "
        "DoubleTensor FloatTensor HalfTensor IntTensor LongTensor ShortTensor "
        "set_default_tensor_type"
    ),
    "anadrome.nn.functional": (
        "adaptive_avg_pool1d avg_pool1d channel_shuffle conv1d conv2d conv3d conv_transpose1d "
        "conv_transpose2d conv_transpose3d max_pool1d max_pool2d max_pool3d pixel_shuffle "
        "pixel_unshuffle "
        "bilinear celu celu_ cosine_similarity hardshrink pairwise_distance pdist prelu relu_ "
        "rms_norm rrelu rrelu_ selu selu_ threshold threshold_"
    ),
    "anadrome.nn._forms": (
        "alpha_dropout alpha_dropout_ batch_norm dropout dropout_ embedding feature_alpha_dropout "
        "feature_alpha_dropout_ feature_dropout feature_dropout_ group_norm instance_norm "
        "layer_norm affine_grid_generator embedding_bag grid_sampler grid_sampler_2d "
        "grid_sampler_3d"
    ),
    "anadrome.nn._fake_quantize": (
        "fake_quantize_per_channel_affine fake_quantize_per_tensor_affine"
    ),
    "anadrome.nn._loss_forms": (
        "adaptive_max_pool1d binary_cross_entropy_with_logits constant_pad_nd "
        "cosine_embedding_loss ctc_loss hinge_embedding_loss kl_div margin_ranking_loss "
        "max_pool1d_with_indices poisson_nll_loss triplet_margin_loss"
    ),
    "anadrome.nn._rnn_functions": "gru lstm rnn_relu rnn_tanh",
    "anadrome.nn._cells": "gru_cell lstm_cell rnn_relu_cell rnn_tanh_cell",
    "anadrome.ops.distances": "cdist",
    "anadrome.ops.histograms": "histogram histogramdd unravel_index",
    "anadrome.ops.stft": "istft stft",
    "anadrome.ops.differences": "gradient",
    "anadrome.ops.linalg_lowrank": "pca_lowrank svd_lowrank",
    "anadrome.ops.linalg_reflect": "geqrf ormqr",
    "anadrome.ops.linalg_lobpcg": "lobpcg",
    "anadrome.autograd.anomaly": (
        "is_anomaly_check_nan_enabled is_anomaly_enabled set_anomaly_enabled"
    ),
    "anadrome.ops.floats": "frexp nextafter",
    "anadrome.ops.segments": (
        "_convert_indices_from_coo_to_csr _convert_indices_from_csr_to_coo segment_reduce "
        "_segment_reduce"
    ),
    "anadrome.ops.incomplete": "igamma igammac",
    "anadrome.older": (
        "_softmax_backward_data as_strided_scatter empty_permuted empty_strided nonzero_static "
        "unsafe_chunk unsafe_split unsafe_split_with_sizes"
    ),
    "anadrome.ops.windows": (
        "bartlett_window blackman_window hamming_window hann_window kaiser_window"
    ),
    "anadrome.ops.measures": "corrcoef cov cumulative_trapezoid dist renorm trapezoid",
    "anadrome.nn._distances": "pdist",
    "anadrome.linalg": "det slogdet matrix_exp matrix_power",
    "anadrome.ops.linalg_aliases": (
        "cholesky cholesky_inverse cholesky_solve chain_matmul inverse logdet lu lu_solve "
        "lu_unpack pinverse qr svd triangular_solve vander"
    ),
}

_METHODS = (
    "cholesky cholesky_inverse cholesky_solve det inverse logdet lu lu_solve matrix_exp "
    "triangular_solve resize_as_ corrcoef cov dist histogram istft renorm stft "
    "geqrf orgqr ormqr frexp nextafter igamma igammac "
    "matrix_power pinverse qr slogdet svd prelu i0 mvlgamma"
)


#: Methods of Tensors in ``older``.
_OLDER = (
    "apply_ as_strided_scatter as_subclass const_data_ptr map2_ map_ new_empty_strided "
    "nonzero_static set_ unsafe_chunk unsafe_split unsafe_split_with_sizes"
)

#: Methods of sparse tensors, and the function of ``sparse`` that each is.
_OF_SPARSE = {
    "to_sparse": "to_sparse", "to_sparse_coo": "to_sparse_coo",
    "to_sparse_csr": "to_sparse_csr",
    "to_dense": "to_dense", "coalesce": "coalesce", "is_coalesced": "is_coalesced",
    "indices": "indices", "_indices": "indices", "values": "values", "_values": "values",
    "crow_indices": "crow_indices", "col_indices": "col_indices", "_nnz": "nnz",
    "sparse_dim": "sparse_dim", "dense_dim": "dense_dim",
    "sparse_mask": "sparse_mask", "smm": "mm",
}  # fmt: skip

#: Methods that write in place, and the module that gives them to Tensor when it is imported.
_IN_PLACE = {
    "i0_": "ops.bessel", "igamma_": "ops.incomplete", "igammac_": "ops.incomplete",
    "mvlgamma_": "special", "nextafter_": "ops.floats", "renorm_": "ops.measures",
}  # fmt: skip


def homes() -> dict[str, str]:
    """Each name under ``anadrome``, and ``module`` or ``module:name`` where it is found."""
    out = {name: f"anadrome.{name}" for name in _MODULES}
    nested = {name for name in MODULES if name.rpartition(".")[0] in MODULES}  # loaded with theirs
    out.update({name: f"anadrome.{name}" for name in MODULES.keys() - nested})
    out["trapz"] = "anadrome.ops.measures:trapezoid"
    out.update(dict.fromkeys(("spmm", "smm", "dsmm"), "anadrome.sparse:mm"))
    tensors = (n for n in _HOMES["anadrome.legacy"].split() if n.endswith("Tensor"))
    out.update({f"cuda.{name}": f"anadrome.legacy:CUDA.{name}" for name in tensors})
    out.update({f"backends.{name}": f"anadrome.backends.{name}" for name in _SWITCHES})
    out.update({f"backends.{name}": "anadrome.backends.libraries" for name in _LIBRARIES.split()})
    out.update({f"utils.dlpack.{name}": f"anadrome.exchange:{name}" for name in _DLPACK})
    out["autograd.forward_ad"] = "anadrome.autograd.forward_ad"
    out["orgqr"] = "anadrome.ops.linalg_reflect:householder_product"
    out["testing"] = "anadrome.testing"
    out["utils.deterministic"] = "anadrome.utils.deterministic"
    out.update({f"cpu.{name}": f"anadrome.places.cpu:{name}" for name in _CPU.split()})
    for module, names in _HOMES.items():
        out.update({name: f"{module}:{name}" for name in names.split()})
    return out


def everything() -> None:
    """Import all of it, so that the op table is whole."""
    for name in (*_MODULES, "ops.alignments", "ops.condensed", "ops.floats"):
        importlib.import_module(f"anadrome.{name}")


def _install() -> None:
    found = homes()
    for name in _METHODS.split():
        setattr(Tensor, name, _method(name, *found[name].split(":")))
    for name in _OLDER.split():
        setattr(Tensor, name, _method(name, "anadrome.older", name))

    for name, function in _OF_SPARSE.items():
        setattr(Tensor, name, _method(name, "anadrome.sparse", function))
    for name, module in _IN_PLACE.items():
        setattr(Tensor, name, _in_place(name, module))
    for name in ("resize_", "storage"):
        setattr(Tensor, name, _method(name, "anadrome.storage", name))


def _in_place(name: str, module: str) -> Any:
    def method(self: Tensor, *args: Any, **keywords: Any) -> Any:
        importlib.import_module(f"anadrome.{module}")
        return getattr(self, name)(*args, **keywords)  # its own, which has taken this one's place

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"In-place form of ``{name[:-1]}``; returns self."
    return method


def _method(name: str, module: str, attribute: str) -> Any:
    def method(self: Tensor, *args: Any, **keywords: Any) -> Any:
        return getattr(importlib.import_module(module), attribute)(self, *args, **keywords)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"``anadrome.{name}`` of this Tensor."
    return method


_install()
