"""hooks: what runs around a Module's forward and backward.

``Module.__call__`` comes here only when the module, or all modules, have a hook.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ... import modes, sites
from ...autograd.function import Function
from ...errors import GraphError
from ...graph import RemovableHandle
from ...tensor import Tensor
from ...unfinished import naming

if TYPE_CHECKING:
    from .module import Module

#: Hooks of every module, by kind.
every: dict[str, OrderedDict[int, Any]] = {
    kind: OrderedDict()
    for kind in ("forward_pre", "forward", "backward_pre", "backward", "with_kwargs", "always",
                 "parameter", "buffer", "module")
}  # fmt: skip


def attach(
    table: OrderedDict[int, Any], hook: Any, *marks: dict[int, Any], prepend: bool = False
) -> RemovableHandle:
    """Put a hook into a table, first or last, and its number into ``marks``."""
    handle = RemovableHandle(table, hook)
    for mark in marks:
        mark[handle.id] = True
    if prepend:
        table.move_to_end(handle.id, last=False)
    return handle


class _OnEveryModule(RemovableHandle):
    """Of a hook of every module; with the last of them, calls go straight to forward again."""

    def remove(self) -> None:
        from .module import Module

        super().remove()
        Module._hooked = any(every[kind] for kind in every if "forward" in kind or "back" in kind)


def _on_every_module(kind: str, hook: Any, *marks: dict[int, Any]) -> RemovableHandle:
    from .module import Module

    handle = _OnEveryModule(every[kind], hook)
    for mark in marks:
        mark[handle.id] = True
    Module._hooked = True
    return handle


def register_module_forward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(module, args)`` before the forward of every module."""
    return _on_every_module("forward_pre", hook)


def register_module_forward_hook(
    hook: Callable[..., Any], *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Call ``hook(module, args, output)`` after the forward of every module."""
    marks = [every["with_kwargs"]] * with_kwargs + [every["always"]] * always_call
    return _on_every_module("forward", hook, *marks)


def register_module_full_backward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(module, grad_output)`` before the backward of every module."""
    return _on_every_module("backward_pre", hook)


def register_module_full_backward_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(module, grad_input, grad_output)`` after the backward of every module."""
    return _on_every_module("backward", hook)


def register_module_backward_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """The older name of ``register_module_full_backward_hook``."""
    return register_module_full_backward_hook(hook)


def register_module_parameter_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(module, name, parameter)`` when a module gets one; it may return another."""
    return RemovableHandle(every["parameter"], hook)


def register_module_buffer_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(module, name, buffer)`` when a module gets one; it may return another."""
    return RemovableHandle(every["buffer"], hook)


def register_module_module_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(module, name, submodule)`` when a module gets one; it may return another."""
    return RemovableHandle(every["module"], hook)


def registered(kind: str, module: Module, name: str, value: Any) -> Any:
    """What is to be kept in the place of ``value``, after the hooks of its kind."""
    for hook in list(every[kind].values()):
        with naming(f"{kind} registration hook", module):
            other = hook(module, name, value)
        if other is not None:
            value = other
    return value


def call_with_hooks(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``module(*args, **kwargs)`` with every hook there is."""
    call = _Call(module, args, kwargs)
    try:
        return call.run()
    except Exception:
        call.run_always()
        raise


class _Call:
    """One call of a module with hooks."""

    def __init__(self, module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.module = module
        self.args = args
        self.kwargs = kwargs
        self.result: Any = None
        self.done: set[int] = set()

    def run(self) -> Any:
        module = self.module
        self.before()
        after = [*every["backward"].values(), *module._backward_hooks.values()]
        first = [*every["backward_pre"].values(), *module._backward_pre_hooks.values()]
        backward = _BackwardHooks(module, after, first) if after or first else None
        if backward is not None:
            self.args = backward.on_inputs(self.args)
        self.result = module.forward(*self.args, **self.kwargs)
        self.after()
        if backward is not None:
            self.result = backward.on_outputs(self.result)
        return self.result

    def before(self) -> None:
        module = self.module
        for hook in list(every["forward_pre"].values()):
            with naming("forward pre-hook", module):
                self._new_args(hook(module, self.args))
        for number, hook in list(module._forward_pre_hooks.items()):
            if number not in module._forward_pre_hooks_with_kwargs:
                with naming("forward pre-hook", module):
                    self._new_args(hook(module, self.args))
                continue
            with naming("forward pre-hook", module):
                changed = hook(module, self.args, self.kwargs)
            if changed is None:
                continue
            if not (isinstance(changed, tuple) and len(changed) == 2):
                raise RuntimeError(
                    "forward pre-hook must return None or a tuple of (new_args, new_kwargs), but "
                    f"got {changed}."
                )
            self.args, self.kwargs = changed

    def _new_args(self, changed: Any) -> None:
        if changed is not None:
            self.args = changed if isinstance(changed, tuple) else (changed,)

    def after(self) -> None:
        module = self.module
        for number, hook in list(every["forward"].items()):
            self._one_after(number, hook, number in every["with_kwargs"])
        for number, hook in list(module._forward_hooks.items()):
            self._one_after(number, hook, number in module._forward_hooks_with_kwargs)

    def _one_after(self, number: int, hook: Any, with_kwargs: bool) -> None:
        self.done.add(number)
        extra = (self.kwargs,) if with_kwargs else ()
        with naming("forward hook", self.module):
            changed = hook(self.module, self.args, *extra, self.result)
        if changed is not None:
            self.result = changed

    def run_always(self) -> None:
        """After an exception: the hooks that asked to be called in any case."""
        module = self.module
        waiting = [
            (number, hook, number in every["with_kwargs"])
            for number, hook in every["forward"].items()
            if number in every["always"]
        ] + [
            (number, hook, number in module._forward_hooks_with_kwargs)
            for number, hook in module._forward_hooks.items()
            if number in module._forward_hooks_always_called
        ]
        for number, hook, with_kwargs in waiting:
            if number in self.done:
                continue
            try:
                self._one_after(number, hook, with_kwargs)
            except Exception as error:
                sites.warn(
                    "module forward hook with ``always_call=True`` raised an exception that was "
                    f"silenced as another error was raised in forward: {error}",
                )


class BackwardHookFunction(Function):
    """The identity: a place in the graph where a module begins or ends."""

    @staticmethod
    def forward(ctx: Any, *args: Tensor) -> tuple[Tensor, ...]:
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(*[a for a in args if not a.requires_grad])
        return args

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return grads


class _BackwardHooks:
    """The backward hooks of one call: notes the gradients of the outputs, then tells the user."""

    def __init__(self, module: Module, after: list[Any], first: list[Any]) -> None:
        self.module = module
        self.after = after
        self.first = first
        self.grad_outputs: tuple[Any, ...] | None = None
        self.input_places: list[int] | None = None
        self.output_places: list[int] = []
        self.input_count = 0
        self.output_count = 0

    def on_inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        args, self.input_places, node = _through_identity(args)
        self.input_count = len(args)
        if node is not None:
            node.register_hook(self._at_inputs)
        return args

    def on_outputs(self, result: Any) -> Any:
        if not isinstance(result, (Tensor, tuple)):
            sites.warn(
                "For backward hooks to be called, module output should be a Tensor or a tuple of "
                f"Tensors but received {type(result)}",
            )
        outputs = result if isinstance(result, tuple) else (result,)
        outputs, places, node = _through_identity(outputs)
        self.output_places = places or []
        self.output_count = len(outputs)
        if node is not None:
            node.register_hook(self._at_outputs)
        return outputs if isinstance(result, tuple) else outputs[0]

    def _at_outputs(self, _: Any, grad_outputs: Any) -> Any:
        grads = _spread(self.output_places, grad_outputs, self.output_count)
        for hook in self.first:
            changed = hook(self.module, grads)
            if changed is None:
                continue
            grads = _instead("Backward pre hook", "grad_output", hook, changed, grads)
        self.grad_outputs = grads
        if self.input_places is None:
            self._without_inputs()
        return tuple(grads[i] for i in self.output_places)

    def _without_inputs(self) -> None:
        """No input requires a gradient, so nothing will arrive there: tell the user now."""
        for hook in self.after:
            changed = hook(self.module, (None,) * self.input_count, self.grad_outputs)
            if changed is not None and any(g is not None for g in changed):
                raise RuntimeError(
                    "Backward hook for Modules where no input requires gradient should always "
                    "return None or None for all gradients."
                )
        self.grad_outputs = None

    def _at_inputs(self, grad_inputs: Any, _: Any) -> Any:
        if self.grad_outputs is None:  # the gradient did not come through the module's outputs
            return None
        assert self.input_places is not None
        grads = _spread(self.input_places, grad_inputs, self.input_count)
        for hook in self.after:
            changed = hook(self.module, grads, self.grad_outputs)
            if changed is None:
                continue
            grads = _instead("Backward hook", "grad_input", hook, changed, grads)
        self.grad_outputs = None
        return tuple(grads[i] for i in self.input_places)


def _instead(kind: str, what: str, hook: Any, changed: Any, grads: Any) -> tuple[Any, ...]:
    """The gradients that a hook returned in place of ``grads``, if they can stand there."""
    changed = changed if isinstance(changed, tuple) else (changed,)
    if len(changed) != len(grads):
        raise RuntimeError(
            f"{kind} returned an invalid number of {what}, got {len(changed)}, but expected "
            f"{len(grads)}"
        )
    for i, (new, old) in enumerate(zip(changed, grads)):
        if new is None or (isinstance(new, Tensor) and (old is None or new.shape == old.shape)):
            continue
        got = f"shape {tuple(new.shape)}" if isinstance(new, Tensor) else type(new).__name__
        wanted = "a Tensor" if old is None else f"a Tensor of shape {tuple(old.shape)}"
        raise GraphError(
            f"{kind} {getattr(hook, '__qualname__', hook)!s} returned {got} for {what}[{i}]; it "
            f"must return {wanted}, or None"
        )
    return changed


def _through_identity(values: tuple[Any, ...]) -> tuple[tuple[Any, ...], list[int] | None, Any]:
    """The values with Tensors behind one identity node; where they are, and the node."""
    places = [i for i, v in enumerate(values) if isinstance(v, Tensor)]
    if not modes.is_grad_enabled() or not any(values[i].requires_grad for i in places):
        return values, None, None
    passed = BackwardHookFunction.apply(*[values[i] for i in places])
    out = list(values)
    for i, value in zip(places, passed):
        out[i] = value
    node = next(v.grad_fn for v in passed if v.grad_fn is not None)
    # A namedtuple stays one.
    made = tuple(out) if type(values) is tuple else type(values)(*out)
    return made, places, node


def _spread(places: list[int], values: Any, count: int) -> tuple[Any, ...]:
    out: list[Any] = [None] * count
    for i, value in zip(places, values):
        out[i] = value
    return tuple(out)
