"""Whole training programs, written as PyTorch's tutorials are, on both libraries step by step.

Each file of ``programs_torch`` is a PyTorch program with a ``main(start, step)``. It is run as it
is on PyTorch, and with nothing but its imports changed on anadrome. ``start(module)`` gives both
the same initial weights; ``step(loss)`` takes losses, gradients, weights and buffers; ``step.note``
takes anything else.
"""

from __future__ import annotations

import ast
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

PROGRAMS = sorted((Path(__file__).parent / "programs_torch").glob("*.py"))
pytestmark = pytest.mark.torch


class ChangedImports(ast.NodeTransformer):
    """``import torch.nn as nn`` becomes ``import anadrome.nn as nn``."""

    def visit_Import(self, node: ast.Import) -> Any:
        changed: list[ast.stmt] = []
        for alias in node.names:
            if alias.name.partition(".")[0] != "torch":
                changed.append(ast.Import([alias]))
            elif alias.asname or alias.name == "torch":
                name = "anadrome" + alias.name.removeprefix("torch")
                changed.append(ast.Import([ast.alias(name, alias.asname or "torch")]))
            else:  # `import torch.utils.data` binds `torch`
                changed.append(ast.Import([ast.alias("anadrome" + alias.name[5:], None)]))
                changed.append(ast.Import([ast.alias("anadrome", "torch")]))
        return changed

    def visit_ImportFrom(self, node: ast.ImportFrom) -> Any:
        module = node.module or ""
        if module.partition(".")[0] == "torch":
            node.module = "anadrome" + module.removeprefix("torch")
        return node


def load(path: Path, change: bool) -> types.ModuleType:
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    if change:
        tree = ast.fix_missing_locations(ChangedImports().visit(tree))
    module = types.ModuleType(path.stem)
    exec(compile(tree, str(path), "exec"), module.__dict__)
    return module


def host(value: Any) -> Any:
    """Tensors as NumPy arrays, also inside tuples, lists and dicts."""
    if hasattr(value, "detach"):
        return np.array(value.detach().cpu().numpy())
    if isinstance(value, dict):
        return {k: host(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [host(v) for v in value]
    return value


class Start:
    """Hands out modules; the second run gets the first one's initial weights."""

    def __init__(self, library: Any, given: list[Any] | None = None) -> None:
        self.library = library
        self.given = given
        self.states: list[Any] = []
        self.watched: list[Any] = []

    def __call__(self, module: Any) -> Any:
        if self.given is not None:
            wanted = self.given[len(self.states)]
            assert sorted(module.state_dict()) == sorted(wanted)
            state = {k: self.library.from_numpy(v.copy()) for k, v in wanted.items()}
            module.load_state_dict(state)
        self.states.append(host(dict(module.state_dict())))
        if not any(module is w for w in self.watched):
            self.watched.append(module)
        return module

    def tensors(self, *tensors: Any) -> Any:
        """Leaves that no module holds."""
        self.watched.append(tensors)
        return tensors

    def now(self) -> dict[str, Any]:
        """Gradients and values of everything that was handed out."""
        found: dict[str, Any] = {}
        for i, watched in enumerate(self.watched):
            if isinstance(watched, tuple):
                named: Any = {str(j): t for j, t in enumerate(watched)}
                state: Any = named
            else:
                named, state = dict(watched.named_parameters()), watched.state_dict()
            for name, p in named.items():
                found[f"{i}.{name}.grad"] = None if p.grad is None else host(p.grad)
            for name, v in state.items():
                found[f"{i}.{name}"] = host(v)
        return found


class Steps:
    """What a program shows at each step."""

    def __init__(self, start: Start) -> None:
        self.start = start
        self.seen: list[dict[str, Any]] = []

    def __call__(self, *losses: Any) -> None:
        self.seen.append({"losses": host(losses), **self.start.now()})

    def note(self, value: Any) -> None:
        self.seen.append({"note": host(value)})


def run(path: Path, library: Any, given: list[Any] | None = None) -> tuple[Start, Steps]:
    start = Start(library, given)
    steps = Steps(start)
    load(path, library.__name__ != "torch").main(start, steps)
    return start, steps


def same(found: Any, wanted: Any, what: str, floor: float = 1e-7, skip: Any = None) -> None:
    """Equal to 1e-4 of an array's largest value: of its smallest, rounding leaves nothing right."""
    if isinstance(wanted, (list, tuple)):
        assert len(found) == len(wanted), what
        for i, (f, w) in enumerate(zip(found, wanted)):
            same(f, w, f"{what}[{i}]")
    elif isinstance(wanted, (np.ndarray, float)):
        if isinstance(wanted, np.ndarray):
            assert found.dtype == wanted.dtype, what
            assert found.shape == wanted.shape, what
        if skip is not None:
            found, wanted = found[~skip], wanted[~skip]
        scale = float(np.abs(wanted).max()) if np.size(wanted) else 0.0
        scale = scale if np.isfinite(scale) else 1.0
        np.testing.assert_allclose(
            found, wanted, rtol=1e-4, atol=1e-4 * scale + floor, err_msg=what
        )
    else:
        assert found == wanted, what


class Comparison:
    """Compares two runs step by step.

    Some gradients are zero but for rounding (that of a bias before a normalisation, of the keys'
    bias in attention). Adam and its kin make full steps of that rounding, so those elements of the
    weights are left out; they are few, which is checked too.
    """

    def __init__(self) -> None:
        self.noise: dict[str, Any] = {}

    def step(self, number: int, found: dict[str, Any], wanted: dict[str, Any]) -> None:
        assert found.keys() == wanted.keys(), f"step {number}"
        grads = {k: v for k, v in wanted.items() if k.endswith(".grad") and v is not None}
        largest = max((float(np.abs(g).max()) for g in grads.values() if g.size), default=0.0)
        for name, g in grads.items():
            rounding = (np.abs(g) < 1e-6 * largest) & ((g != 0) | (found[name] != 0))
            key = name.removesuffix(".grad")
            self.noise[key] = self.noise.get(key, False) | rounding
        for name, w in wanted.items():
            floor = 2e-6 * largest if name in grads else 1e-7
            same(found[name], w, f"step {number}: {name}", floor, self.noise.get(name))

    def left_out(self) -> float:
        """The part of the weights that was left out."""
        count = sum(np.size(n) for n in self.noise.values())
        return sum(int(np.sum(n)) for n in self.noise.values()) / max(count, 1)


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda p: p.stem)
def test_program(path: Path) -> None:
    torch = pytest.importorskip("torch")
    import anadrome as ad

    start, wanted = run(path, torch)
    _, found = run(path, ad, start.states)
    assert len(found.seen) == len(wanted.seen) > 2
    comparison = Comparison()
    for number, (f, w) in enumerate(zip(found.seen, wanted.seen)):
        comparison.step(number, f, w)
    assert comparison.left_out() < 0.15


def test_a_wrong_weight_is_found() -> None:
    """The comparison can fail."""
    with pytest.raises(AssertionError, match="here"):
        same(np.float32([1.0, 2.0]), np.float32([1.0, 2.001]), "here")
    with pytest.raises(AssertionError):
        same([1], [1, 2], "here")


def test_imports_are_all_that_changes() -> None:
    text = "import torch.utils.data\nimport torch.nn as nn\nfrom torch.nn import functional as F\n"
    changed = ast.unparse(ast.fix_missing_locations(ChangedImports().visit(ast.parse(text))))
    assert changed == (
        "import anadrome.utils.data\nimport anadrome as torch\nimport anadrome.nn as nn\n"
        "from anadrome.nn import functional as F"
    )
