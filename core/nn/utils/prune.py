"""prune: parameters with a mask of zeros in them (PyTorch: ``torch.nn.utils.prune``).

A pruned parameter ``name`` becomes ``name_orig``, which is trained, and a buffer ``name_mask``;
before each forward ``name`` is set to their product. Each function returns the module. ``amount``:
a share between 0 and 1, or a number of values (of slices, for structured pruning).
"""

from __future__ import annotations

import abc
from collections.abc import Iterable, Iterator
from typing import Any

from ...border import enclose_functions
from ...creation import ones_like, zeros_like
from ...modes import no_grad
from ...ops.sorting import topk
from ...random import draw
from ...tensor import Tensor, wrap
from .vectors import parameters_to_vector


class BasePruningMethod(abc.ABC):
    """A rule for masks; write ``compute_mask`` and ``PRUNING_TYPE``, and call ``apply``.

    ``PRUNING_TYPE``: ``"unstructured"`` sees the values that are left, ``"structured"`` the slices
    that are left along ``self.dim``, ``"global"`` everything.
    """

    _tensor_name: str
    PRUNING_TYPE: str

    def __call__(self, module: Any, inputs: Any) -> None:
        setattr(module, self._tensor_name, self.apply_mask(module))

    @abc.abstractmethod
    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask for ``t``, of its shape, on top of ``default_mask``."""

    def apply_mask(self, module: Any) -> Tensor:
        """The pruned parameter: the product of the original one and its mask."""
        name = self._tensor_name
        mask = getattr(module, name + "_mask")
        return mask.to(getattr(module, name + "_orig").dtype) * getattr(module, name + "_orig")

    @classmethod
    def apply(
        cls, module: Any, name: str, *args: Any, importance_scores: Tensor | None = None,
        **kwargs: Any,
    ) -> BasePruningMethod:  # fmt: skip
        """Prune a parameter further; by ``importance_scores``, if they are given."""
        old = _hooks_of(module, name)
        method: BasePruningMethod = cls(*args, **kwargs)
        method._tensor_name = name
        for key, hook in old:
            del module._forward_pre_hooks[key]
            container = hook if isinstance(hook, PruningContainer) else PruningContainer(hook)
            container.add_pruning_method(method)
            method = container
        original = getattr(module, name)
        scores = original if importance_scores is None else importance_scores
        if scores.shape != original.shape:
            raise AssertionError(
                f"importance_scores should have the same shape as parameter {name} of {module}, "
                f"got {tuple(scores.shape)} and {tuple(original.shape)}"
            )
        with no_grad():
            default = getattr(module, name + "_mask").clone() if old else ones_like(original)
            mask = method.compute_mask(scores.detach(), default_mask=default)
        if not old:
            module.register_parameter(name + "_orig", original)
            del module._parameters[name]
        module.register_buffer(name + "_mask", mask)
        setattr(module, name, method.apply_mask(module))
        module.register_forward_pre_hook(method)
        return method

    def prune(
        self, t: Tensor, default_mask: Tensor | None = None, importance_scores: Tensor | None = None
    ) -> Tensor:
        """``t`` with zeros where this rule puts them, without any module."""
        scores = t if importance_scores is None else importance_scores
        default = ones_like(t) if default_mask is None else default_mask
        return t * self.compute_mask(scores, default_mask=default)

    def remove(self, module: Any) -> None:
        """Make the pruned values the parameter's own."""
        name = self._tensor_name
        weight = self.apply_mask(module)
        original = module._parameters.pop(name + "_orig")
        with no_grad():
            original.data = weight.detach()
        del module._buffers[name + "_mask"]
        if name in module.__dict__:
            delattr(module, name)
        setattr(module, name, original)


def _hooks_of(module: Any, name: str) -> list[tuple[Any, BasePruningMethod]]:
    return [
        (key, hook)
        for key, hook in module._forward_pre_hooks.items()
        if isinstance(hook, BasePruningMethod) and hook._tensor_name == name
    ]


class PruningContainer(BasePruningMethod):
    """Several rules for one parameter, each on what the ones before left."""

    def __init__(self, *args: Any) -> None:
        self._pruning_methods: tuple[Any, ...] = ()
        for method in args:
            if len(args) == 1:
                self._tensor_name = method._tensor_name
            self.add_pruning_method(method)

    def add_pruning_method(self, method: Any) -> None:
        """Add one more rule for the same parameter."""
        if not isinstance(method, BasePruningMethod):
            raise TypeError(f"{type(method)} is not a BasePruningMethod subclass")
        if self._tensor_name != method._tensor_name:
            raise ValueError(
                "Can only add pruning methods acting on the parameter named "
                f"'{self._tensor_name}' to PruningContainer {self}. Found '{method._tensor_name}'"
            )
        self._pruning_methods += (method,)

    def __len__(self) -> int:
        return len(self._pruning_methods)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._pruning_methods)

    def __getitem__(self, idx: Any) -> Any:
        return self._pruning_methods[idx]

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """What the newest rule adds to the mask."""
        method = self._pruning_methods[-1]
        kind = method.PRUNING_TYPE
        place: Any
        if kind == "unstructured":
            place = default_mask == 1
        elif kind == "structured":
            dim = method.dim % t.ndim
            others = [d for d in range(t.ndim) if d != dim]
            place = (slice(None),) * dim + (default_mask.sum(dim=others) != 0,)
        elif kind == "global":
            place = (slice(None),) * t.ndim
        else:
            raise ValueError(f"Unrecognized PRUNING_TYPE {kind}")
        mask = default_mask.clone()
        mask[place] = method.compute_mask(t[place], default_mask=mask[place]).to(mask.dtype)
        return mask


class Identity(BasePruningMethod):
    """Nothing is pruned; the parameter gets a mask of ones."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        return default_mask


class _ByAmount(BasePruningMethod):
    def __init__(self, amount: Any) -> None:
        if isinstance(amount, str) or not hasattr(amount, "__float__"):
            raise TypeError(f"Invalid type for amount: {amount}. Must be int or float.")
        if amount < 0 or (not isinstance(amount, int) and amount > 1.0):
            raise ValueError(
                f"amount={amount} should either be a float in the range [0, 1] or a non-negative "
                "integer"
            )
        self.amount = amount

    def _count(self, size: int) -> int:
        """How many of ``size`` are to go."""
        if not isinstance(self.amount, int):
            return round(self.amount * size)
        if self.amount > size:
            raise ValueError(
                f"amount={self.amount} should be smaller than the number of parameters to "
                f"prune={size}"
            )
        return self.amount


class _Unstructured(_ByAmount):
    PRUNING_TYPE = "unstructured"

    def _scores(self, t: Tensor) -> Tensor:
        raise NotImplementedError

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        count = self._count(t.numel())
        mask = default_mask.clone()
        if count:
            lowest = topk(self._scores(t).reshape(-1), count, largest=False).indices
            mask.view(-1)[lowest] = 0
        return mask


class RandomUnstructured(_Unstructured):
    """Values go by lot."""

    def _scores(self, t: Tensor) -> Tensor:
        return wrap(draw("uniform", tuple(t.shape), t.dtype, t.device, None))


class L1Unstructured(_Unstructured):
    """The smallest values go."""

    def _scores(self, t: Tensor) -> Tensor:
        return t.abs()


class _Structured(_ByAmount):
    PRUNING_TYPE = "structured"

    def __init__(self, amount: Any, dim: int = -1) -> None:
        super().__init__(amount)
        self.dim = dim

    def _scores(self, t: Tensor) -> Tensor:
        """One number a slice along ``self.dim``."""
        raise NotImplementedError

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        if t.ndim <= 1:
            raise ValueError(
                "Structured pruning can only be applied to multidimensional tensors. Found tensor "
                f"of shape {t.shape} with {t.ndim} dims"
            )
        if self.dim >= t.ndim:
            raise IndexError(f"Invalid index {self.dim} for tensor of size {t.shape}")
        dim = self.dim % t.ndim
        size = t.shape[dim]
        count = self._count(size)
        if count == 0:
            return default_mask
        keep = topk(self._scores(t), size - count, largest=True).indices
        mask = zeros_like(t)
        mask[(slice(None),) * dim + (keep,)] = 1
        return mask * default_mask.to(mask.dtype)


class RandomStructured(_Structured):
    """Slices along ``dim`` go by lot."""

    def _scores(self, t: Tensor) -> Tensor:
        return wrap(draw("uniform", (t.shape[self.dim],), t.dtype, t.device, None))


class LnStructured(_Structured):
    """The slices along ``dim`` of the smallest ``n``-norm go."""

    def __init__(self, amount: Any, n: Any, dim: int = -1) -> None:
        super().__init__(amount, dim)
        self.n = n

    def _scores(self, t: Tensor) -> Tensor:
        others = [d for d in range(t.ndim) if d != self.dim % t.ndim]
        return t.norm(p=self.n, dim=others)


class CustomFromMask(BasePruningMethod):
    """A mask that was made elsewhere."""

    PRUNING_TYPE = "global"

    def __init__(self, mask: Tensor) -> None:
        self.mask = mask

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        if default_mask.shape != self.mask.shape:
            raise AssertionError(
                f"mask shape mismatch: {tuple(default_mask.shape)} vs {tuple(self.mask.shape)}"
            )
        return default_mask * self.mask.to(default_mask.dtype)


def identity(module: Any, name: str) -> Any:
    """Give a parameter a mask of ones."""
    Identity.apply(module, name)
    return module


def random_unstructured(module: Any, name: str, amount: Any) -> Any:
    """Prune values by lot."""
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(
    module: Any, name: str, amount: Any, importance_scores: Tensor | None = None
) -> Any:
    """Prune the values of the smallest magnitude.

    >>> import anadrome as ad
    >>> layer = ad.nn.Linear(3, 1)
    >>> _ = layer.weight.data.copy_(ad.tensor([[3.0, -1.0, 2.0]]))
    >>> ad.nn.utils.prune.l1_unstructured(layer, "weight", amount=1).weight.tolist()
    [[3.0, -0.0, 2.0]]
    >>> [name for name, _ in layer.named_parameters()], [n for n, _ in layer.named_buffers()]
    (['bias', 'weight_orig'], ['weight_mask'])
    """
    L1Unstructured.apply(module, name, amount, importance_scores=importance_scores)
    return module


def random_structured(module: Any, name: str, amount: Any, dim: int) -> Any:
    """Prune slices along ``dim`` by lot."""
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(
    module: Any, name: str, amount: Any, n: Any, dim: int, importance_scores: Tensor | None = None
) -> Any:
    """Prune the slices along ``dim`` of the smallest ``n``-norm."""
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def custom_from_mask(module: Any, name: str, mask: Tensor) -> Any:
    """Prune by a mask of zeros and ones."""
    CustomFromMask.apply(module, name, mask)
    return module


def global_unstructured(
    parameters: Any, pruning_method: Any, importance_scores: Any = None, **kwargs: Any
) -> None:
    """Prune ``(module, name)`` pairs as if they were one parameter."""
    if not isinstance(parameters, Iterable):
        raise TypeError("global_unstructured(): parameters is not an Iterable")
    if importance_scores is not None and not isinstance(importance_scores, dict):
        raise TypeError("global_unstructured(): importance_scores must be of type dict")
    pairs = list(parameters)
    given = importance_scores or {}
    method = pruning_method(**kwargs)
    if method.PRUNING_TYPE != "unstructured":
        raise TypeError(
            'Only "unstructured" PRUNING_TYPE supported for the `pruning_method`. Found method '
            f"{pruning_method} of type {method.PRUNING_TYPE}"
        )
    with no_grad():
        weights = [getattr(m, n) for m, n in pairs]
        scores = parameters_to_vector([given.get(p, w) for p, w in zip(pairs, weights)])
        masks = [getattr(m, n + "_mask", None) for m, n in pairs]
        default = parameters_to_vector(
            [ones_like(w) if mask is None else mask for mask, w in zip(masks, weights)]
        )
        container = PruningContainer()
        container._tensor_name = method._tensor_name = "temp"
        container.add_pruning_method(method)
        final = container.compute_mask(scores, default)
    place = 0
    for (module, name), weight in zip(pairs, weights):
        custom_from_mask(module, name, final[place : place + weight.numel()].view_as(weight))
        place += weight.numel()


def remove(module: Any, name: str) -> Any:
    """Make the pruned values final: the mask and ``name_orig`` go, the zeros stay."""
    for key, hook in _hooks_of(module, name):
        hook.remove(module)
        del module._forward_pre_hooks[key]
        return module
    raise ValueError(
        f"Parameter '{name}' of module {module} has to be pruned before pruning can be removed"
    )


def is_pruned(module: Any) -> bool:
    """Whether any parameter of the module, or of those in it, is pruned."""
    return any(
        isinstance(hook, BasePruningMethod)
        for m in module.modules()
        for hook in m._forward_pre_hooks.values()
    )


enclose_functions(globals())
