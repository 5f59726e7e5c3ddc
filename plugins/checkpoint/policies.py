"""Which results of a segment are kept: by name, by a function, by PyTorch's names, by a budget."""

from __future__ import annotations

import enum
import functools
import reprlib
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import anadrome as ad
from anadrome.op import table

from .budget import Budget, checked
from .keeping import Keeping, Kept, Policy


def keeping(policy: str | Policy | None, memory_budget: int | None, first: Any) -> Keeping | None:
    """What a call of ``checkpoint`` keeps, from its arguments and the first of its contexts."""
    if memory_budget is not None:
        if policy is not None:
            raise ValueError(
                "checkpoint takes a policy or a memory_budget, not both: a budget is a policy"
            )
        return Budget(checked(memory_budget))
    if policy is None:
        return first.keeping() if isinstance(first, Selecting) else None
    if policy == "cheap_ops":
        return CheapOps()
    if callable(policy):
        return Keeping(policy)
    raise ValueError(
        f"policy should be None, 'cheap_ops' or a function of (op, args), but got {policy!r}"
    )


class CheapOps(Keeping):
    """Keeps the results of products and convolutions, which are autocast's HALF ops."""

    def __init__(self) -> None:
        super().__init__(lambda op, args: True)

    def concerns(self, op: Any) -> bool:
        return op.amp is ad.HALF


class CheckpointPolicy(enum.Enum):
    """What to do with an op's result (PyTorch: ``torch.utils.checkpoint.CheckpointPolicy``).

    ``*_SAVE`` keeps it, ``*_RECOMPUTE`` computes it again, ``*_CPU_OFFLOAD`` keeps it in the host's
    memory. MUST and PREFER mean the same here.
    """

    MUST_SAVE = 0
    PREFER_SAVE = 1
    MUST_RECOMPUTE = 2
    PREFER_RECOMPUTE = 3
    MUST_CPU_OFFLOAD = 4
    PREFER_CPU_OFFLOAD = 5


_RECOMPUTED = (CheckpointPolicy.MUST_RECOMPUTE, CheckpointPolicy.PREFER_RECOMPUTE)
_OFFLOADED = (CheckpointPolicy.MUST_CPU_OFFLOAD, CheckpointPolicy.PREFER_CPU_OFFLOAD)


class SelectiveCheckpointContext:
    """What a policy function is given first (PyTorch's name).

    The function is asked in the first run only, so ``is_recompute`` is always False. ``op_output``
    is what the op returned.
    """

    def __init__(self, *, is_recompute: bool, op_output: Any = None) -> None:
        self.is_recompute = is_recompute
        self.op_output = op_output


class Selecting(nullcontext):
    """The first of the two contexts: it tells ``checkpoint`` what to keep."""

    def __init__(self, keeping: Callable[[], Keeping]) -> None:
        super().__init__()
        self.keeping = keeping


class _Selective(Keeping):
    """Keeps what a policy function in PyTorch's form says."""

    def __init__(self, function: Callable[..., Any], allow_mutation: bool) -> None:
        super().__init__(lambda op, args: True)
        self.function = function
        self.allow_mutation = allow_mutation

    def kept_of(self, op: Any, args: Any, kwargs: Any, out: Any) -> Kept | None:
        answer = self.function(
            SelectiveCheckpointContext(is_recompute=False, op_output=out), op, *args, **kwargs
        )
        if isinstance(answer, bool):
            answer = CheckpointPolicy.MUST_SAVE if answer else CheckpointPolicy.PREFER_RECOMPUTE
        if not isinstance(answer, CheckpointPolicy):
            raise TypeError(
                "the policy function of create_selective_checkpoint_contexts must return a "
                f"CheckpointPolicy (or a bool), not {type(answer).__name__}"
            )
        if answer in _RECOMPUTED:
            return None
        return Kept(op.name, out, on_host=answer in _OFFLOADED)


def create_selective_checkpoint_contexts(
    policy_fn_or_list: Any, allow_cache_entry_mutation: bool = False
) -> tuple[Selecting, nullcontext[None]]:
    """A policy in PyTorch's form, for ``checkpoint(..., context_fn=...)``.

    ``policy_fn_or_list``: a list of ops whose results are kept (functions such as ``ad.mm``, or
    names of the op table), or a function ``policy_fn(ctx, op, *args, **kwargs)`` that returns a
    ``CheckpointPolicy``. ``allow_cache_entry_mutation``: a kept result that was changed in place is
    taken as it is; by default that is an error. The shorter form is ``checkpoint(..., policy=)``.
    PyTorch: ``torch.utils.checkpoint.create_selective_checkpoint_contexts``.

    >>> import functools
    >>> import anadrome as ad
    >>> from anadrome.utils.checkpoint import checkpoint, create_selective_checkpoint_contexts
    >>> keep_products = functools.partial(create_selective_checkpoint_contexts, [ad.mm])
    >>> x = ad.ones(2, 2, requires_grad=True)
    >>> checkpoint(lambda x: (x @ x).exp().sin(), x, context_fn=keep_products).sum().backward()
    """
    if isinstance(policy_fn_or_list, list):
        chosen = frozenset(_name_of(op) for op in policy_fn_or_list)

        def function(ctx: Any, op: Any, *args: Any, **kwargs: Any) -> bool:
            return op.name in chosen

    elif callable(policy_fn_or_list):
        function = policy_fn_or_list
    else:
        raise TypeError("policy_fn_or_list must be either a function or a list of ops.")
    make = functools.partial(_Selective, function, allow_cache_entry_mutation)
    return Selecting(make), nullcontext()


def _name_of(op: Any) -> str:
    """The name in the op table of a name, a declaration, or a public function."""
    name = op if isinstance(op, str) else getattr(getattr(op, "op", op), "name", None)
    if name is None and callable(op):
        given = (n for n in table for where in (ad, ad.nn.functional) if getattr(where, n, 0) is op)
        name = next(given, None)
    if not isinstance(name, str) or name not in table:
        raise ValueError(
            "Expected op in `op_list` to be an op of the table but got: "
            f"{reprlib.repr(op)}. What is made of "
            "several ops has none of its own; `debug=True` lists the ops of a segment."
        )
    return name
