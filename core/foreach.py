"""foreach: functions of lists of Tensors, one after the other (PyTorch: ``torch._foreach_add_``).

Optimizers and moving averages of programs are written with them. ``_foreach_NAME`` gives the
results as a tuple, ``_foreach_NAME_`` writes them over the first list. Another argument may be a
list too, one for each; anything else is the same for all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .device import device as Device
from .dtypes import dtype as Dtype
from .later import FOREACH
from .tensor import Tensor


def _each(name: str, call: Callable[..., Any], tensors: Any, args: Any, keywords: Any) -> list[Any]:
    tensors = list(tensors)
    lists = [a for a in (*args, *keywords.values()) if isinstance(a, (list, tuple))]
    for other in lists:
        if len(other) != len(tensors):
            raise RuntimeError(
                f"{name}(): Tensor lists must have the same number of tensors, got {len(tensors)} "
                f"and {len(other)}"
            )

    def at(i: int, value: Any) -> Any:
        return value[i] if isinstance(value, (list, tuple)) else value

    return [
        call(t, *(at(i, a) for a in args), **{k: at(i, a) for k, a in keywords.items()})
        for i, t in enumerate(tensors)
    ]


def _scaled(method: Callable[..., Any]) -> Callable[..., Any]:
    """``addcmul`` and ``addcdiv``: the factor may come third, by position."""

    def call(t: Tensor, a: Tensor, b: Tensor, value: Any = 1) -> Any:
        return method(t, a, b, value=value)

    return call


def _norm(t: Tensor, ord: Any = 2, dtype: Any = None) -> Any:
    from .linalg import vector_norm

    return vector_norm(t, ord, dtype=dtype)


def _made(name: str, call: Callable[..., Any], writes: bool) -> Callable[..., Any]:
    def foreach(self: Any, *args: Any, **keywords: Any) -> Any:
        results = _each(name, call, self, args, keywords)
        return results if writes else tuple(results)

    foreach.__name__ = foreach.__qualname__ = name
    return foreach


def _install() -> None:
    for full in FOREACH:
        name = full.removeprefix("_foreach_")
        for theirs, ours in (("maximum", "clamp_min"), ("minimum", "clamp_max")):
            name = name.replace(theirs, ours)  # which take numbers, too
        method: Any = getattr(Tensor, name)
        call = {"norm": _norm}.get(name) or (_scaled(method) if name[:4] == "addc" else method)
        globals()[full] = _made(full, call, full.endswith("_"))


_install()

Group = tuple[list[list[Any]], list[int]]


def _group_tensors_by_device_and_dtype(
    tensorlistlist: list[list[Any]], with_indices: bool = False
) -> dict[tuple[Device, Dtype], Group]:
    """Lists of one length, parted by the device and dtype of the first one's Tensors.

    For each pair of these: the parts of all the lists, where None may stand for a Tensor, and (if
    ``with_indices``) where their items were. PyTorch: ``torch.utils._foreach_utils``.
    """
    first, *others = tensorlistlist
    if any(len(other) != len(first) for other in others):
        raise RuntimeError(
            "_group_tensors_by_device_and_dtype(): Tensor lists must have the same number of "
            f"tensors, got {[len(tensors) for tensors in tensorlistlist]}"
        )
    groups: dict[tuple[Device, Dtype], Group] = {}
    for i, tensor in enumerate(first):
        key = tensor.device, tensor.dtype
        lists, indices = groups.setdefault(key, ([[] for _ in tensorlistlist], []))
        for part, whole in zip(lists, tensorlistlist):
            part.append(whole[i])
        if with_indices:
            indices.append(i)
    return groups


def _get_foreach_kernels_supported_devices() -> list[str]:
    """Types of devices, beside the CPU, whose lists the functions of lists take."""
    return ["cuda"]


def _get_fused_kernels_supported_devices() -> list[str]:
    """Types of devices whose optimizers may be asked to be ``fused``."""
    return ["cuda", "cpu"]


def _device_has_foreach_support(device: Device) -> bool:
    return device.type in ("cpu", *_get_foreach_kernels_supported_devices())


def _has_foreach_support(tensors: list[Tensor], device: Device) -> bool:
    """Whether all are plain Tensors, on a device whose lists the functions take."""
    return _device_has_foreach_support(device) and all(
        t is None or type(t) is Tensor for t in tensors
    )
