"""missing: names of PyTorch's that will be looked for and are not here, with what to write instead.

A name below one of these is absent with it. Whoever finds a name missing asks ``advice``.
"""

from __future__ import annotations

from .table import MODULES

ONE_PROCESS = "anadrome trains in one process; wrap the model in nn.parallel.DataParallel, or not"
EAGER = "there is no compiler of graphs here; call the function itself, or anadrome.capture it"
_SPARSE = (
    "tensors are dense here, those of sparse_coo_tensor and sparse_csr_tensor too; use these, or "
    "index_add, scatter_add, and indices and values as two tensors"
)
QUANTIZED = "there are no quantized types; train in float32, or in half precision with amp.autocast"
PRIVATE = "it is private to PyTorch; use the public names"
ONLY_NAMED = (
    "only ops that library.custom_op or library.define named are there; call PyTorch's own as the "
    "functions of that name"
)
_GONE = "PyTorch itself has removed it"

#: What to do instead, by name below ``anadrome``.
NAMES = {
    "nn.quantized": QUANTIZED,
    "nn.quantizable": QUANTIZED,
    "nn.qat": QUANTIZED,
    "nn.intrinsic": QUANTIZED,
    "quantize_per_tensor": QUANTIZED,
    "quantize_per_channel": QUANTIZED,
    "Tensor.dequantize": QUANTIZED,
    "sparse_csc_tensor": _SPARSE,
    "sparse_bsr_tensor": _SPARSE,
    "sparse_bsc_tensor": _SPARSE,
    "sparse_compressed_tensor": _SPARSE,
    "export": EAGER,
    "package": "save the weights with torch.save, and the code with the program",
    "_six": f"{_GONE}; use str, bytes and collections.abc",
    "contrib": _GONE,
    "symeig": f"{_GONE}; use linalg.eigh",
    "eig": f"{_GONE}; use linalg.eig",
    "solve": f"{_GONE}; use linalg.solve",
    "lstsq": f"{_GONE}; use linalg.lstsq",
    "matrix_rank": f"{_GONE}; use linalg.matrix_rank",
    "utils.mobile_optimizer": EAGER,
    "utils.data.datapipes.dataframe": "write a pipe of the rows, or collate columns by a function",
    "utils.data.datapipes.iter.RoutedDecoder": "write `.map(decode)` with a function of your own",
    "distributed.pipelining": ONE_PROCESS,
}


#: The same for whatever is asked below a module that is there in part.
BELOW = {
    "ao": QUANTIZED,
    "quantization": QUANTIZED,
    "distributed.rpc": ONE_PROCESS,
    "_C": PRIVATE,
    "library": "write library.custom_op, or an autograd.Function",
    "utils.cpp_extension": "write a kernel of a backend (docs/backends.md) in Python or with CuPy",
}


def advice(name: str) -> str | None:
    """What to do instead of a dotted name, with or without ``anadrome.``; None if nobody knows."""
    parts = name.removeprefix("anadrome.").split(".")
    for count in range(len(parts), 0, -1):
        found = NAMES.get(".".join(parts[:count]))
        if found is not None:
            return found
    if ".".join(parts) in MODULES:
        return None
    above = (".".join(parts[:count]) for count in range(len(parts) - 1, 0, -1))
    return next((BELOW[name] for name in above if name in BELOW), None)


def missing(module: str, name: str) -> AttributeError:
    """The error for a name that a module lacks."""
    known = advice(f"{module}.{name}")
    return AttributeError(
        f"module {module!r} has no attribute {name!r}" + (f": {known}" if known else "")
    )
