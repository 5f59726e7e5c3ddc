"""functorch: what programs import from ``functorch``, the package that ``torch.func`` was before.

Its transforms are those of ``func``. A module becomes a function of tuples of parameters and
buffers, where ``func.functional_call`` takes dictionaries.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import Any

from ..func import functional_call, grad, grad_and_value, hessian, jacfwd, jacrev, jvp, vjp, vmap
from ..nn import Module
from ..ops.joining import stack
from ..tensor import Tensor

__all__ = [
    "FunctionalModule",
    "FunctionalModuleWithBuffers",
    "combine_state_for_ensemble",
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "make_functional",
    "make_functional_with_buffers",
    "vjp",
    "vmap",
]

Tensors = tuple[Tensor, ...]


class FunctionalModule(Module):
    """A module as a function of its parameters: ``f(params, *args, **kwargs)``."""

    def __init__(self, stateless_model: Module, param_names: tuple[str, ...]) -> None:
        super().__init__()
        self.stateless_model = stateless_model
        self.param_names = param_names

    def forward(self, params: Iterable[Tensor], *args: Any, **kwargs: Any) -> Any:
        given = dict(zip(self.param_names, params, strict=True))
        return functional_call(self.stateless_model, given, args, kwargs)


class FunctionalModuleWithBuffers(FunctionalModule):
    """A module as a function of its state: ``f(params, buffers, *args, **kwargs)``."""

    def __init__(
        self, stateless_model: Module, param_names: tuple[str, ...], buffer_names: tuple[str, ...]
    ) -> None:
        super().__init__(stateless_model, param_names)
        self.buffer_names = buffer_names

    def forward(
        self, params: Iterable[Tensor], buffers: Iterable[Tensor], *args: Any, **kwargs: Any
    ) -> Any:
        given = dict(zip(self.param_names, params, strict=True))
        given.update(zip(self.buffer_names, buffers, strict=True))
        return functional_call(self.stateless_model, given, args, kwargs)


def make_functional(
    model: Module, disable_autograd_tracking: bool = False
) -> tuple[FunctionalModule, Tensors]:
    """A function of a copy of ``model``, and the copy's parameters (``functorch``).

    ``disable_autograd_tracking``: they need no gradient of ``backward``. A module with buffers
    raises RuntimeError: see ``make_functional_with_buffers``.

    >>> import anadrome as ad
    >>> from anadrome.places.functorch import grad, make_functional
    >>> f, params = make_functional(ad.nn.Linear(2, 1))
    >>> weight, bias = grad(lambda params: f(params, ad.ones(2)).sum())(params)
    >>> weight, bias
    (tensor([[1., 1.]]), tensor([1.]))
    """
    if list(model.buffers()):
        raise RuntimeError(
            "make_functional(model): `model` has buffers. Please use "
            "make_functional_with_buffers(model) instead."
        )
    f, params, _ = make_functional_with_buffers(model, disable_autograd_tracking)
    return FunctionalModule(f.stateless_model, f.param_names), params


def make_functional_with_buffers(
    model: Module, disable_autograd_tracking: bool = False
) -> tuple[FunctionalModuleWithBuffers, Tensors, Tensors]:
    """A function of a copy of ``model``, the copy's parameters, and its buffers (``functorch``)."""
    copied = copy.deepcopy(model)
    params, buffers = dict(copied.named_parameters()), dict(copied.named_buffers())
    if disable_autograd_tracking:
        copied.requires_grad_(False)
    function = FunctionalModuleWithBuffers(copied, tuple(params), tuple(buffers))
    return function, tuple(params.values()), tuple(buffers.values())


def combine_state_for_ensemble(
    models: Sequence[Module],
) -> tuple[FunctionalModuleWithBuffers, Tensors, Tensors]:
    """A function to ``vmap``, and the state of all models, stacked (``functorch``).

    Raises RuntimeError unless the models are of one class, and all in the same mode. Newer:
    ``func.stack_module_state``.

    >>> import anadrome as ad
    >>> from anadrome.places.functorch import combine_state_for_ensemble, vmap
    >>> layers = [ad.nn.Linear(3, 2) for _ in range(4)]
    >>> f, params, buffers = combine_state_for_ensemble(layers)
    >>> vmap(f, (0, 0, None))(params, buffers, ad.ones(5, 3)).shape
    anadrome.Size([4, 5, 2])
    """
    if not models:
        raise RuntimeError("combine_state_for_ensemble: Expected at least one model, got 0.")
    if len({m.training for m in models}) > 1:
        raise RuntimeError(
            "combine_state_for_ensemble: Expected all models to have the same training/eval mode."
        )
    if len({type(m) for m in models}) > 1:
        raise RuntimeError(
            "combine_state_for_ensemble: Expected all models to be of the same class."
        )
    functions, params, buffers = zip(*map(make_functional_with_buffers, models))
    return functions[0], _stacked(params), _stacked(buffers)


def _stacked(states: Iterable[Tensors]) -> Tensors:
    return tuple(stack(shards).detach() for shards in zip(*states))
