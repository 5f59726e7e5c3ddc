"""nvmath-python's cuBLASLt bindings and cuDNN's frontend, without a GPU: computed with NumPy.

Their functions have the packages' parameters, are given addresses as these are, and refuse what
the libraries refuse. ``test_cupy_libraries.py`` compares them with the packages where those are
installed.
"""

from __future__ import annotations

import ctypes
import enum
import types
from typing import Any

import ml_dtypes
import numpy as np

#: cudaDataType's numbers.
TYPES = {0: np.float32, 1: np.float64, 2: np.float16, 14: ml_dtypes.bfloat16}
#: What was asked of the libraries, as (name, facts).
CALLS: list[tuple[str, dict[str, Any]]] = []


def memory(address: int, kind: Any, count: int) -> Any:
    """The values at an address; writable."""
    assert type(address) is int and address, "no address"
    raw = (ctypes.c_uint8 * (count * np.dtype(kind).itemsize)).from_address(address)
    return np.frombuffer(raw, kind)


class MatmulDescAttribute(enum.IntEnum):
    COMPUTE_TYPE, SCALE_TYPE, POINTER_MODE, TRANSA, TRANSB, TRANSC, FILL_MODE, EPILOGUE = range(8)
    BIAS_POINTER = 8


class MatmulPreferenceAttribute(enum.IntEnum):
    MAX_WORKSPACE_BYTES = 1
    MIN_ALIGNMENT_A_BYTES, MIN_ALIGNMENT_B_BYTES = 5, 6
    MIN_ALIGNMENT_C_BYTES, MIN_ALIGNMENT_D_BYTES = 7, 8


class Epilogue(enum.IntEnum):
    DEFAULT, BIAS = 1, 4


class ComputeType(enum.IntEnum):
    COMPUTE_32F, COMPUTE_64F, COMPUTE_32F_FAST_TF32 = 68, 70, 77


#: What attributes are set as.
KINDS = {
    (MatmulDescAttribute, 3): np.int32, (MatmulDescAttribute, 4): np.int32,
    (MatmulDescAttribute, 7): np.uint32, (MatmulDescAttribute, 8): np.int64,
    (MatmulPreferenceAttribute, 1): np.uint64,
    **{(MatmulPreferenceAttribute, n): np.uint32 for n in (5, 6, 7, 8)},
}  # fmt: skip


class MatmulHeuristicResult:
    """One ``cublasLtMatmulHeuristicResult_t``."""

    def __init__(self, size: int = 1) -> None:
        self._data = np.full(size * 12, 99, np.int64)
        self._data[8:10] = 0

    @property
    def ptr(self) -> int:
        return int(self._data.ctypes.data)

    @property
    def workspace_size(self) -> int:
        return int(self._data[8])

    @property
    def state(self) -> int:
        return int(self._data[9])


class CublasLt:
    """``nvmath.bindings.cublasLt``; descriptors are numbers."""

    MatmulDescAttribute = MatmulDescAttribute
    MatmulPreferenceAttribute = MatmulPreferenceAttribute
    Epilogue = Epilogue
    MatmulHeuristicResult = MatmulHeuristicResult
    #: Element types it has no algorithm for, and the workspace of one that it has.
    refuses: tuple[Any, ...] = ()
    workspace = 1024
    handles = 0

    def __init__(self) -> None:
        self.made: dict[int, dict[Any, Any]] = {}

    def _new(self, **facts: Any) -> int:
        self.made[len(self.made) + 1000] = dict(facts)
        return len(self.made) + 999

    def get_version(self) -> int:
        return 120804

    def create(self) -> int:
        CublasLt.handles += 1
        return self._new(what="handle")

    def matmul_desc_create(self, compute_type: int, scale_type: int) -> int:
        assert (compute_type == ComputeType.COMPUTE_64F) == (scale_type == 1)
        return self._new(what="desc", compute=compute_type, scale=scale_type)

    def _set(self, kind: type[enum.IntEnum], owner: int, attr: int, buf: int, size: int) -> None:
        dtype = np.dtype(KINDS[kind, attr])
        assert size == dtype.itemsize, (kind(attr), size)
        self.made[owner][kind(attr).name] = int(memory(buf, dtype, 1)[0])

    def matmul_desc_set_attribute(
        self, matmul_desc: int, attr: int, buf: int, size_in_bytes: int
    ) -> None:
        self._set(MatmulDescAttribute, matmul_desc, attr, buf, size_in_bytes)

    def matmul_preference_create(self) -> int:
        return self._new(what="preference")

    def matmul_preference_set_attribute(
        self, pref: int, attr: int, buf: int, size_in_bytes: int
    ) -> None:
        self._set(MatmulPreferenceAttribute, pref, attr, buf, size_in_bytes)

    def matmul_preference_destroy(self, pref: int) -> None:
        self.made[pref] = {}

    def matrix_layout_create(self, type: int, rows: int, cols: int, ld: int) -> int:
        assert ld >= rows > 0 and cols > 0
        return self._new(what="layout", type=TYPES[type], rows=rows, cols=cols, ld=ld)

    def matmul_algo_get_heuristic(
        self, light_handle: int, operation_desc: int, adesc: int, bdesc: int, cdesc: int,
        ddesc: int, preference: int, requested_algo_count: int, heuristic_results_array: int,
        return_algo_count: int,
    ) -> None:  # fmt: skip
        assert self.made[light_handle]["what"] == "handle" and requested_algo_count == 1
        assert self.made[preference]["MAX_WORKSPACE_BYTES"] >= self.workspace
        kind = np.dtype(self.made[adesc]["type"])
        memory(return_algo_count, np.int32, 1)[0] = kind not in map(np.dtype, self.refuses)
        found = memory(heuristic_results_array, np.int64, 12)
        found[:] = 7
        found[8:10] = self.workspace, 0

    def matmul(
        self, light_handle: int, compute_desc: int, alpha: int, a: int, adesc: int, b: int,
        bdesc: int, beta: int, c: int, cdesc: int, d: int, ddesc: int, algo: int, workspace: int,
        workspace_size_in_bytes: int, stream: int,
    ) -> None:  # fmt: skip
        desc = self.made[compute_desc]
        assert self.made[light_handle]["what"] == "handle" and memory(algo, np.int64, 1)[0] == 7
        assert workspace_size_in_bytes == self.workspace and (workspace or not self.workspace)
        scale = TYPES[desc["scale"]]
        assert (memory(alpha, scale, 1)[0], memory(beta, scale, 1)[0]) == (1, 0)
        left, right = self._matrix(a, adesc), self._matrix(b, bdesc)
        out = self._matrix(d, ddesc)
        assert all(x % 16 == 0 for x in (a, b, d, desc["BIAS_POINTER"]))
        left = left.T if desc["TRANSA"] else left
        right = right.T if desc["TRANSB"] else right
        value = left.astype(np.float64) @ right.astype(np.float64)
        assert desc["EPILOGUE"] == Epilogue.BIAS
        bias = memory(desc["BIAS_POINTER"], out.dtype, out.shape[0])
        out[...] = (value + bias.astype(np.float64)[:, None]).astype(out.dtype)
        facts = {"compute": desc["compute"], "stream": stream, "transposed": desc["TRANSA"]}
        CALLS.append(("matmul", {**facts, "kind": out.dtype.name, "shape": out.T.shape}))

    def _matrix(self, address: int, layout: int) -> Any:
        """By columns, as cuBLASLt sees it."""
        facts = self.made[layout]
        flat = memory(address, facts["type"], facts["ld"] * facts["cols"])
        return flat.reshape(facts["cols"], facts["ld"]).T[: facts["rows"]]


class GraphNotSupported(Exception):
    """``cudnn.cudnnGraphNotSupportedError``."""


class Type(enum.Enum):
    FLOAT, DOUBLE, HALF, BFLOAT16 = np.float32, np.float64, np.float16, ml_dtypes.bfloat16


class Described:
    """A tensor of a graph."""

    def __init__(self, **facts: Any) -> None:
        self.__dict__.update(facts)

    def _with(self, name: str, value: Any) -> Described:
        self.__dict__[name] = value
        return self

    def set_output(self, value: bool) -> Described:
        return self._with("is_output", value)

    def set_uid(self, uid: int) -> Described:
        return self._with("uid", uid)

    def set_dim(self, dim: list[int]) -> Described:
        return self._with("dim", dim)

    def set_stride(self, stride: list[int]) -> Described:
        return self._with("stride", stride)

    def set_data_type(self, dtype: Any) -> Described:
        return self._with("data_type", dtype)


class pygraph:
    """``cudnn.pygraph``: convolutions of arrays at addresses."""

    #: What is refused: a function of the operation and its tensors.
    refuses: Any = staticmethod(lambda name, tensors: False)
    workspace = 64

    def __init__(
        self, name: str = "test_graph", io_data_type: Any = None,
        intermediate_data_type: Any = None, compute_data_type: Any = None, handle: Any = None,
    ) -> None:  # fmt: skip
        assert compute_data_type in (Type.FLOAT, Type.DOUBLE)
        assert handle.what == "handle"
        self.tensors: dict[int, Described] = {}
        self.steps: list[str] = []
        self.barred: list[str] = []

    def tensor(
        self, dim: Any, stride: Any = None, data_type: Any = None, is_virtual: bool = False,
        is_pass_by_value: bool = False, ragged_offset: Any = None, reordering_type: Any = None,
        name: str = "", uid: Any = None,
    ) -> Described:  # fmt: skip
        assert type(dim) is list and type(stride) is list and uid not in self.tensors
        self.tensors[uid] = Described(dim=dim, stride=stride, data_type=data_type, uid=uid)
        return self.tensors[uid]

    def _convolve(self, op: str, first: Any, second: Any, **geometry: Any) -> Described:
        assert all(len(v) == len(first.dim) - 2 for v in geometry.values())
        self.op, self.given, self.geometry = op, (first, second), geometry
        self.out = Described()
        return self.out

    def conv_fprop(self, image: Any, weight: Any, **geometry: Any) -> Described:
        return self._convolve("conv_fprop", image, weight, **geometry)

    def conv_dgrad(self, loss: Any, filter: Any, **geometry: Any) -> Described:
        return self._convolve("conv_dgrad", loss, filter, **geometry)

    def conv_wgrad(self, image: Any, loss: Any, **geometry: Any) -> Described:
        return self._convolve("conv_wgrad", image, loss, **geometry)

    def validate(self) -> None:
        assert self.out.is_output
        self.steps.append("validate")

    def build_operation_graph(self) -> None:
        self.steps.append("build_operation_graph")

    def create_execution_plans(self, heuristics: Any = None) -> None:
        assert heuristics == ["A", "FALLBACK"]
        self.steps.append("create_execution_plans")

    def deselect_numeric_notes(self, notes: Any) -> pygraph:
        assert self.steps[-1] == "create_execution_plans"
        self.barred = list(notes)
        return self

    def check_support(self) -> None:
        if self.refuses(self.op, (*self.given, self.out)):
            raise GraphNotSupported("no engine for it")
        self.steps.append("check_support")

    def build_plans(self) -> None:
        self.steps.append("build_plans")

    def get_workspace_size(self) -> int:
        return self.workspace

    def execute(self, tensor_dict: Any, workspace: Any = None, handle: Any = None) -> None:
        assert self.steps == [
            "validate", "build_operation_graph", "create_execution_plans", "check_support",
            "build_plans",
        ]  # fmt: skip
        assert (workspace is None) == (not self.workspace)
        a, b, out = (self._array(t, tensor_dict[t.uid]) for t in (*self.given, self.out))
        out[...] = self._computed(a.astype(np.float64), b.astype(np.float64), out.shape)
        CALLS.append((self.op, {
            "stream": handle.stream, "kind": out.dtype.name, "shape": out.shape,
            "barred": self.barred, **self.geometry,
        }))  # fmt: skip

    def _array(self, tensor: Any, address: int) -> Any:
        kind = tensor.data_type.value
        size = 1 + sum((n - 1) * s for n, s in zip(tensor.dim, tensor.stride))
        flat = memory(address, kind, size)
        steps = [s * flat.itemsize for s in tensor.stride]
        return np.lib.stride_tricks.as_strided(flat, tensor.dim, steps)

    def _computed(self, a: Any, b: Any, shape: Any) -> Any:
        """By the definition: one window after the other."""
        op = self.op
        image = a if op != "conv_dgrad" else np.zeros(shape)
        kernel = b if op == "conv_fprop" else b if op == "conv_dgrad" else np.zeros(shape)
        grad = {"conv_fprop": None, "conv_dgrad": a, "conv_wgrad": b}[op]
        pad, stride, dilation = (self.geometry[k] for k in ("padding", "stride", "dilation"))
        wide = np.pad(image, [(0, 0), (0, 0), *((p, p) for p in pad)])
        sizes = grad.shape[2:] if grad is not None else shape[2:]
        out_channels, per_group = kernel.shape[:2]
        groups = image.shape[1] // per_group
        each = out_channels // groups
        result = np.zeros((image.shape[0], out_channels, *sizes))
        for at in np.ndindex(*sizes):
            window = tuple(
                slice(i * s, i * s + d * (k - 1) + 1, d)
                for i, s, d, k in zip(at, stride, dilation, kernel.shape[2:])
            )
            for g in range(groups):
                ins = slice(g * per_group, (g + 1) * per_group)
                outs = slice(g * each, (g + 1) * each)
                where = (slice(None), ins, *window)
                spot = (slice(None), outs, *at)
                flat = wide[where].reshape(image.shape[0], -1)
                rows = kernel[outs].reshape(each, -1)
                if op == "conv_fprop":
                    result[spot] = flat @ rows.T
                elif op == "conv_dgrad":
                    wide[where] += (grad[spot] @ rows).reshape(wide[where].shape)
                else:
                    kernel[outs] += (grad[spot].T @ flat).reshape(kernel[outs].shape)
        if op == "conv_fprop":
            return result
        if op == "conv_wgrad":
            return kernel
        return wide[(slice(None), slice(None), *(slice(p, p + n) for p, n in zip(pad, shape[2:])))]


class Cudnn:
    """The module ``cudnn``."""

    pygraph = pygraph
    data_type = Type
    cudnnGraphNotSupportedError = GraphNotSupported
    heur_mode = types.SimpleNamespace(A="A", FALLBACK="FALLBACK")
    numerical_note = types.SimpleNamespace(
        TENSOR_CORE="TENSOR_CORE", DOWN_CONVERT_INPUTS="DOWN_CONVERT_INPUTS",
        NONDETERMINISTIC="NONDETERMINISTIC",
    )  # fmt: skip
    #: Whether the library itself is there.
    whole = True

    def backend_version(self) -> int:
        if not self.whole:
            raise RuntimeError("Unable to find symbol cudnnGetVersion")
        return 91900

    def create_handle(self) -> Any:
        return types.SimpleNamespace(what="handle", stream=0)

    def set_stream(self, handle: Any, stream: int) -> None:
        handle.stream = stream


VERSIONS = {"nvmath-python": "1.0.0", "nvidia-cudnn-frontend": "1.32.0"}


def modules() -> dict[str, Any]:
    """What to put into ``sys.modules``."""
    lt = CublasLt()
    bindings = types.SimpleNamespace(
        cublasLt=lt, cublas=types.SimpleNamespace(ComputeType=ComputeType)
    )
    whole = types.SimpleNamespace(bindings=bindings)
    return {"nvmath": whole, "nvmath.bindings": bindings, "cudnn": Cudnn()}
