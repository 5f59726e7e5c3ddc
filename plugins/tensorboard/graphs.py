"""graphs: the ops that a module calls, as TensorBoard's graph."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tensorboard.compat.proto.attr_value_pb2 import AttrValue
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.compat.proto.node_def_pb2 import NodeDef
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.versions_pb2 import VersionDef

from anadrome import Mode, Tensor, nn, no_grad


class _Recording(Mode):
    """Notes each op: in which module it was called, and where its inputs come from."""

    def __init__(self, model: nn.Module) -> None:
        self.nodes: list[NodeDef] = []
        self.scopes: list[str] = []
        self._named: dict[str, int] = {}
        #: By the id of a Tensor: the node that it came from. The Tensors are kept, so ids stay.
        self._made: dict[int, str] = {}
        self._kept: list[Tensor] = []
        self._held = {
            id(t): f"{type(model).__name__}/{name.replace('.', '/')}"
            for name, t in [*model.named_parameters(), *model.named_buffers()]
        }

    def note(self, op: str, name: str, inputs: Any, made: Any) -> None:
        """One node more, of which the Tensors ``made`` come."""
        sources = [self._source(t) for t in _tensors(inputs)]
        count = self._named[name] = self._named.get(name, -1) + 1
        node = NodeDef(name=f"{name}_{count}" if count else name, op=op, input=sources)
        shapes = AttrValue.ListValue()
        for t in _tensors(made):
            self._kept.append(t)
            self._made[id(t)] = node.name
            dims = [TensorShapeProto.Dim(size=n) for n in t.shape]
            shapes.shape.append(TensorShapeProto(dim=dims))
        node.attr["_output_shapes"].CopyFrom(AttrValue(list=shapes))
        self.nodes.append(node)

    def _source(self, t: Tensor) -> str:
        if id(t) not in self._made:
            held = self._held.get(id(t))
            self.note("Parameter" if held else "Constant", held or "constant", (), t)
        return self._made[id(t)]

    def intercept(self, op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        out = op(*args, **kwargs)
        self.note(f"aten::{op.__name__}", "/".join([*self.scopes, op.__name__]), args, out)
        return out


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _tensors(part)


def graph_of(model: nn.Module, inputs: Any) -> GraphDef:
    """Run ``model`` on ``inputs`` (a Tensor, or a tuple of arguments); what it called."""
    recording = _Recording(model)
    handles = []
    for path, module in model.named_modules():
        scope = f"{type(module).__name__}[{path.rpartition('.')[2]}]" if path else None

        def enter(module: Any, args: Any, scope: str = scope or type(module).__name__) -> None:
            recording.scopes.append(scope)

        def leave(module: Any, args: Any, out: Any) -> None:
            recording.scopes.pop()

        handles.append(module.register_forward_pre_hook(enter))
        handles.append(module.register_forward_hook(leave, always_call=True))
    given = inputs if isinstance(inputs, tuple) else (inputs,)
    for t in _tensors(given):
        recording.note("IO Node", "input/input", (), t)
    training = [(m, m.training) for m in model.modules()]
    try:
        with no_grad(), recording:
            out = model.eval()(*given)
    finally:
        for handle in handles:
            handle.remove()
        for module, before in training:
            module.training = before
    recording.note("IO Node", "output/output", out, ())
    return GraphDef(node=recording.nodes, versions=VersionDef(producer=22))
