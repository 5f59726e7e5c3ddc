"""graphs: steps of the device that PyTorch records and plays again; none are recorded here."""

from __future__ import annotations

from ..places.nothing import nothing

_WHY = "steps are not recorded on the device; write anadrome.capture(step)"

CUDAGraph, graph, make_graphed_callables = (
    nothing(name, _WHY) for name in ("CUDAGraph", "graph", "make_graphed_callables")
)
