"""norms: weight and spectral normalisation by a hook before the forward, under older names.

``parametrizations`` has the newer forms, which need no hook.
"""

from __future__ import annotations

from typing import Any

from ... import modes
from ...border import enclose_functions
from ...sites import warn
from ...tensor import Tensor
from .. import functional as F
from ..modules.module import Module
from ..parameter import Parameter, is_lazy

__all__ = [
    "SpectralNorm",
    "WeightNorm",
    "remove_spectral_norm",
    "remove_weight_norm",
    "spectral_norm",
    "weight_norm",
]


def norm_except(v: Tensor, dim: int) -> Tensor:
    """The 2-norm over all dimensions but one, which are kept; over all for -1."""
    if dim == -1:
        return (v * v).sum().sqrt()
    rest = [d for d in range(v.ndim) if d != dim]
    return (v * v).sum(rest, keepdim=True).sqrt() if rest else v.abs()


def as_matrix(weight: Tensor, dim: int) -> Tensor:
    """Dimension ``dim`` first, and all others together."""
    if dim != 0:
        weight = weight.permute((dim, *(d for d in range(weight.ndim) if d != dim)))
    return weight.reshape((weight.shape[0], -1))


def channel_dim(module: Module) -> int:
    """Where a layer's weight has its outputs."""
    return 1 if getattr(module, "transposed", False) else 0


def unit(x: Tensor, eps: float) -> Tensor:
    """A vector of length one."""
    return F.normalize(x, dim=0, eps=eps)


def _refuse_lazy(weight: Any, kind: str, noun: str) -> None:
    if is_lazy(weight):
        raise ValueError(
            f"The module passed to `{kind}` can't have uninitialized parameters. Make sure to run "
            f"the dummy forward before applying {noun} normalization"
        )


def _refuse_twice(module: Module, kind: type[Any], name: str, function: str) -> None:
    for hook in module._forward_pre_hooks.values():
        if isinstance(hook, kind) and hook.name == name:  # type: ignore[attr-defined]
            raise RuntimeError(f"Cannot register two {function} hooks on the same parameter {name}")


def _remove(module: Module, kind: type[Any], name: str, function: str) -> None:
    for number, hook in module._forward_pre_hooks.items():
        if isinstance(hook, kind) and hook.name == name:  # type: ignore[attr-defined]
            hook.remove(module)  # type: ignore[attr-defined]
            del module._forward_pre_hooks[number]
            return
    raise ValueError(f"{function} of '{name}' not found in {module}")


class WeightNorm:
    """The hook of ``weight_norm``."""

    def __init__(self, name: str, dim: int | None) -> None:
        self.name = name
        self.dim = -1 if dim is None else dim

    def compute_weight(self, module: Module) -> Tensor:
        """The weight, from its magnitude and direction."""
        g, v = (getattr(module, f"{self.name}_{part}") for part in "gv")
        return v * (g / norm_except(v, self.dim))

    def remove(self, module: Module) -> None:
        """Make the weight a parameter again."""
        weight = self.compute_weight(module).detach()
        for name in (self.name, f"{self.name}_g", f"{self.name}_v"):
            delattr(module, name)
        setattr(module, self.name, Parameter(weight))

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module))


def weight_norm(module: Any, name: str = "weight", dim: int | None = 0) -> Any:
    """A weight as magnitude ``<name>_g`` and direction ``<name>_v``; returns the module.

    ``dim``: the dimension that has magnitudes of its own; None for one magnitude.
    PyTorch: ``torch.nn.utils.weight_norm``, deprecated there, with a FutureWarning; paper:
    arXiv:1602.07868.
    """
    warn(
        "`nn.utils.weight_norm` is deprecated in favor of `nn.utils.parametrizations.weight_norm`.",
        FutureWarning,
    )
    _refuse_twice(module, WeightNorm, name, "weight_norm")
    hook = WeightNorm(name, dim)
    weight = getattr(module, name)
    _refuse_lazy(weight, "WeightNorm", "weight")
    delattr(module, name)
    with modes.no_grad():
        size = norm_except(weight.detach(), hook.dim)
    module.register_parameter(f"{name}_g", Parameter(size))
    module.register_parameter(f"{name}_v", Parameter(weight.detach()))
    setattr(module, name, hook.compute_weight(module))
    module.register_forward_pre_hook(hook)
    return module


def remove_weight_norm(module: Any, name: str = "weight") -> Any:
    """Undo ``weight_norm``; returns the module."""
    _remove(module, WeightNorm, name, "weight_norm")
    return module


class SpectralNorm:
    """The hook of ``spectral_norm``."""

    _version = 1

    def __init__(self, name: str, n_power_iterations: int, dim: int, eps: float) -> None:
        if n_power_iterations > 10_000:  # so many that the call ends
            raise ValueError(
                "n_power_iterations is at most 10,000, and one is enough while training; got "
                f"{n_power_iterations}"
            )
        if n_power_iterations <= 0:
            raise ValueError(
                "Expected n_power_iterations to be positive, but got "
                f"n_power_iterations={n_power_iterations}"
            )
        self.name = name
        self.dim = dim
        self.n_power_iterations = n_power_iterations
        self.eps = eps

    def compute_weight(self, module: Module, do_power_iteration: bool) -> Tensor:
        """The weight divided by its largest singular value, after a step toward that."""
        weight, u, v = (getattr(module, f"{self.name}_{part}") for part in ("orig", "u", "v"))
        matrix = as_matrix(weight, self.dim)
        if do_power_iteration:
            with modes.no_grad():
                for _ in range(self.n_power_iterations):
                    v.copy_(unit(matrix.T.mv(u), self.eps))
                    u.copy_(unit(matrix.mv(v), self.eps))
                u, v = u.clone(), v.clone()
        return weight / u.dot(matrix.mv(v))

    def remove(self, module: Module) -> None:
        """Make the weight a parameter again."""
        with modes.no_grad():
            weight = self.compute_weight(module, do_power_iteration=False)
        for name in ("", "_u", "_v", "_orig"):
            delattr(module, self.name + name)
        module.register_parameter(self.name, Parameter(weight.detach()))

    def __call__(self, module: Module, inputs: Any) -> None:
        weight = self.compute_weight(module, do_power_iteration=module.training)
        setattr(module, self.name, weight)

    def note_version(self, module: Module, state_dict: Any, prefix: str, metadata: Any) -> None:
        """Files say which form of the state they hold."""
        metadata.setdefault("spectral_norm", {})[f"{self.name}.version"] = self._version


def spectral_norm(
    module: Any,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Any:
    """A weight divided by its largest singular value; returns the module.

    The parameter is ``<name>_orig``; ``<name>_u`` and ``<name>_v`` are buffers.
    PyTorch: ``torch.nn.utils.spectral_norm``; paper: arXiv:1802.05957.
    """
    dim = channel_dim(module) if dim is None else dim
    _refuse_twice(module, SpectralNorm, name, "spectral_norm")
    hook = SpectralNorm(name, n_power_iterations, dim, eps)
    weight = module._parameters[name]
    if weight is None:
        raise ValueError(f"`SpectralNorm` cannot be applied as parameter `{name}` is None")
    _refuse_lazy(weight, "SpectralNorm", "spectral")
    with modes.no_grad():
        shape = as_matrix(weight.detach(), dim).shape
        u, v = (unit(weight.new_empty((n,)).normal_(), eps) for n in shape)
    delattr(module, name)
    module.register_parameter(f"{name}_orig", weight)
    # A plain attribute: what each forward computes takes its place.
    setattr(module, name, weight.detach())
    module.register_buffer(f"{name}_u", u)
    module.register_buffer(f"{name}_v", v)
    module.register_forward_pre_hook(hook)
    module._register_state_dict_hook(hook.note_version)
    return module


def remove_spectral_norm(module: Any, name: str = "weight") -> Any:
    """Undo ``spectral_norm``; returns the module."""
    _remove(module, SpectralNorm, name, "spectral_norm")
    for number, hook in list(module._state_dict_hooks.items()):
        owner = getattr(hook, "__self__", None)
        if isinstance(owner, SpectralNorm) and owner.name == name:
            del module._state_dict_hooks[number]
    return module


enclose_functions(globals())
