"""nvmath-python's cuBLASLt bindings, without a GPU: see ``fake_nvidia``."""

from __future__ import annotations

import ctypes
import enum
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
