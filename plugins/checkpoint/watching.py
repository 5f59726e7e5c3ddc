"""The modes that see the ops of a checkpointed segment, in its first run and in its second.

The first is there for a policy, whose results it keeps, and for ``debug``. The second hands those
back instead of computing them, does not compute the last call (its arguments are all that is still
wanted), and sees to it that nothing is read that was changed in between.
"""

from __future__ import annotations

from typing import Any

from anadrome import Mode, Tensor, sites
from anadrome.general import replayed, uncomputed
from anadrome.refusals import describe_argument
from anadrome.rerun import first_written

from .comparing import CheckpointError
from .keeping import Keeping, is_recorded


class Watching(Mode):
    """Sees the op calls of the first run."""

    def __init__(self, segment: Any, keeping: Keeping | None, debug: bool) -> None:
        self.owed = segment.owed
        self.keeping = keeping
        self.debug = debug
        self.log: list[str] = []

    def intercept(self, op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self.debug:
            self.log.append(_line(op, args))
        keeping = self.keeping
        if keeping is None or not keeping.concerns(op.op):
            return op(*args, **kwargs)
        return keeping.watch(op, args, kwargs, self.owed)


class Replaying(Mode):
    """Answers for op calls of the second run."""

    def __init__(self, run: Any, keeping: Keeping | None, debug: bool) -> None:
        self.run = run
        self.keeping = keeping
        self.debug = debug
        self.counts: dict[Any, int] = {}
        self.log: list[str] = []

    def intercept(self, op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        run = self.run
        declared = op.op
        if self.debug:
            self.log.append(_line(op, args))
        if first_written(args, run.finished, run.started) is not None:
            run.check_unchanged(args, f"`{declared.name}`")
        keeping = self.keeping
        if keeping is not None and keeping.concerns(declared):
            key = keeping.key(self.counts, declared, args)
            if key in keeping.kept:
                self._check_name(keeping.kept[key].name, declared.name)
                result = keeping.result(key)
                if result is not None:
                    return replayed(declared, result)(*args, **kwargs)
        if run.count == run.wanted - 1 and self._is_last(declared, args):
            run.hollow = True
            uncomputed(declared, *run.segment.last_outline)(*args, **kwargs)
            run.hollow = False
        return op(*args, **kwargs)

    def _is_last(self, declared: Any, args: tuple[Any, ...]) -> bool:
        """Whether nothing but the arguments of this call is still wanted."""
        segment = self.run.segment
        return (
            declared is segment.last
            and segment.early_stop
            and not declared.saves_outputs
            and is_recorded(args)
        )

    def _check_name(self, kept: str, called: str) -> None:
        if kept != called:
            self.run.fail(
                CheckpointError(
                    f"anadrome.utils.checkpoint: the recomputation calls {called} where the "
                    f"original forward called {kept}, whose result was kept. The function must do "
                    "the same both times."
                )
            )

    def touched(self, tensor: Any, new_grad: bool) -> None:
        if not new_grad:
            self.run.check_unchanged((tensor,), "code")


def _line(op: Any, args: tuple[Any, ...]) -> str:
    told = ", ".join(describe_argument(a) if isinstance(a, Tensor) else repr(a) for a in args)
    return f"{op.op.name}({told}) at {sites.describe(sites.caller(2))}"
