"""PyTorch's public names and what their arguments are called, from an installed PyTorch.

``python docs/_torch_names.py > plugins/run/torch_names.txt`` remakes the list that ``anadrome run``
and the page on coverage compare with. Nothing else here needs PyTorch.
"""

from __future__ import annotations

import ast
import inspect
import re
import types
from pathlib import Path
from typing import Any

NAMESPACES = [
    "torch", "torch.Tensor", "torch.nn", "torch.nn.functional", "torch.nn.init", "torch.nn.utils",
    "torch.nn.utils.rnn", "torch.nn.utils.parametrize", "torch.nn.utils.parametrizations",
    "torch.optim", "torch.optim.lr_scheduler", "torch.optim.swa_utils", "torch.utils.data",
    "torch.utils.checkpoint", "torch.linalg", "torch.fft", "torch.special", "torch.distributions",
    "torch.func", "torch.fx", "torch.autograd", "torch.autograd.functional",
    "torch.autograd.profiler", "torch.profiler", "torch.cuda", "torch.amp", "torch.accelerator",
    "torch.random", "torch.autograd.forward_ad", "torch.autograd.graph", "torch.compiler",
    "torch.distributed", "torch.hub", "torch.jit", "torch.nn.parallel", "torch.overrides",
    "torch.quasirandom", "torch.testing", "torch.utils.benchmark", "torch.utils.flop_counter",
    "torch.nested", "torch.masked", "torch.sparse", "torch.signal.windows", "torch.nn.attention",
    "torch.nn.attention.bias", "torch.nn.attention.flex_attention", "torch.nn.parameter",
    "torch.nn.utils.prune", "torch.nn.utils.fusion", "torch.nn.utils.stateless",
    "torch.distributions.constraints", "torch.distributions.transforms", "torch.distributions.kl",
    "torch.serialization", "torch.storage", "torch.library", "torch.futures",
    "torch.multiprocessing", "torch.autograd.function", "torch.cpu", "torch.cpu.amp",
    "torch.cuda.amp", "torch.cuda.memory", "torch.cuda.nvtx", "torch.mps", "torch.mtia",
    "torch.xpu", "torch.backends", "torch.backends.cuda", "torch.utils", "torch.utils.dlpack",
    "torch.utils.hooks", "torch.utils.model_zoo", "torch.utils.cpp_extension",
    "torch.utils.data.distributed", "torch.distributed.nn", "torch.distributed.fsdp",
    "torch.distributed.device_mesh", "torch.distributed.tensor", "torch.distributed.checkpoint",
    "torch.distributed.optim", "torch.distributed.algorithms.join", "torch.distributed.rpc",
    "torch.fx.passes.shape_prop", "torch.fx.experimental.proxy_tensor", "torch.onnx",
    "torch.ao.quantization",
]  # fmt: skip

#: Arguments that say where and how a tensor is stored; nobody would call a function partly there
#: for the lack of one.
STORAGE = {"layout", "pin_memory", "memory_format", "out", "name", "names", "_stacklevel"}


def main() -> None:
    """Print the list."""
    import torch

    stubs = Stubs(Path(torch.__file__).parent)
    print(f"# PyTorch {torch.__version__.split('+')[0]}, made by docs/_torch_names.py")
    for namespace in NAMESPACES:
        place = stubs.resolve(namespace)
        print(f"\n[{namespace}]")
        for name in sorted(public_names(namespace, place)):
            found = stubs.arguments(namespace, place, name)
            print(name if found is None else f"{name}({', '.join(found)})")


def public_names(namespace: str, place: Any) -> list[str]:
    """What the namespace offers: no private names, nothing that it merely imported."""
    names = {n for n in dir(place) if not n.startswith("_")}
    if not inspect.isclass(place):
        listed = set(getattr(place, "__all__", ()))
        if listed and namespace != "torch":
            names = {n for n in listed if not n.startswith("_")}
    if namespace == "torch":
        names = {n for n in names if not _internal(n)}
    there = [n for n in names if hasattr(place, n)]
    return [n for n in there if _belongs(getattr(place, n), namespace)]


#: Of the classes that come from PyTorch's C++, only these are for users; the others are its
#: compilers' own.
_FOR_USERS = {"Generator", "Size", "Tensor", "device", "dtype", "finfo", "iinfo", "layout",
              "memory_format", "Event", "Stream", "AcceleratorError",
              "OutOfMemoryError"}  # fmt: skip


def _internal(name: str) -> bool:
    import torch

    compiled = name[0].isupper() and hasattr(torch._C, name)
    return (compiled and name not in _FOR_USERS) or name.startswith(
        ("miopen_", "mkldnn_", "cudnn_")
    )


def _belongs(value: Any, namespace: str) -> bool:
    if isinstance(value, types.ModuleType):
        return value.__name__.startswith(f"{namespace}.") and "._" not in value.__name__
    module = getattr(value, "__module__", None)
    if isinstance(module, str) and not module.startswith("torch"):
        return module in ("builtins", "math") and not inspect.isclass(value)
    if type(value).__module__ in ("typing", "__future__"):
        return False
    return not isinstance(value, (bool, str, set, dict)) or namespace.startswith("torch.backends")


class Stubs:
    """Signatures: Python's own where there are, else those of the stub files and docstrings."""

    def __init__(self, folder: Path) -> None:
        self.functions = self._read(folder / "_C" / "_VariableFunctions.pyi")
        self.methods = self._read(folder / "_C" / "__init__.pyi", "TensorBase")
        self.layers = self._read(folder / "nn" / "functional.pyi")

    def _read(self, path: Path, inside: str | None = None) -> dict[str, list[str]]:
        body = ast.parse(path.read_text(encoding="utf-8")).body
        if inside is not None:
            body = next(n.body for n in body if isinstance(n, ast.ClassDef) and n.name == inside)
        found: dict[str, list[str]] = {}
        for node in body:
            if isinstance(node, ast.FunctionDef):
                names = found.setdefault(node.name, [])
                given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                names += [a.arg for a in given if a.arg not in names and a.arg != "self"]
        return found

    def resolve(self, namespace: str) -> Any:
        """The object of a dotted name."""
        import importlib

        import torch

        if namespace == "torch.Tensor":
            return torch.Tensor
        return importlib.import_module(namespace)

    def arguments(self, namespace: str, place: Any, name: str) -> list[str] | None:
        """The names of the arguments, or None for what is no function and no class."""
        value = getattr(place, name)
        if not callable(value):
            return None
        stub = None
        if namespace == "torch":
            stub = self.functions.get(name)
        elif namespace == "torch.Tensor":
            stub = self.methods.get(name)
        elif namespace == "torch.nn.functional":
            stub = self.layers.get(name)
        if stub is None:
            stub = self._own(value)
        return None if stub is None else [n for n in stub if n not in STORAGE]

    def _own(self, value: Any) -> list[str] | None:
        try:
            parameters = inspect.signature(value).parameters.values()
            names = [p.name for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
            if names or not any(p.kind == p.VAR_KEYWORD for p in parameters):
                return [n for n in names if n != "self"]
        except (ValueError, TypeError):
            pass
        text = value.__doc__ if isinstance(value.__doc__, str) else ""
        line = re.match(r"\s*[\w.]*\((.*?)\)\s*(?:->|$)", text, re.M)
        return None if line is None else re.findall(r"(?:^|,)\s*(\w+)", line[1])


if __name__ == "__main__":
    main()
