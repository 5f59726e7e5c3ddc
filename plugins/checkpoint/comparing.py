"""What is noted of each op of the first run, and how the second run is compared with it."""

from __future__ import annotations

import itertools
import zlib
from typing import Any, NamedTuple

from anadrome import Tensor, sites
from anadrome.backend import by_type
from anadrome.dtypes import from_native
from anadrome.errors import AnadromeError
from anadrome.graph import AccumulateGrad
from anadrome.modes import tape

#: With ``determinism_check="default"`` the values of one call in so many are compared. A prime, so
#: that the calls of a model with any number of segments take turns.
ONE_IN = 61

#: What ``determinism_check`` may be.
CHECKS = ("default", "values", "none")

_turn = itertools.count().__next__


class CheckpointError(AnadromeError, RuntimeError):
    """The second run of a checkpointed segment was not like the first."""


def may_be_cached(node: Any) -> bool:
    """Whether a call may well be made in one run only: a weight's cast, which autocast keeps."""
    return not node.frees and all(e is None or type(e[0]) is AccumulateGrad for e in node.edges)


class Fact(NamedTuple):
    """An op that was recorded, or (``kind`` None) a value that was kept."""

    kind: Any
    shape: Any
    dtype: Any
    device: Any
    code: Any
    instruction: int
    values: Any

    @property
    def site(self) -> sites.Site:
        """The user's line."""
        return self.code, self.instruction

    @property
    def name(self) -> str:
        """The op's name; of a Function, the node's."""
        if self.kind is None:
            return "an argument of a checkpoint"
        op = getattr(self.kind, "op", None)
        return f"`{self.kind.__name__ if op is None else op.name}`"

    def __str__(self) -> str:
        if isinstance(self.dtype, list):
            kinds: Any = [from_native.get(d) for d in self.dtype]
        else:
            kinds = from_native.get(self.dtype, self.dtype)
        return (
            f"{{'op': {self.name.strip('`')!r}, 'shape': {self.shape}, 'dtype': {kinds!r}, "
            f"'device': {str(self.device)!r}}} at {sites.describe(self.site)}"
        )


#: What is looked at of the values: nothing; those on the host, whose turn it is; all of them.
NOTHING, SAMPLE, ALL = range(3)


def how_closely(check: str) -> int:
    """What one call of a segment looks at. In a captured step that is nothing."""
    if tape.get() is not None:
        return NOTHING
    if check == "values":
        return ALL
    return SAMPLE if check == "default" and _turn() % ONE_IN == 0 else NOTHING


def of_node(node: Any, data: Any, look: int) -> tuple[Any, ...]:
    """The fields of a Fact (which is made when one is printed) for a node and what it computed.

    ``look``: how closely, at the values.
    """
    return (
        node.__class__,
        node.shape,
        node.dtype,
        getattr(data, "device", None),
        node.code,
        node.instruction,
        summary(data, look == ALL) if look else None,
    )


def of_value(value: Tensor, look: int) -> tuple[Any, ...]:
    """What is noted of a value that is kept for the second run."""
    seen = None
    if look == ALL or (look and value.device.type == "cpu"):
        seen = _summary(value.detach().cpu().numpy())
    return None, tuple(value.shape), value.dtype, value.device, *sites.caller(2), seen


#: So many values are noted; the last one only to know that there are more.
_SHOWN = 4


class Summary:
    """The values of an array, in a few numbers; equal if their bits are, as far as a hash tells."""

    __slots__ = ("crc", "first")

    def __init__(self, crc: int, first: list[Any]) -> None:
        self.crc = crc
        self.first = first

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Summary) and self.crc == other.crc

    def __str__(self) -> str:
        told = [f"{v:.6g}" if isinstance(v, float) else str(v) for v in self.first]
        if len(told) == _SHOWN:
            told[-1] = "…"
        return f"[{', '.join(told)}] (crc32 {self.crc:08x})"


def summary(data: Any, everywhere: bool) -> Any:
    """A hash of an array's bits and its first values, or of each of several arrays.

    ``everywhere``: also of arrays that are not on the host, for which it waits for the device.
    """
    if isinstance(data, tuple):
        return tuple(summary(d, everywhere) for d in data)
    backend = by_type[data.__class__]
    if getattr(data, "level", 0) or not (everywhere or backend.device_of(data).type == "cpu"):
        return None
    return _summary(backend.to_host(data))


def _summary(host: Any) -> Summary:
    flat = host.ravel()
    first = flat[:_SHOWN]
    if host.dtype.kind not in "biufc":  # half precision that NumPy does not know
        first = first.astype("float32")
    return Summary(zlib.crc32(flat.view("uint8")), first.tolist())


def difference(then: Fact, now: Fact, position: int, computed: bool) -> str | None:
    """How an op of the second run differs from that of the first; None if it does not.

    ``computed``: whether the second run has the op's values.
    """
    if then[:4] != now[:4]:
        return (
            "anadrome.utils.checkpoint: Recomputed values for the following tensors have "
            f"different metadata than during the forward pass.\ntensor at position {position}:\n"
            f"saved metadata: {then}\nrecomputed metadata: {now}"
        )
    if then.values is None or not computed or then.values == now.values:
        return None
    first, second = then.values, now.values
    which = ""
    if not isinstance(first, Summary):  # the op has several results
        nr = next(i for i, (a, b) in enumerate(zip(first, second)) if a != b)
        first, second, which = first[nr], second[nr], f" number {nr}"
    return (
        "anadrome.utils.checkpoint: Recomputed values differ from those of the forward pass. "
        f"The first to differ is the result{which} of {now.name} at {sites.describe(now.site)}, op "
        f"{position} of the segment.\nin the forward pass: {first}\nrecomputed:          {second}"
    )


def advice(draws: bool, debug: bool) -> str:
    """What is likely to be the cause. ``draws``: new random numbers are drawn by request."""
    text = (
        "\nThe function must do the same both times: it may not depend on what changes in between "
        "(a global, a counter, a cache, the training mode, weights written through `.data`, random "
        "numbers of Python or NumPy)."
    )
    if draws:
        text += " With preserve_rng_state=False it draws other random numbers the second time."
    if not debug:
        text += " Pass `debug=True` to checkpoint to see the ops of both runs."
    return text
