"""against_torch: the same call in PyTorch; both work and agree, or both refuse.

Only what both libraries can be given is compared: Tensors, numbers, names, and lists of them.
"""

from __future__ import annotations

import contextlib
import warnings
from typing import Any

import numpy as np

import anadrome as ad

from . import differing, explained, lenient, oracle, strict
from .draws import Drawn
from .surface import Target

SAME = "same"
BOTH_REFUSE = "both refuse"
LENIENT = "only PyTorch refuses"
STRICT = "only anadrome refuses"
TABLES = {LENIENT: lenient.LENIENT, STRICT: strict.STRICT}
DIFFERS = "the results differ"
MAY_DIFFER = "the results differ for a reason"
NOT_COMPARED = "not compared"

#: What is left to chance, or to what memory holds; only its shape and type can be compared.
_CHANCE = ("rand", "empty", "dropout", "bernoulli", "binomial", "multinomial", "normal", "poisson",
           "exponential", "cauchy", "geometric", "uniform", "log_normal", "rrelu", "gumbel",
           "new", "fractional",
           "resize", "seed", "nn.init", "data_ptr", "kaiming", "xavier", "svd_lowrank")  # fmt: skip


#: What tells of the machine, or of where in memory something lies.
_OF_THE_MACHINE = ("backends", "cuda", "accelerator", "cpu", "rng_state", "initial_seed", "thread",
                   "stride", "contiguous", "storage_offset", "get_device", "profiler", "typename",
                   "dlpack", "__deepcopy__", "share")  # fmt: skip


class _NoTwin(Exception):
    """There is no such thing in PyTorch."""


def theirs(target: Target) -> Any:
    """PyTorch's function of the same name, or None."""
    import torch

    value: Any = torch
    for part in target.path.split("."):
        value = getattr(value, part, None)
        if value is None:
            return None
    return value


def twin(value: Any, depth: int = 0) -> Any:
    """An argument in PyTorch's terms."""
    import torch

    if isinstance(value, ad.Tensor):
        data = value.detach()
        kind = getattr(torch, data.dtype.name)
        host = np.array((data.float() if kind is torch.bfloat16 else data).numpy())
        out = _laid_out(torch.from_numpy(host).clone().to(kind), data)
        out = torch.nn.Parameter(out) if isinstance(value, ad.nn.Parameter) else out
        if value.is_leaf and value.grad is not None:
            out.grad = twin(value.grad)
        return out.requires_grad_(value.requires_grad)
    if isinstance(value, ad.dtype):
        return getattr(torch, value.name)
    if isinstance(value, ad.device):
        return torch.device(str(value))
    if value is ad.Tensor:
        return torch.Tensor
    if type(value) in (list, tuple):
        if depth > 20:
            raise _NoTwin
        return type(value)(twin(v, depth + 1) for v in value)
    if type(value) is dict:
        return {twin(k): twin(v, depth + 1) for k, v in value.items()}
    homes = (type(value).__module__, str(getattr(value, "__module__", "")))
    if any(home.startswith("anadrome") for home in homes) or hasattr(value, "__next__"):
        raise _NoTwin
    return value


def _laid_out(made: Any, ours: ad.Tensor) -> Any:
    """With its elements as often in memory as ours has them, and with ours' strides."""
    import torch

    if 0 in ours.stride() and ours.numel():
        once = tuple(slice(0, 1) if n == 0 else slice(None) for n in ours.stride())
        return made[once].clone().expand(made.shape)
    if 0 in ours.shape or ours.is_contiguous():
        return made
    return torch.empty_strided(made.shape, ours.stride(), dtype=made.dtype).copy_(made)


def judged(
    target: Target, drawn: Drawn, ours: oracle.Outcome, result: Any, given: Any, words: str
) -> str:
    """How a call in PyTorch compares; ``given`` are the arguments, made by ``twin`` before.

    ``words``: the call, as it was before it was made.
    """
    function = theirs(target)
    if function is None or given is None or ours.kind in (oracle.HUNG, oracle.NO_MEMORY):
        return NOT_COMPARED
    args, keywords = given
    refused, found = False, None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            outcome, found = oracle.attempt(lambda: function(*args, **keywords), drawn)
        refused = outcome.kind != oracle.WORKED or found is NotImplemented
        told = outcome.text
    except BaseException as error:
        refused, told = True, str(error)
    worked = ours.kind == oracle.WORKED
    if refused:
        return f"{LENIENT}: {told[:200]}" if worked else BOTH_REFUSE
    if not worked:
        return f"{STRICT}: {ours.text[:400]}"
    if target.is_class:
        return SAME
    if any(word in target.path for word in _OF_THE_MACHINE):
        return SAME
    exact = not any(word in target.path for word in _CHANCE)
    try:
        why = difference(result, found, exact)
    except (TypeError, ValueError, RuntimeError, MemoryError):
        return NOT_COMPARED
    if not why:
        return SAME
    both = [*args, *keywords.values()]
    reason = differing.reason(target.path, why, words, both, result, found)
    return f"{MAY_DIFFER}: {reason.why}" if reason else f"{DIFFERS}: {why}"


def why(record: dict[str, Any]) -> str | None:
    """The reason why one library refuses alone, empty if there is none; None if both agree."""
    head, _, words = record.get("torch", "").partition(": ")
    table = TABLES.get(head)
    if table is None:
        return None
    found = explained.reason(table, record["start"].partition("#")[0], words, record["call"])
    return found.why if found else ""


def restore() -> None:
    """Undo what a call may have set for the process in PyTorch."""
    import torch

    torch.set_grad_enabled(True)
    torch.set_default_dtype(torch.float32)
    torch.set_default_device(None)
    torch.use_deterministic_algorithms(False)
    torch.set_printoptions(profile="default")
    torch.distributions.Distribution.set_default_validate_args(__debug__)


def prepared(drawn: Drawn) -> Any:
    """The arguments in PyTorch's terms, before ours can change them; None if they have none."""
    with contextlib.suppress(Exception):
        return twin(list(drawn.args)), twin(dict(drawn.keywords))
    return None


def difference(ours: Any, theirs: Any, exact: bool = True) -> str:
    """What two results have not in common; empty if all is the same up to rounding."""
    import torch

    if isinstance(theirs, torch.Tensor):
        if not isinstance(ours, ad.Tensor):
            return f"a {type(ours).__name__}, not a Tensor"
        if tuple(ours.shape) != tuple(theirs.shape):
            return f"shape {tuple(ours.shape)}, PyTorch's {tuple(theirs.shape)}"
        kind = str(theirs.dtype).removeprefix("torch.")
        if ours.dtype.name != kind.replace("complex32", "complex64"):  # there is none of halves
            return f"{ours.dtype.name}, PyTorch's {theirs.dtype}"
        if ours.requires_grad != theirs.requires_grad:
            return f"requires_grad {ours.requires_grad}, PyTorch's {theirs.requires_grad}"
        if exact and not _close(ours, theirs):
            return f"{ours.detach().tolist()!s:.70}, PyTorch's {theirs.tolist()!s:.70}"
        return ""
    if isinstance(theirs, (tuple, list)):
        if not isinstance(ours, (tuple, list)) or len(ours) != len(theirs):
            return f"{type(ours).__name__} of another length"
        return next((d for o, t in zip(ours, theirs) if (d := difference(o, t, exact))), "")
    if isinstance(theirs, (bool, int, float, complex)) and exact:
        same = type(ours) is type(theirs) and np.allclose(ours, theirs, 1e-4, 1e-5, equal_nan=True)
        return "" if same else f"{ours!r}, PyTorch's {theirs!r}"
    return ""


def _close(ours: ad.Tensor, theirs: Any) -> bool:
    import torch

    wide = torch.complex128 if theirs.is_complex() else torch.float64
    t = theirs.detach().resolve_conj().resolve_neg().to(wide).numpy()
    o = np.asarray(ours.detach().to(ad.complex128 if theirs.is_complex() else ad.float64).numpy())
    halves = ours.dtype.itemsize == 2 and ours.dtype.is_floating_point
    loose = 3e-2 if halves or theirs.dtype is torch.complex32 else 1e-3
    if np.iscomplexobj(t) and o.shape == t.shape:  # an infinite part says nothing of the other
        number = ~(np.isnan(o) & np.isnan(t))
        o, t = o[number].astype(t.dtype).view(float), t[number].view(float)
    return bool(np.allclose(o, t, loose, loose, equal_nan=True))
