"""surface: every public callable of anadrome, found by looking."""

from __future__ import annotations

import enum
import importlib
import inspect
from collections.abc import Iterator
from typing import Any, NamedTuple

import anadrome as ad
from anadrome import later
from anadrome.plugins.run import coverage

#: Where public names are; the first part of the longest match is the family of a name.
NAMESPACES = (
    "", "Tensor", "nn.functional", "nn", "nn.init", "nn.utils", "nn.utils.rnn",
    "nn.utils.parametrizations", "nn.utils.parametrize", "nn.utils.stateless", "nn.parameter",
    "linalg", "fft", "special", "optim", "optim.lr_scheduler", "optim.swa_utils", "utils",
    "utils.data", "utils.checkpoint", "utils.dlpack", "distributions",
    "distributions.constraints", "distributions.transforms", "distributions.kl", "func",
    "autograd", "autograd.functional", "autograd.graph", "autograd.forward_ad", "amp",
    "profiler", "random", "cuda", "cpu", "accelerator", "backends.cuda",
    "backends.cudnn", "backends.mps",
)  # fmt: skip

#: Operators, which are public though their names begin with an underscore.
DUNDERS = (
    "abs add and bool complex contains eq float floordiv ge getitem gt iadd iand idiv ifloordiv "
    "ilshift imod imul index int invert ior ipow irshift isub iter itruediv ixor le len lshift lt "
    "matmul mod mul ne neg or pos pow radd rand rdiv reversed rfloordiv rlshift rmatmul rmod rmul "
    "ror rpow rrshift rshift rsub rtruediv rxor setitem sub truediv xor dlpack"
)

#: Public names that are not called, and why not.
LEFT_OUT = {
    "op": "declares an op for good; an author's tool, tested in test_table_checks.py",
    "dtype": "its objects are those there are",
    "Size": "a tuple, which Python itself makes",
    "capture": "has its own fuzz, of programs: test_programs.py",
    "Tensor.share_memory_": "moves memory between processes",
    "utils.data.get_worker_info": "means something in a worker only",
    "hookimpl": "a plugin author's decorator",
    "Backend": "a class for plugin authors to derive from",
    "LazyBackend": "a class for plugin authors to derive from",
    "Command": "a class for plugin authors to derive from",
    "Mode": "a class for plugin authors to derive from",
    "random.draw": "called by the functions of random numbers",
    "random.recorded_keys": "called by what runs code again",
    "random.replayed_keys": "called by what runs code again",
    "nn.parameter.UninitializedTensorMixin": "a part of two classes that are called",
    "autograd.graph.Node": "made by ops only",
    "autograd.FunctionCtx": "made by Functions only",
    "autograd.function.FunctionCtx": "made by Functions only",
    "linalg.is_vector": "called by the functions beside it",
    "set_default_tensor_type": "changes the process",
    "cuda.set_device": "changes the process",
    **dict.fromkeys(
        [n for n in dir(ad) if n.startswith(("set_autocast", "autocast_"))],
        "switches autocast on for every later call, in both libraries",
    ),
}


class Target(NamedTuple):
    """One public callable: its dotted name under ``anadrome``, and its family."""

    path: str
    family: str
    value: Any

    def __hash__(self) -> int:  # the value may have none
        return hash(self.path)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Target) and self.path == other.path

    @property
    def is_class(self) -> bool:
        """Whether calling it makes an object, which is then used."""
        return inspect.isclass(self.value)

    @property
    def is_method(self) -> bool:
        """Whether its first argument is a Tensor."""
        return self.path.startswith("Tensor.")


def targets() -> list[Target]:
    """All of them, by name; a function under two names is there twice."""
    later.everything()
    out: dict[str, Target] = {}
    for space in NAMESPACES:
        for name, value in _public(space):
            path = f"{space}.{name}" if space else name
            if path not in LEFT_OUT:
                out.setdefault(path, Target(path, space or "anadrome", value))
    return [out[path] for path in sorted(out)]


def lookup(path: str) -> Any:
    """The value of a dotted name; None if there is none."""
    value: Any = ad
    walked = "anadrome"
    for part in filter(None, path.split(".")):
        walked += f".{part}"
        try:
            value = getattr(value, part)
        except (AttributeError, ImportError):
            try:
                value = importlib.import_module(walked)
            except ImportError:
                return None
    return value


def _public(space: str) -> Iterator[tuple[str, Any]]:
    holder = lookup(space)
    if holder is None:
        return
    names = set(getattr(holder, "__all__", ())) or _documented(space, holder)
    names |= _published(space)
    if space == "Tensor":
        names |= {f"__{n}__" for n in DUNDERS.split()}
    for name in sorted(names):
        if name.startswith("_") and not name.startswith("__"):
            continue  # PyTorch's own private names, which some programs use
        value = lookup(f"{space}.{name}")
        if value is None or not callable(value) or inspect.ismodule(value):
            continue
        if isinstance(value, enum.EnumMeta):  # Python itself checks those
            continue
        if str(getattr(value, "__module__", "anadrome") or "anadrome").startswith("anadrome"):
            yield name, value


def _documented(space: str, holder: Any) -> set[str]:
    """Of a namespace without ``__all__``: PyTorch's names, and what is defined there."""
    theirs = coverage.names().get(f"torch.{space}".rstrip("."), {})
    there = {n for n in dir(holder) if not n.startswith("_")}
    if space in ("", "Tensor"):
        return there
    return {
        n
        for n in there
        if n in theirs or getattr(getattr(holder, n), "__module__", "") == holder.__name__
    }


def _published(space: str) -> set[str]:
    """Names that are loaded when first asked for: the core's and the plugins'."""
    from anadrome import manager

    names = {*later.homes(), *manager.exports}
    found = {n for n in names if n.rpartition(".")[0] == space}
    return {n.rpartition(".")[2] for n in found}
