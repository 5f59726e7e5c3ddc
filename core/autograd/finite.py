"""finite: which node of a backward was the first to make an infinity or NaN."""

from __future__ import annotations

import weakref
from typing import Any

from .. import modes
from ..backend import Backend, by_type
from ..dtypes import dtype, float32, from_native
from ..graph import AccumulateGrad
from ..patch import Patch
from ..sites import Site, describe
from ..tensor import Tensor
from . import entry

#: Flags that wait on a device to be read are packed together by so many.
_PACKED = 512
#: How many casts and views may lie between an op and the leaf that it is said to use.
_BETWEEN = 4


class NonFinite:
    """The first gradient of a backward that was not finite.

    ``node``: PyTorch's name of the node, such as ``"MulBackward0"``. ``site``: the user's line that
    recorded it (see ``anadrome.sites``). ``input``: the number of the input whose gradient it is;
    None if what *arrived* at the node was not finite although all that was sent was: then the sum
    of several gradients, or rounding to the node's dtype, made it so (or the gradient that the
    backward started from). ``shape``, ``dtype``: of that gradient. ``kind``: ``"inf"`` or
    ``"nan"``; None where telling them apart would have meant waiting for a device.
    """

    __slots__ = ("_leaves", "dtype", "input", "kind", "node", "shape", "site")

    def __init__(
        self,
        node: str,
        site: Site | None,
        input: int | None,
        shape: tuple[int, ...],
        dtype: dtype,
        kind: str | None = None,
    ) -> None:
        self.node = node
        self.site = site
        self.input = input
        self.shape = shape
        self.dtype = dtype
        self.kind = kind
        self._leaves: list[weakref.ref[Tensor]] = []

    @property
    def leaves(self) -> list[Tensor]:
        """The leaves that the op was given, as they are or cast or viewed: a layer's parameters."""
        return [leaf for ref in self._leaves if (leaf := ref()) is not None]

    def __str__(self) -> str:
        what = {"inf": "an infinity", "nan": "a NaN", None: "an infinity or NaN"}[self.kind]
        gradient = f"gradient ({self.dtype.name} {self.shape})"
        place = "a leaf" if self.site is None else describe(self.site)
        if self.input is None:
            return (
                f"{self.node} ({place}): {what} in the {gradient} that arrived there, by rounding "
                "or in a sum"
            )
        return f"{self.node} ({place}): {what} in the {gradient} of its input {self.input}"

    def __repr__(self) -> str:
        return f"NonFinite({self})"


class watch:
    """Looks at every gradient of the backwards inside; ``first`` is the first that is not finite.

    On the CPU it stops looking when it has found one. On a device that runs ahead of Python each
    look leaves a flag there, and nothing waits until ``first`` is read. Costs a pass over each
    gradient. Inside a step that is being captured it does nothing. May be entered again: it goes on
    with what it has found. The threads of the caller's own only.

    >>> import anadrome as ad
    >>> from anadrome.autograd import finite
    >>> x = ad.tensor([0.0, 4.0], requires_grad=True)
    >>> with finite.watch() as watched:
    ...     (x.sqrt() * 2).sum().backward()
    >>> watched.first.node, watched.first.kind
    ('SqrtBackward0', 'inf')
    """

    def __init__(self) -> None:
        self._first: NonFinite | None = None
        #: What was looked at on a device that has not told yet: descriptions, their flags.
        self._waiting: list[tuple[NonFinite, Any]] = []
        self._packed: list[tuple[list[NonFinite], Any]] = []
        #: What the last node sent: it need not be looked at again where it arrives as it is.
        self._sent: tuple[Any, ...] = ()
        self._tokens: list[Any] = []

    def __enter__(self) -> watch:
        self._tokens.append(entry.watching.set((*entry.watching.get(), self._see)))
        return self

    def __exit__(self, *exc: object) -> None:
        entry.watching.reset(self._tokens.pop())
        self._sent = ()

    @property
    def first(self) -> NonFinite | None:
        """The first gradient that is not finite, None if all are. Waits for the device."""
        self._pack()
        for told, flags in self._packed:
            for found, finite in zip(told, by_type[flags.__class__].to_host(flags).tolist()):
                if not finite and self._first is None:
                    self._first = found
        self._packed.clear()
        return self._first

    def _see(self, node: Any, gradient: Any, gradients: Any, was_freed: bool) -> None:
        """Called after each node of a backward."""
        if self._first is not None or modes.tape.get() is not None:
            return
        for arrived in gradient if node.multi else (gradient,):
            if arrived is not None and not any(arrived is sent for sent in self._sent):
                self._look(node, None, arrived)
        self._sent = tuple(gradients)
        for number, sent in enumerate(self._sent):
            if sent is not None:
                self._look(node, number, sent)

    def _look(self, node: Any, number: int | None, gradient: Any) -> None:
        if self._first is not None:
            return
        if gradient.__class__ is Patch:
            gradient = gradient.value
        array = gradient._data if isinstance(gradient, Tensor) else gradient
        kind = from_native[array.dtype]
        if kind.category < float32.category:
            return
        backend = by_type[array.__class__]
        xp = backend.xp
        finite = xp.all(xp.isfinite(array))
        at_once = backend.device_types == ("cpu",)
        if at_once and bool(finite):
            return
        site = None if isinstance(node, AccumulateGrad) else node.site
        found = NonFinite(node.name(), site, number, tuple(array.shape), kind)
        found._leaves = [weakref.ref(leaf) for leaf in _leaves_of(node)]
        if at_once and not self._waiting and not self._packed:
            found.kind = "nan" if bool(xp.any(array != array)) else "inf"
            self._first = found
            return
        if self._waiting and by_type[self._waiting[-1][1].__class__] is not backend:
            self._pack()  # flags of one backend are stacked together
        self._waiting.append((found, _as_array(backend, finite)))
        if len(self._waiting) == _PACKED:
            self._pack()

    def _pack(self) -> None:
        if self._waiting:
            told, flags = zip(*self._waiting)
            stacked = by_type[flags[0].__class__].xp.stack(list(flags))
            self._packed.append((list(told), stacked))
            self._waiting.clear()


def _leaves_of(node: Any) -> list[Tensor]:
    if isinstance(node, AccumulateGrad):
        return [node.variable]
    leaves = []
    for edge in node.edges:
        hops = 0
        while edge is not None and len(edge[0].edges) == 1 and hops < _BETWEEN:
            edge = edge[0].edges[0]
            hops += 1
        if edge is not None and isinstance(edge[0], AccumulateGrad):
            leaves.append(edge[0].variable)
    return leaves


def _as_array(backend: Backend, flag: Any) -> Any:
    """NumPy's ``all`` gives a scalar."""
    return flag if flag.__class__ is backend.array_type else backend.from_scalar(flag)
