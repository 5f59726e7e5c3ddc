"""node: one step of a graph: an input, an attribute, a call, or the output."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from anadrome.places import compiler

from .arguments import formatted, map_arg
from .names import qualified, type_name

if TYPE_CHECKING:
    from .graph import Graph

OPS = ("placeholder", "call_method", "call_module", "call_function", "get_attr", "output", "root")

#: Functions that are called for what they do: dead code keeps them.
side_effects: set[Any] = {compiler._assert, compiler._assert_async}


def has_side_effect(function: Any) -> Any:
    """Let calls of a function stay where nothing uses their result (``fx.has_side_effect``)."""
    side_effects.add(function)
    return function


class Node:
    """One step of a ``Graph``; graphs make them (``torch.fx.Node``).

    ``op``: one of ``placeholder``, ``get_attr``, ``call_function``, ``call_method``,
    ``call_module``, ``output``. ``target``: the function, or the name of the method, module,
    attribute or input. ``args``, ``kwargs``: what it is called with, other nodes among them; assign
    new ones to change them. ``users``: the nodes that take this one. ``meta``: notes on it.
    """

    def __init__(
        self,
        graph: Graph,
        name: str,
        op: str,
        target: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        return_type: Any = None,
    ) -> None:
        if op not in OPS:
            raise AssertionError(f"op must be one of {', '.join(OPS[:-1])}; got {op!r}")
        if op == "call_function" and not callable(target):
            raise ValueError(
                f"Node [graph = {graph}, name = '{name}'] target {target} has type {type(target)} "
                "but a Callable is expected"
            )
        if op not in ("call_function", "root") and not isinstance(target, str):
            raise ValueError(
                f"Node [graph = {graph}, name = '{name}'] target {target} has type {type(target)} "
                "but a str is expected"
            )
        self.graph, self.name, self.op, self.target = graph, name, op, target
        self.type = return_type
        self.users: dict[Node, None] = {}
        self.meta: dict[str, Any] = {}
        self._args: tuple[Any, ...] = ()
        self._kwargs: dict[str, Any] = {}
        self._inputs: dict[Node, None] = {}
        self._prev = self._next = self
        self._erased = False
        self._assign(args, kwargs)

    def __repr__(self) -> str:
        return self.name

    # -- where it is -------------------------------------------------------------------------------
    @property
    def next(self) -> Node:
        """The node after it."""
        return self._next

    @property
    def prev(self) -> Node:
        """The node before it."""
        return self._prev

    def prepend(self, x: Node) -> None:
        """Move ``x`` before this one."""
        if self.graph is not x.graph:
            raise AssertionError("Attempting to move a Node into a different Graph")
        if x is self:
            return
        x._unlink()
        before = self._prev
        before._next, x._prev, x._next, self._prev = x, before, self, x

    def append(self, x: Node) -> None:
        """Move ``x`` behind this one."""
        if x is not self:
            self._next.prepend(x)

    def _unlink(self) -> None:
        self._prev._next, self._next._prev = self._next, self._prev
        self._prev = self._next = self

    # -- what it takes -----------------------------------------------------------------------------
    @property
    def args(self) -> tuple[Any, ...]:
        """What it is called with by position."""
        return self._args

    @args.setter
    def args(self, new: tuple[Any, ...]) -> None:
        self._assign(tuple(new), self._kwargs)

    @property
    def kwargs(self) -> dict[str, Any]:
        """What it is called with by name."""
        return self._kwargs

    @kwargs.setter
    def kwargs(self, new: dict[str, Any]) -> None:
        self._assign(self._args, new)

    def _assign(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        for old in self._inputs:
            old.users.pop(self, None)
        self._inputs = {}

        def use(node: Node) -> Node:
            self._inputs.setdefault(node)
            node.users.setdefault(self)
            return node

        self._args, self._kwargs = map_arg(args, use), map_arg(kwargs, use)

    @property
    def all_input_nodes(self) -> list[Node]:
        """The nodes among its arguments, each once, in order."""
        return list(self._inputs)

    def update_arg(self, idx: int, arg: Any) -> None:
        """Put another argument in the place of one."""
        args = list(self._args)
        args[idx] = arg
        self.args = tuple(args)

    def insert_arg(self, idx: int, arg: Any) -> None:
        """Put an argument before one."""
        if not 0 <= idx <= len(self._args):
            raise AssertionError(
                f"insert_args index must be between 0 and len(self.args), got {idx}"
            )
        self.args = (*self._args[:idx], arg, *self._args[idx:])

    def update_kwarg(self, key: str, arg: Any) -> None:
        """Put another argument in the place of that of a name, or give one of that name."""
        self.kwargs = {**self._kwargs, key: arg}

    def replace_input_with(self, old_input: Node, new_input: Node) -> None:
        """Take one node wherever another was taken."""
        self._assign(*_replaced(self, old_input, new_input))

    def replace_all_uses_with(
        self,
        replace_with: Node,
        delete_user_cb: Callable[[Node], bool] = lambda user: True,
        *,
        propagate_meta: bool = False,
    ) -> list[Node]:
        """Let all users of this node take another one; returns those that were changed.

        ``delete_user_cb``: is asked whether a user is one of them. ``propagate_meta``: the other
        one, which must have no notes, gets those of this one.
        """
        if propagate_meta:
            if replace_with.meta:
                raise AssertionError(
                    "Called node.replace_all_uses_with(replace_with, propagate_meta=True), but "
                    "replace_with already has .meta keys"
                )
            replace_with.meta.update(self.meta)
        changed = [u for u in list(self.users) if delete_user_cb is None or delete_user_cb(u)]
        for user in changed:
            user.replace_input_with(self, replace_with)
        return changed

    # -- what it tells of itself -------------------------------------------------------------------
    @property
    def stack_trace(self) -> str | None:
        """Where it was recorded, if that was noted."""
        return self.meta.get("stack_trace")

    def is_impure(self, impure_random: bool = True) -> bool:
        """Whether it does more than return a value, so that dead code keeps it."""
        if self.op in ("placeholder", "output"):
            return True
        if self.op == "call_function":
            name = getattr(self.target, "__name__", "")
            return self.target in side_effects or (name[:1] != "_" and name[-1:] == "_")
        if self.op == "call_module" and self.graph.owning_module is not None:
            module = self.graph.owning_module.get_submodule(self.target)
            return bool(getattr(module, "_is_impure", False))
        return False

    def _pretty_print_target(self, target: Any) -> str:
        if isinstance(target, str):
            return target
        name = getattr(target, "__name__", None)
        if name is not None and getattr(builtins, name, None) is target:
            return f"builtins.{name}"
        return qualified(target)

    def format_node(
        self,
        placeholder_names: list[str] | None = None,
        maybe_return_typename: list[str] | None = None,
        *,
        include_tensor_metadata: bool = False,
    ) -> str | None:
        """A line that describes it; the lists take what the head of a graph says."""
        kind = "" if self.type is None else f"{type_name(self.type)} "
        head = f"%{self.name} : {kind}[num_users={len(self.users)}] = {self.op}"
        if self.op == "placeholder":
            if placeholder_names:
                placeholder_names.append(str(self.target))
                return None
            default = f"(default={self.args[0]})" if self.args else ""
            return f"{head}[target={self.target}]{default}"
        if self.op == "output":
            if self.type and maybe_return_typename:
                maybe_return_typename[0] = f" -> {type_name(self.type)}"
            return f"return {self.args[0]}"
        head += f"[target={self._pretty_print_target(self.target)}]"
        if self.op == "get_attr":
            return head
        return f"{head}(args = {formatted(self.args)}, kwargs = {formatted(self.kwargs)})"


def _replaced(node: Node, old: Node, new: Node) -> tuple[Any, Any]:
    def other(n: Node) -> Node:
        return new if n is old else n

    return map_arg(node.args, other), map_arg(node.kwargs, other)
