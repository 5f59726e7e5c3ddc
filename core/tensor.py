"""tensor: an array plus its place in the graph.

The class holds what a Tensor *is*. What can be *computed* with it is attached by the op table
(``core/ops``) and by the composites (``core/functional.py``), so this file stays short.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from . import backend as backends
from . import dtypes, modes
from .copying import Copying
from .device import device
from .dtypes import dtype, from_native
from .errors import ArgumentError, GraphError
from .graph import AccumulateGrad, Edge, Node, RemovableHandle, Writes
from .operators import Operators
from .size import Size as Size
from .size import sized
from .switches import truth
from .values import Values

_new = object.__new__

#: Stands in ``_edge`` of a leaf that requires a gradient; its AccumulateGrad is made when needed.
LEAF: Any = ("leaf", 0)


class Tensor(Values, Copying, Operators):
    """An array with its place in the graph (PyTorch: ``torch.Tensor``).

    Make one with ``anadrome.tensor``, ``zeros``, ``randn``, …

    >>> import anadrome as ad
    >>> x = ad.tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 4.])
    """

    __slots__ = ("__dict__", "__weakref__", "_data", "_edge")
    __array_priority__ = 1000  # so that `numpy_array * tensor` asks us

    _data: Any
    _edge: Edge | None
    # Rare, hence not slots: they live in __dict__ when set.
    _grad: Tensor | None = None
    _base: Tensor | None = None
    _view_path: tuple[tuple[Callable[..., Any], dict[str, Any]], ...] = ()
    _writes: Writes | None = None
    _accumulator: weakref.ref[AccumulateGrad] | None = None
    _hooks: dict[int, Any] | None = None
    _post_hooks: dict[int, Any] | None = None
    _retains_grad = False
    _added = False  # of a gradient: whether another backward has added to it since it was made
    #: Whether it was made in inference mode, and so may never enter a graph.
    _inference = False
    #: On the alias that a pack hook is given: whether it is one of a leaf that requires a gradient.
    _of_leaf = False
    _detached_at: Any = None
    #: What has still to be done to this gradient; see ``autograd.pending``.
    _pending: tuple[int, str] | None = None

    def __new__(cls, *data: Any, dtype: Any = None, device: Any = None) -> Any:
        """From a size or from data, in the default dtype; prefer ``anadrome.tensor``."""
        from .legacy import made

        if dtype is None and len(data) == 1 and isinstance(data[0], Tensor):
            dtype = data[0].dtype  # it is taken as it is
        kind = dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)
        found = made(data, kind, device)
        return found if cls is Tensor else found.as_subclass(cls)

    # -- what it is -------------------------------------------------------------------------
    @property
    def shape(self) -> Size:
        """Lengths of the dimensions."""
        return sized(Size, self._data.shape)

    @property
    def dtype(self) -> dtype:
        """The element type."""
        return from_native[self._data.dtype]

    @property
    def device(self) -> device:
        """Where the array lives."""
        return self._backend.device_of(self._data)

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return self._data.ndim

    @property
    def _backend(self) -> backends.Backend:
        return backends.by_type[self._data.__class__]

    @property
    def data(self) -> Tensor:
        """The same memory outside the graph; writes to it are not seen by the version check."""
        modes.touch(self)
        if self._pending is not None:  # it may now be written unseen
            self._pending = None
        out = wrap(self._data)
        if modes.inference_met:
            out._inference = self._inference
        return out

    @data.setter
    def data(self, value: Tensor) -> None:
        if not isinstance(value, Tensor):
            raise TypeError(f"`.data` must be set to a Tensor, not {type(value).__name__}")
        if self._edge is not None and not _can_require_grad(value.dtype):
            raise GraphError(
                "data set to a tensor that requires gradients must be floating point or complex "
                f"dtype, not {value.dtype.name}; write e.g. `x.data = value.float()`"
            )
        modes.touch(self, value)
        self._data = value._data
        self.__dict__.pop("_accumulator", None)
        if modes.inference_met:
            self._inference = value._inference

    # -- place in the graph -----------------------------------------------------------------
    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to or through this Tensor."""
        return self._edge is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        value = truth(value, "requires_grad", "requires_grad")
        if value and not self.is_leaf:  # requires_grad_() lets that pass, which says nothing new
            raise GraphError("you can only change requires_grad flags of leaf variables.")
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Ask for (or renounce) a gradient of this leaf, in place; returns self."""
        requires_grad = truth(requires_grad, "requires_grad_", "requires_grad")
        if requires_grad and self._inference and not modes.current().inference:
            raise GraphError(
                "Setting requires_grad=True on inference tensor outside InferenceMode is not "
                "allowed; use `.clone()` first"
            )
        if requires_grad == self.requires_grad:
            return self
        if not requires_grad:
            if not self.is_leaf:
                raise GraphError(
                    "you can only change requires_grad flags of leaf variables. If you want to "
                    "use a computed variable in a subgraph that doesn't require differentiation "
                    "use var_no_grad = var.detach()."
                )
            self._edge = None
            return self
        if not _can_require_grad(self.dtype):
            raise GraphError(
                "only Tensors of floating point and complex dtype can require gradients, not "
                f"{self.dtype.name}; write e.g. `x.float().requires_grad_()`"
            )
        self._edge = LEAF
        if self._base is not None:  # a view that is a leaf is where views of it begin
            self._base, self._view_path = None, ()
        return self

    @property
    def is_leaf(self) -> bool:
        """True unless an op made it while recording."""
        edge = self._edge
        return edge is None or edge is LEAF

    @property
    def grad_fn(self) -> Node | None:
        """The node that made this Tensor; None for leaves."""
        edge = self._edge
        return None if edge is None or edge is LEAF else edge[0].seen()

    @property
    def output_nr(self) -> int:
        """Which output of ``grad_fn`` this is."""
        return 0 if self._edge is None else self._edge[1]

    @property
    def grad(self) -> Tensor | None:
        """The accumulated gradient; None before the first backward."""
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                raise TypeError(
                    f"assigned grad expected to be a Tensor or None but got {type(value).__name__}"
                )
            if value is self:
                raise GraphError("can't assign Variable as its own grad; assign a `.clone()`")
            if value._data.shape != self._data.shape:
                raise GraphError(
                    f"assigned grad has data of a different size: {tuple(value.shape)} for a "
                    f"Tensor of size {tuple(self.shape)}"
                )
            if value.dtype is not self.dtype:
                raise GraphError(
                    f"attempting to assign a gradient with dtype {value.dtype.name} to a tensor of "
                    f"dtype {self.dtype.name}; assign `value.to(x.dtype)`"
                )
            modes.touch(value)
        modes.touch(self, new_grad=True)
        self._grad = value

    @grad.deleter
    def grad(self) -> None:
        self.grad = None

    @property
    def _version(self) -> int:
        return 0 if self._writes is None else self._writes.count

    def _is_view(self) -> bool:
        """Whether it looks into the memory of another, its ``_base``."""
        return self._base is not None

    def _leaf_edge(self) -> Edge:
        """The edge into this leaf. The node holds the leaf; the leaf holds the node weakly."""
        accumulator = None if self._accumulator is None else self._accumulator()
        if accumulator is None:
            accumulator = AccumulateGrad(self)
            self._accumulator = weakref.ref(accumulator)
        return (accumulator, 0)

    def _gradient_edge(self) -> Edge | None:
        return self._leaf_edge() if self._edge is LEAF else self._edge

    def _shared_writes(self) -> Writes:
        """The record of writes to this storage; the node that made us must see it too."""
        writes = self._writes
        if writes is None:
            writes = self._writes = Writes()
            edge = self._edge
            if edge is not None and edge is not LEAF:
                edge[0].watch(edge[1], writes)
        return writes

    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Any = None,
        *,
        verbose: bool = False,
    ) -> None:
        """Send a gradient upstream, from here into the leaves' ``.grad``.

        ``gradient``: of this Tensor's shape; may be left out for a single element (seed of one).
        ``retain_graph``: keep the saved values for another backward (default: ``create_graph``).
        ``create_graph``: record the backward itself, for second derivatives.
        ``inputs``: accumulate into these only. ``verbose``: print the flow, node by node.
        Raises RuntimeError if nothing here requires a gradient, or the graph was freed.
        """
        # ``autograd.backward``, attached by its module, which needs this one.
        self._backward(gradient, retain_graph, create_graph, inputs, verbose=verbose)

    def detach(self) -> Tensor:
        """The same memory, cut off from the graph; writes to it count as writes to this one."""
        modes.touch(self)
        out = wrap(self._data)
        out._writes = self._shared_writes()
        if modes.inference_met:
            out._inference = self._inference
        if self._edge is not None:
            from .sites import caller

            out._detached_at = caller(2)
            for mode in modes.current().modes:
                mode.detached(self, out)
        return out

    def detach_(self) -> Tensor:
        """Cut this Tensor itself off from the graph; returns self."""
        if not isinstance(self, Tensor):  # as the function of that name: of the class it is a slot
            raise ArgumentError(f"argument 'input' must be Tensor, not {type(self).__name__}")
        if self._base is not None:
            raise GraphError("Can't detach views in-place: use `detach()` instead")
        self._edge = None
        return self

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
        """Call ``hook(grad)`` when this Tensor's gradient is computed; it may return another."""
        if self._edge is None:
            raise GraphError("cannot register a hook on a tensor that doesn't require gradient")
        if self._edge is LEAF:
            if self._hooks is None:
                self._hooks = {}
            return RemovableHandle(self._hooks, hook)
        node, nr = self._edge
        return RemovableHandle(node.hooked().of_outputs.setdefault(nr, {}), hook)

    def register_post_accumulate_grad_hook(self, hook: Callable[[Tensor], None]) -> Any:
        """Call ``hook(self)`` after a gradient was accumulated into ``.grad`` (leaves only)."""
        if self._edge is not LEAF:
            raise GraphError(
                "post accumulate grad hooks cannot be registered on non-leaf tensors, or on "
                "tensors that don't require grad; use register_hook"
            )
        if self._post_hooks is None:
            self._post_hooks = {}
        return RemovableHandle(self._post_hooks, hook)

    def retain_grad(self) -> None:
        """Keep ``.grad`` of this non-leaf too."""
        if self._edge is None:
            raise GraphError("can't retain_grad on Tensor that has requires_grad=False")
        if self._edge is LEAF or self._retains_grad:
            return
        self._retains_grad = True
        self._retain()

    def _retain(self) -> None:
        assert self._edge is not None
        node, nr = self._edge
        node.hooked().retaining.append((nr, weakref.ref(self)))

    @property
    def retains_grad(self) -> bool:
        """Whether ``retain_grad()`` was called on this non-leaf."""
        return self._retains_grad

    __hash__ = object.__hash__

    def numel(self) -> int:
        """Number of elements."""
        size = 1
        for n in self._data.shape:
            size *= n
        return size

    def dim(self) -> int:
        """Number of dimensions."""
        return self._data.ndim

    def size(self, dim: int | None = None) -> Any:
        """The shape, or one length of it."""
        if dim is None:
            return self.shape
        try:
            return self._data.shape[dim]
        except TypeError:
            raise TypeError(
                f"size(): argument 'dim' (position 1) must be int, not {type(dim).__name__}"
            ) from None
        except IndexError:
            n = max(self._data.ndim, 1)
            raise IndexError(
                f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got "
                f"{dim})"
            ) from None

    def element_size(self) -> int:
        """Bytes an element."""
        return self.dtype.itemsize


def _can_require_grad(kind: dtype) -> bool:
    return kind.is_floating_point or kind.is_complex


def wrap(data: Any) -> Tensor:
    """A Tensor outside the graph around an array."""
    out = _new(Tensor)
    out._data = data
    out._edge = None
    if modes.inference_met and modes.current().inference:
        out._inference = True
    return out


def unwrap(value: Any) -> Any:
    """The array of a Tensor; anything else as it is."""
    return value._data if isinstance(value, Tensor) else value
