"""CuPy's kernels of an expression, without a GPU: see ``fake_kernels``."""

from __future__ import annotations

import ctypes
import math
from typing import Any

import numpy as np
from fake_kernels import TYPES, loaded, threads


class _Parameter:
    def __init__(self, text: str) -> None:
        *words, self.name = text.split()
        self.raw = words[0] == "raw"
        self.kind = words[-1]

    @property
    def generic(self) -> bool:
        return self.kind not in TYPES


def _parameters(text: str) -> list[_Parameter]:
    return [_Parameter(part) for part in text.split(",") if part.strip()]


def _resolved(name: str, parameters: Any, args: Any) -> dict[str, Any]:
    """Each letter's dtype, by the arrays given; they must agree."""
    kinds: dict[str, Any] = {}
    for p, a in zip(parameters, args):
        if not isinstance(a, (np.ndarray, np.generic)):
            continue
        if p.generic:
            if kinds.setdefault(p.kind, a.dtype) != a.dtype:
                raise TypeError(f"{name}: {p.kind} is {kinds[p.kind]} and {a.dtype}")
        elif p.raw:
            assert a.dtype.name == p.kind, (name, p.name, a.dtype)
    return kinds


_RAW = """
template <class T> struct Raw {
  T* p; long long n;
  T& operator[](long long i) const { return p[i]; }
  long long size() const { return n; }
};
struct Index { long long n; long long size() const { return n; } };
"""


_RUN = "CUDA_EXPORT void run(void** _arrays, const long long* _sizes) {"


class _Expression:
    """What Elementwise- and ReductionKernel share: parameters, their types, and a C function."""

    name: str
    inputs: list[_Parameter]
    outputs: list[_Parameter]

    def _run(self, text: str, kinds: dict[str, Any], arrays: Any, counts: Any) -> None:
        aliases = [f"typedef {TYPES[np.dtype(k).name]} {letter};" for letter, k in kinds.items()]
        source = "\n".join(['#include "cuda.h"', _RAW, *aliases, text])
        function = loaded(source).run
        pointers = (ctypes.c_void_p * len(arrays))(*(a.ctypes.data for a in arrays))
        function(pointers, (ctypes.c_longlong * len(counts))(*counts))
        mistake = threads().cuda_mistake()
        if mistake:
            raise RuntimeError(f"{self.name}: {mistake.decode()}")

    def _c(self, p: _Parameter) -> str:
        return p.kind if p.generic else TYPES[p.kind]

    def _dtype(self, p: _Parameter, kinds: dict[str, Any]) -> Any:
        import ml_dtypes

        if p.generic:
            return kinds[p.kind]
        return np.dtype(ml_dtypes.bfloat16 if p.kind == "bfloat16" else p.kind)


class ElementwiseKernel(_Expression):
    """``cupy.ElementwiseKernel``: an expression for each element ``i`` of the broadcast arrays."""

    def __init__(
        self, in_params: str, out_params: str, operation: str, name: str = "kernel",
        preamble: str = "", **rest: Any,
    ) -> None:  # fmt: skip
        self.inputs, self.outputs = _parameters(in_params), _parameters(out_params)
        self.operation, self.name, self.preamble = operation, name, preamble

    def __call__(self, *args: Any, size: int | None = None, block_size: int = 128) -> Any:
        from fake_cupy import dressed, on_this_device

        on_this_device(args)
        given = len(args)
        assert given in (len(self.inputs), len(self.inputs) + len(self.outputs)), self.name
        every = self.inputs + self.outputs
        kinds = _resolved(self.name, every, args)
        operands = []
        for p, a in zip(self.inputs, args):
            assert type(a) is not np.ndarray, f"{self.name}: {p.name} is on the host"
            if p.raw:
                assert a.flags.c_contiguous
            operands.append(np.asarray(a, self._dtype(p, kinds)))
        targets = [np.asarray(a) for a in args[len(self.inputs) :]]
        spread = [a.shape for p, a in zip(every, operands + targets) if not p.raw]
        shape = np.broadcast_shapes(*spread)
        if size is None:
            assert any(a.ndim or isinstance(a, np.ndarray) for a in args), "Loop size is undecided"
            size = math.prod(shape)
        elif not any(spread):
            shape = (size,)
        if given == len(self.inputs):
            targets = [np.empty(shape, self._dtype(p, kinds)) for p in self.outputs]
        flat = [
            a if p.raw else np.ascontiguousarray(np.broadcast_to(a, shape))
            for p, a in zip(every, operands + targets)
        ]
        self._run(self._text(), kinds, flat, [size, *(a.size for a in flat)])
        for p, target, result in zip(self.outputs, targets, flat[len(self.inputs) :]):
            if target is not result and not p.raw:
                target[...] = result
        out = [a if isinstance(a, np.ndarray) else None for a in args[len(self.inputs) :]]
        out = out or [dressed(t) for t in targets]
        return out[0] if len(out) == 1 else tuple(out)

    def _text(self) -> str:
        lines = []
        for k, p in enumerate(self.inputs + self.outputs):
            c, const = self._c(p), "const " if k < len(self.inputs) else ""
            if p.raw:
                lines.append(f"Raw<{c}> {p.name} = {{({c}*)_arrays[{k}], _sizes[{k + 1}]}};")
            elif const:
                lines.append(f"const {c} {p.name} = (({c}*)_arrays[{k}])[i];")
            else:
                lines.append(f"{c}& {p.name} = (({c}*)_arrays[{k}])[i];")
        # `continue` and `return` end an element, as in a thread of CuPy's.
        return "\n".join([
            self.preamble, _RUN, "Index _ind = {_sizes[0]};",
            "for (long long i = 0; i < _sizes[0]; ++i) [&]{", *lines, self.operation, ";}();", "}",
        ])  # fmt: skip


class ReductionKernel(_Expression):
    """``cupy.ReductionKernel``: elements mapped and reduced along an axis, or all of them."""

    def __init__(
        self, in_params: str, out_params: str, map_expr: str, reduce_expr: str, post_map_expr: str,
        identity: Any, name: str = "kernel", reduce_type: str | None = None, preamble: str = "",
        **rest: Any,
    ) -> None:  # fmt: skip
        self.inputs, self.outputs = _parameters(in_params), _parameters(out_params)
        assert len(self.outputs) == 1
        self.name, self.preamble = name, preamble
        kind = self._c(self.outputs[0]) if reduce_type is None else TYPES.get(reduce_type)
        self.parts = (map_expr, reduce_expr, post_map_expr, str(identity), kind or reduce_type)

    def __call__(
        self, *args: Any, axis: Any = None, keepdims: bool = False, out: Any = None
    ) -> Any:
        from fake_cupy import dressed, on_this_device

        on_this_device(args)
        kinds = _resolved(self.name, self.inputs, args)
        if self.outputs[0].generic and out is not None:
            kinds.setdefault(self.outputs[0].kind, out.dtype)
        operands = np.broadcast_arrays(
            *(np.asarray(a, self._dtype(p, kinds)) for p, a in zip(self.inputs, args))
        )
        ndim = operands[0].ndim
        axes = range(ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
        axes = [a % ndim for a in axes]
        kept = [a for a in range(ndim) if a not in axes]
        shape = operands[0].shape
        flat = [np.ascontiguousarray(a.transpose(*kept, *axes)) for a in operands]
        size = math.prod(shape[a] for a in kept)
        length = math.prod(shape[a] for a in axes)
        result = np.empty(size, self._dtype(self.outputs[0], kinds))
        self._run(self._text(), kinds, [*flat, result], [size, length])
        result = result.reshape([
            1 if i in axes else n for i, n in enumerate(shape) if keepdims or i not in axes
        ])  # fmt: skip
        if out is None:
            return dressed(result)
        out[...] = result
        return out

    def _text(self) -> str:
        mapped, reduced, after, identity, kind = self.parts
        reads = [
            f"const {self._c(p)} {p.name} = (({self._c(p)}*)_arrays[{k}])[_row * _sizes[1] + i];"
            for k, p in enumerate(self.inputs)
        ]
        result, c = self.outputs[0], self._c(self.outputs[0])
        return "\n".join([
            self.preamble, _RUN, "for (long long _row = 0; _row < _sizes[0]; ++_row) {",
            f"typedef {kind} acc;", f"acc total = (acc)({identity});",
            "for (long long i = 0; i < _sizes[1]; ++i) {", *reads,
            "acc b = (acc)(" + mapped + "), a = total;", f"total = (acc)({reduced});", "}",
            f"{c}& {result.name} = (({c}*)_arrays[{len(self.inputs)}])[_row];", "acc a = total;",
            after + ";", "}", "}",
        ])  # fmt: skip
