"""graphs: cuDNN's plans by `nvidia-cudnn-frontend`, run on CuPy's arrays by their addresses.

A graph says which arrays there are (sizes, strides, element type) and what is computed of them;
cuDNN finds kernels for it, or refuses. The package's conveniences for PyTorch's tensors are not
used.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

import cupy
import ml_dtypes
import numpy as np

from . import precision
from .libraries import Library, Plans

F32 = np.dtype(np.float32)
#: cuDNN's names of element types.
NAMES = {
    F32: "FLOAT", np.dtype(np.float64): "DOUBLE", np.dtype(np.float16): "HALF",
    np.dtype(ml_dtypes.bfloat16): "BFLOAT16",
}  # fmt: skip


def _frontend() -> Any:
    import cudnn

    cudnn.backend_version()  # raises where the library itself is not there
    return cudnn


LIBRARY = Library("nvidia-cudnn-frontend", (1, 32), _frontend)
PLANS = Plans()
_mine = threading.local()
#: Whether only plans may be chosen that give the same bits each time; a switch says it as well.
deterministic = False


def _handle(cudnn: Any, device: int) -> Any:
    """cuDNN's handle, of this thread and device, set to the stream that is current."""
    handles = _mine.__dict__.setdefault("handles", {})
    handle = handles.get(device)
    if handle is None:
        handle = handles[device] = cudnn.create_handle()
    cudnn.set_stream(handle, cupy.cuda.get_current_stream().ptr)
    return handle


def in_rows(shape: tuple[int, ...]) -> list[int]:
    """The strides, in elements, of an array that lies in rows."""
    out = [1]
    for n in shape[:0:-1]:
        out.append(out[-1] * n)
    return out[::-1]


class Graph:
    """A graph in the making: one element type, which is computed in float32 or wider."""

    def __init__(self, cudnn: Any, handle: Any, kind: Any, barred: tuple[str, ...] = ()) -> None:
        self.cudnn = cudnn
        self.barred = [getattr(cudnn.numerical_note, name) for name in barred]
        self.type = getattr(cudnn.data_type, NAMES[kind])
        double = NAMES[kind] == "DOUBLE"
        self.wide = cudnn.data_type.DOUBLE if double else cudnn.data_type.FLOAT
        self.whole = cudnn.pygraph(
            io_data_type=self.type, intermediate_data_type=self.wide, compute_data_type=self.wide,
            handle=handle,
        )  # fmt: skip

    def input(self, number: int, shape: tuple[int, ...], wide: bool = False) -> Any:
        """An array that lies in rows; ``number`` names it when the plan is run.

        ``wide``: of the type that is computed in.
        """
        kind = self.wide if wide else self.type
        return self.whole.tensor(dim=list(shape), stride=in_rows(shape), data_type=kind, uid=number)

    def output(self, number: int, tensor: Any, shape: tuple[int, ...], wide: bool = False) -> None:
        """That ``tensor`` is written, into an array that lies in rows."""
        kind = self.wide if wide else self.type
        tensor.set_output(True).set_uid(number)
        tensor.set_dim(list(shape)).set_stride(in_rows(shape)).set_data_type(kind)

    def built(self) -> tuple[Any, int]:
        """The plan, and how many bytes of workspace it needs; raises where cuDNN has none."""
        graph, cudnn = self.whole, self.cudnn
        graph.validate()
        graph.build_operation_graph()
        graph.create_execution_plans([cudnn.heur_mode.A, cudnn.heur_mode.FALLBACK])
        if self.barred:
            graph.deselect_numeric_notes(self.barred)
        graph.check_support()
        graph.build_plans()
        return graph, int(graph.get_workspace_size())


def _switch(name: str, untouched: bool) -> bool:
    """One of PyTorch's switches, ``backends.cudnn``, which is imported by who touches it."""
    switches = sys.modules.get("anadrome.backends.cudnn")
    return untouched if switches is None else bool(getattr(switches, name))


def is_deterministic() -> bool:
    """Whether only plans may be chosen that give the same bits each time."""
    return deterministic or _switch("deterministic", False)


def _barred(kind: Any) -> tuple[str, ...]:
    """The kinds of kernels that may not be chosen, by cuDNN's notes on them."""
    # Tensor cores round factors of float32 to TF32.
    rounding = ("TENSOR_CORE", "DOWN_CONVERT_INPUTS")
    varying = ("NONDETERMINISTIC",) if is_deterministic() else ()
    return varying + (rounding if kind == F32 and not precision.allowed() else ())


def run(
    problem: tuple[Any, ...], kind: Any, make: Callable[[Graph], None], arrays: Mapping[int, Any]
) -> bool:
    """Run the plan of a problem on arrays that lie in rows; False where there is none.

    ``problem`` tells problems apart; ``make`` says the graph of one that is met for the first time.
    """
    cudnn = LIBRARY.opened()
    if cudnn is None or kind not in NAMES or not _switch("enabled", True):
        return False
    device = int(cupy.cuda.Device().id)
    handle = _handle(cudnn, device)
    barred = _barred(kind)
    key = device, threading.get_ident(), kind, barred, problem

    def made() -> tuple[Any, int]:
        graph = Graph(cudnn, handle, kind, barred)
        make(graph)
        return graph.built()

    plan = PLANS.plan(key, made)
    if plan is None:
        return False
    graph, size = plan
    workspace = cupy.empty(size, np.uint8) if size else None  # the stream's, until it is done
    graph.execute(
        {number: int(array.data.ptr) for number, array in arrays.items()},
        None if workspace is None else int(workspace.data.ptr),
        handle,
    )
    return True


def described(composed: str) -> str:
    """For ``anadrome info``; ``composed``: what is done without."""
    cudnn = LIBRARY.opened()
    if cudnn is None:
        return f"{composed} ({LIBRARY.why})"
    return f"cuDNN {cudnn.backend_version()}{PLANS.told()}; else {composed}"
