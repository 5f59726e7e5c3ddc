"""wrapping: which modules PyTorch would wrap (``distributed.fsdp.wrap``); here none need be."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any


class ModuleWrapPolicy:
    """Wraps modules of these classes."""

    def __init__(self, module_classes: Any) -> None:
        self._module_classes = set(module_classes)

    def __call__(self, module: Any, recurse: bool, *args: Any, **options: Any) -> bool:
        return recurse or isinstance(module, tuple(self._module_classes))


class CustomPolicy:
    """Wraps modules for which a function says so."""

    def __init__(self, lambda_fn: Callable[[Any], Any]) -> None:
        self._lambda_fn = lambda_fn


def always_wrap_policy(*args: Any, **options: Any) -> bool:
    """True."""
    return True


def lambda_auto_wrap_policy(
    module: Any, recurse: bool, nonwrapped_numel: int, lambda_fn: Callable[[Any], bool]
) -> bool:
    """Whether a function says so."""
    return recurse or lambda_fn(module)


def transformer_auto_wrap_policy(
    module: Any, recurse: bool, nonwrapped_numel: int, transformer_layer_cls: Any
) -> bool:
    """Whether a module is of one of these classes."""
    return recurse or isinstance(module, tuple(transformer_layer_cls))


def size_based_auto_wrap_policy(
    module: Any,
    recurse: bool,
    nonwrapped_numel: int,
    min_num_params: int = 100_000_000,
    force_leaf_modules: Any = None,
    exclude_wrap_modules: Any = None,
) -> bool:
    """Whether a module has so many values that are not wrapped yet."""
    large = nonwrapped_numel >= min_num_params
    if recurse:
        return large and not isinstance(module, tuple(force_leaf_modules or ()))
    return large and not isinstance(module, tuple(exclude_wrap_modules or ()))


@contextlib.contextmanager
def enable_wrap(*, wrapper_cls: Any, **wrapper_kwargs: Any) -> Iterator[None]:
    """``wrap`` gives modules as they are inside, too."""
    yield


def wrap(module: Any, **wrap_overrides: Any) -> Any:
    """The module itself."""
    return module
