"""What ``scaler.step`` answers: stepped or skipped and, if skipped, because of what."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import anadrome as ad
from anadrome import Tensor
from anadrome.arriving import Arriving
from anadrome.autograd import finite
from anadrome.autograd.finite import NonFinite
from anadrome.border import Bordered

from .iteration import Iteration

_SHOWN = 4


class StepResult(Bordered):
    """What became of ``scaler.step(optimizer)``; true if the step was taken.

    ``stepped``, ``skipped``: whether it was taken, or left out because of an infinity or NaN among
    the gradients. ``value``: what ``optimizer.step()`` returned (PyTorch's ``scaler.step`` returns
    this alone); None if it was skipped. Of a skipped step ``parameters``, ``first`` and ``node``
    say more; these wait for the device, and nothing does before they are read. On a device that
    runs ahead of Python the optimizer leaves the step out by itself, and ``skipped`` waits, too.

    >>> import anadrome as ad
    >>> w = ad.ones(1, requires_grad=True)
    >>> optimizer = ad.optim.SGD([("w", w)], lr=0.1)
    >>> scaler = ad.amp.GradScaler("cpu", init_scale=4.0)
    >>> scaler.scale((w * float("inf")).sum()).backward()
    >>> result = scaler.step(optimizer)
    >>> result.skipped, result.parameters, result.node.node
    (True, ['w'], 'MulBackward0')
    """

    __slots__ = (
        "_flag",
        "_flags",
        "_names",
        "_numbers",
        "_order",
        "_parameters",
        "_scale",
        "_skipped",
        "_tensors",
        "_told",
        "_watched",
        "value",
    )

    def __init__(self, skipped: bool | None, value: Any = None) -> None:
        self._skipped = skipped
        self.value = value
        #: While ``skipped`` is on its way: it, and what tells more of the step if it was.
        self._flag: Arriving | None = None
        self._told: tuple[Any, ...] = ()
        self._flags: list[Tensor] = []
        self._numbers: list[int] | None = None
        self._names: list[str] = []
        self._order: list[int | None] = []
        self._parameters: dict[int, int] = {}
        self._tensors: list[weakref.ref[Tensor]] = []
        self._scale: Tensor | None = None
        self._watched: list[tuple[Any, set[int]]] = []

    @classmethod
    def of_skipped(
        cls,
        optimizer: Any,
        iteration: Iteration,
        flags: Iterable[Tensor],
        names: Mapping[int, str],
        scale: Tensor,
    ) -> StepResult:
        """That of a skipped step. ``flags``: one a parameter, of each device; ``names``: by id."""
        result = cls(True)
        result._tell(optimizer, iteration, flags, names, scale.clone())
        return result

    @classmethod
    def on_its_way(
        cls,
        value: Any,
        flag: Arriving,
        optimizer: Any,
        iteration: Iteration,
        flags: Iterable[Tensor],
        names: Callable[[], Mapping[int, str]],
        scale: Tensor,
    ) -> StepResult:
        """That of a step which the device leaves out by itself if ``flag`` is set."""
        result = cls(None, value)
        result._flag = flag
        result._told = (optimizer, iteration, flags, names, scale)
        return result

    @property
    def has_arrived(self) -> bool:
        """Whether ``skipped`` is known without waiting for the device."""
        return self._flag is None or self._flag.done

    @property
    def skipped(self) -> bool:
        """Whether the step was left out; waits for the device if that has not arrived yet."""
        flag = self._flag
        if flag is not None:
            self._skipped = bool(flag.read())
            optimizer, iteration, flags, names, scale = self._told
            if self._skipped:
                self._tell(optimizer, iteration, flags, names(), scale)
            self._flag, self._told = None, ()
        return bool(self._skipped)

    def _tell(
        self,
        optimizer: Any,
        iteration: Iteration,
        flags: Iterable[Tensor],
        names: Mapping[int, str],
        scale: Tensor,
    ) -> None:
        """Keep what tells more of a skipped step."""
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        self._flags = list(flags)
        self._scale = scale
        self._tensors = [weakref.ref(p) for p in parameters if p.requires_grad]
        self._names = names_of(optimizer, names)
        self._order = [iteration.order.get(id(p)) for p in parameters]
        numbers = self._parameters = {id(p): i for i, p in enumerate(parameters)}
        self._watched = [
            (b.watched, {numbers[key] for key in b.reached if key in numbers})
            for b in iteration.watched
        ]

    @property
    def stepped(self) -> bool:
        """Whether the step was taken."""
        return not self.skipped

    @property
    def parameters(self) -> list[str]:
        """The parameters whose gradient had an infinity or NaN, in the optimizer's order.

        By name, where the optimizer was made from ``model.named_parameters()`` or the scaler knows
        its ``model``; else by group, number and shape.
        """
        return [self._names[i] for i in self._bad()]

    @property
    def first(self) -> str | None:
        """The one of ``parameters`` that the backward came to first; None if there is none."""
        bad = self._bad()
        known = [(order, i) for i in bad if (order := self._order[i]) is not None]
        return self._names[min(known)[1]] if known else None

    @property
    def node(self) -> NonFinite | None:
        """The first node of the backward whose gradient was not finite, with the user's line.

        None if this backward was not watched (see ``GradScaler``, and ``locate``), or if the
        gradients became infinite outside of it: where several backwards were added up.
        """
        bad = set(self._bad())
        for watched, reached in self._watched:
            if bad & reached and watched.first is not None:
                return watched.first
        return None

    @property
    def node_parameters(self) -> list[str]:
        """The parameters, by name, that were given to the op of ``node``: which layer it is."""
        used = [] if self.node is None else [id(leaf) for leaf in self.node.leaves]
        return [self._names[self._parameters[key]] for key in used if key in self._parameters]

    def locate(self, loss: Callable[[], Tensor]) -> NonFinite | None:
        """Find the ``node`` of a step whose backward was not watched, by running it once more.

        ``loss()`` computes the loss of the same batch again, not scaled. Since the step was
        skipped, the parameters are what they were; it is scaled as it was, and no ``.grad`` is
        touched. Random numbers are drawn anew, and batch statistics counted again. Returns
        ``node``: None if nothing overflows this time, or the step was taken.

        >>> import anadrome as ad
        >>> w = ad.ones(1, requires_grad=True)
        >>> optimizer = ad.optim.SGD([("w", w)], lr=0.1)
        >>> scaler = ad.amp.GradScaler("cpu", track_overflow="never")
        >>> scaler.scale((w * float("inf")).sum()).backward()
        >>> result = scaler.step(optimizer)
        >>> result.locate(lambda: (w * float("inf")).sum()).node
        'MulBackward0'
        """
        if self.skipped and self.node is None and self._scale is not None:
            known = [p for ref in self._tensors if (p := ref()) is not None]
            with ad.enable_grad(), finite.watch() as watched:
                value = loss()
                scaled = value * self._scale.to(value.device)
                ad.autograd.grad(scaled, known, allow_unused=True)
            self._watched.append((watched, set(self._bad())))
        return self.node

    def _bad(self) -> list[int]:
        """The numbers of the parameters whose gradient was not finite; read once."""
        if not self.skipped:
            return []
        if self._numbers is None:
            found = [flags.tolist() for flags in self._flags]
            self._numbers = [i for i in range(len(self._names)) if any(f[i] for f in found)]
            self._flags = []
        return self._numbers

    def origin(self) -> str:
        """``node`` in a sentence; empty if there is none."""
        if self.node is None:
            return ""
        used = self.node_parameters
        return f"It came from {self.node}" + (f"; the op uses {listed(used)}" if used else "")

    def __bool__(self) -> bool:
        return not self.skipped

    def __repr__(self) -> str:
        return f"StepResult(skipped={self.skipped}, value={self.value!r})"

    def __str__(self) -> str:
        if not self.skipped:
            return "the step was taken"
        text = f"the step was skipped: infinity or NaN in the gradient of {listed(self.parameters)}"
        if self.first is not None and len(self.parameters) > 1:
            text += f", of which the backward came to {quoted(self.first)} first"
        if self.node is not None:
            return f"{text}. {self.origin()}"
        if self._watched:
            return f"{text}. No node made it: look at what is done to gradients outside of backward"
        return (
            f"{text}. That backward was not watched, so the node is not known: "
            "`result.locate(loss)` finds it"
        )


def names_of(optimizer: Any, names: Mapping[int, str]) -> list[str]:
    """What to call each parameter of an optimizer."""
    out = []
    for number, group in enumerate(optimizer.param_groups):
        given = group.get("param_names", ())
        for i, p in enumerate(group["params"]):
            if id(p) in names:
                out.append(names[id(p)])
            elif i < len(given):
                out.append(given[i])
            else:
                out.append(f"parameter {i} of group {number}, shape {tuple(p.shape)}")
    return out


def quoted(name: str) -> str:
    """A name in backquotes; a description as it is."""
    return name if " " in name else f"`{name}`"


def listed(names: list[str]) -> str:
    """Names in a sentence, the first few of them."""
    shown = ", ".join(quoted(name) for name in names[:_SHOWN])
    more = len(names) - _SHOWN
    return shown + (f" and {more} more" if more > 0 else "")
