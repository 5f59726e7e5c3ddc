"""unfinished: what is left behind by a backward, or a hook, that raised.

A backward either delivers or it does not: the gradients it has put into leaves that had none are
taken back. Where a leaf had one, the new one has been added to it in place, wholly or not at all,
and the error says so. What the walk has freed stays freed (memory falls while the engine walks), so
the next backward through it names the line and the cause. Nothing here runs unless something
raised.
"""

from __future__ import annotations

import contextlib
import os
from types import FrameType, TracebackType
from typing import Any

from . import sites
from .graph import AccumulateGrad, Freed, Node, accumulate_lock
from .tensor import Tensor

#: Where the array library and Python itself are.
_INSTALLED = ("site-packages", "dist-packages", os.path.dirname(os.__file__))


def note(error: BaseException, text: str) -> None:
    """Say something more below the error's own text (in its ``__notes__``, as PEP 678 has it)."""
    notes = error.__dict__.setdefault("__notes__", [])
    if text not in notes:
        notes.append(text)


def undo(
    error: BaseException, at: Node | None, freed: Freed, given: list[tuple[Tensor, Tensor | None]]
) -> None:
    """A backward has raised: take back what it gave to leaves, and say where it was.

    ``given``: the leaves in question, each with the gradient it got where it had none, or None
    where one was added to.
    """
    added = 0
    with accumulate_lock:
        for leaf, gradient in given:
            if gradient is None or (leaf._grad is gradient and gradient._added):
                added += 1
            elif leaf._grad is gradient:
                leaf._grad = None
    given.clear()
    freed.end = f"{type(error).__name__} at {_told(at)}"
    if added:
        note(
            error,
            f"{added} of the leaves had a gradient already, and this backward had added to it: "
            "call zero_grad() before you go on, or their .grad holds a part of this one",
        )
    if isinstance(error, Exception):
        from .manager import blame  # which imports the engine

        blame(error, "grad_ready")
        where = _told(at)
        if where not in str(error):
            note(error, f"{_raiser(error.__traceback__)}while the backward was at {where}")
    if isinstance(error, MemoryError):
        let_go(error.__traceback__)


def let_go(traceback: TracebackType | None) -> None:
    """Drop the local variables of the frames below: a traceback would keep their arrays alive.

    Not those of the user's own code, which somebody may want to look at.
    """
    while traceback is not None:
        frame = traceback.tb_frame
        if not _is_users(frame):
            with contextlib.suppress(RuntimeError):  # it is still running
                frame.clear()
        traceback = traceback.tb_next


class naming:
    """Around the call of a user's hook: an error of it says which hook, and whose, it was."""

    __slots__ = ("_kind", "_owner")

    def __init__(self, kind: str, owner: Any) -> None:
        self._kind = kind
        self._owner = owner

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        if isinstance(error, Exception):
            who = _raiser(traceback)
            note(error, f"{who}in a {self._kind} of {type(self._owner).__name__}")


def _is_users(frame: FrameType) -> bool:
    filename = frame.f_code.co_filename
    return not (sites.is_internal(filename) or any(folder in filename for folder in _INSTALLED))


def _told(node: Node | None) -> str:
    if node is None:
        return "its start"
    if node.__class__ is AccumulateGrad:
        return f"the leaf of shape {tuple(node.shape)}"
    return node.where()


def _raiser(traceback: TracebackType | None) -> str:
    """``raised by `clip` (train.py:12, `return g / 0`) ``: the first of the user's own frames."""
    inside = False
    while traceback is not None:
        frame = traceback.tb_frame
        if inside and _is_users(frame):
            return f"raised by {_described(frame, traceback.tb_lasti)} "
        inside = inside or sites.is_internal(frame.f_code.co_filename)
        traceback = traceback.tb_next
    return ""


def _described(frame: FrameType, instruction: int) -> str:
    code = frame.f_code
    name = getattr(code, "co_qualname", code.co_name).rpartition("<locals>.")[2]
    return f"`{name}` ({sites.describe((code, instruction))})"
