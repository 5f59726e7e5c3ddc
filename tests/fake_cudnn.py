"""cuDNN's frontend, without a GPU: see ``fake_nvidia``."""

from __future__ import annotations

import enum
import types
from typing import Any

import ml_dtypes
import numpy as np
from fake_cublaslt import CALLS, memory


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
        self.outs = [Described()]
        return self.outs[0]

    def conv_fprop(self, image: Any, weight: Any, **geometry: Any) -> Described:
        return self._convolve("conv_fprop", image, weight, **geometry)

    def conv_dgrad(self, loss: Any, filter: Any, **geometry: Any) -> Described:
        return self._convolve("conv_dgrad", loss, filter, **geometry)

    def conv_wgrad(self, image: Any, loss: Any, **geometry: Any) -> Described:
        return self._convolve("conv_wgrad", image, loss, **geometry)

    def sdpa(
        self, q: Any, k: Any, v: Any, *, generate_stats: bool, attn_scale: float,
        use_causal_mask: bool,
    ) -> Any:  # fmt: skip
        assert generate_stats
        self.op, self.given = "sdpa", (q, k, v)
        self.geometry = {"scale": attn_scale, "causal": use_causal_mask}
        self.outs = [Described(), Described()]
        return list(self.outs)

    def sdpa_backward(
        self, q: Any, k: Any, v: Any, o: Any, dO: Any, stats: Any, *, attn_scale: float,
        use_causal_mask: bool, use_deterministic_algorithm: bool,
    ) -> Any:  # fmt: skip
        assert stats.data_type is Type.FLOAT
        self.op, self.given = "sdpa_backward", (q, k, v, o, dO, stats)
        self.geometry = {
            "scale": attn_scale, "causal": use_causal_mask, "sure": use_deterministic_algorithm,
        }  # fmt: skip
        self.outs = [Described(), Described(), Described()]
        return list(self.outs)

    def validate(self) -> None:
        assert all(out.is_output for out in self.outs)
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
        if self.refuses(self.op, (*self.given, *self.outs)):
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
        given = [self._array(t, tensor_dict[t.uid]).astype(np.float64) for t in self.given]
        outs = [self._array(t, tensor_dict[t.uid]) for t in self.outs]
        if self.op.startswith("sdpa"):
            results = self._attended(*given)
        else:
            results = [self._computed(*given, outs[0].shape)]
        for out, result in zip(outs, results):
            out[...] = result
        CALLS.append((self.op, {
            "stream": handle.stream, "kind": outs[0].dtype.name, "shape": outs[0].shape,
            "barred": self.barred, **self.geometry,
        }))  # fmt: skip

    def _array(self, tensor: Any, address: int) -> Any:
        kind = tensor.data_type.value
        size = 1 + sum((n - 1) * s for n, s in zip(tensor.dim, tensor.stride))
        flat = memory(address, kind, size)
        steps = [s * flat.itemsize for s in tensor.stride]
        return np.lib.stride_tricks.as_strided(flat, tensor.dim, steps)

    def _attended(self, q: Any, k: Any, v: Any, *rest: Any) -> Any:
        """Row by row, and its derivatives by the softmax's own."""
        scores = self.geometry["scale"] * np.einsum("bhle,bhse->bhls", q, k)
        if self.geometry["causal"]:
            scores = scores + np.triu(np.full(scores.shape[-2:], -np.inf), 1)
        sums = np.logaddexp.reduce(scores, axis=-1, keepdims=True)
        p = np.exp(scores - sums)
        if not rest:
            return np.einsum("bhls,bhsv->bhlv", p, v), sums
        o, g, told = rest
        assert np.allclose(told, sums, atol=1e-3) and np.allclose(
            o, np.einsum("bhls,bhsv->bhlv", p, v), atol=0.1
        )
        dp = np.einsum("bhlv,bhsv->bhls", g, v)
        ds = self.geometry["scale"] * p * (dp - (p * dp).sum(-1, keepdims=True))
        return (
            np.einsum("bhls,bhse->bhle", ds, k), np.einsum("bhls,bhle->bhse", ds, q),
            np.einsum("bhls,bhlv->bhsv", p, g),
        )  # fmt: skip

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
