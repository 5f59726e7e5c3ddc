"""Random programs give the same on every backend, in both precisions, and in PyTorch."""

from __future__ import annotations

from typing import Any

import programs
import pytest
from hypothesis import assume, given
from programs import Outcome, Program, run

import anadrome as ad
from anadrome import testing


def on(backend: str, dtype: Any = ad.float64) -> Any:
    device = "strict" if backend == "strict" else None

    def leaf(values: Any) -> Any:
        return ad.tensor(values, dtype=dtype, device=device, requires_grad=True)

    class Library:
        """The framework, with index tensors made on the device under test."""

        def __getattr__(self, name: str) -> Any:
            return getattr(ad, name)

        def tensor(self, values: Any) -> Any:
            return ad.tensor(values, device=device)

    return Library(), leaf


def compare(program: Program, ours: Outcome, theirs: Outcome, **tolerance: float) -> None:
    text = programs.show(program)
    if ours.error is None or theirs.error is None or "shapes" not in (ours.error, theirs.error):
        # Of two things wrong, either may be seen first.
        assert ours.error == theirs.error, f"{ours.error} is not {theirs.error}\n{text}"
    for what in ("values", "grads", "second"):
        a, b = getattr(ours, what), getattr(theirs, what)
        assert len(a) == len(b), f"{what}: {len(a)} and {len(b)}\n{text}"
        for i, (x, y) in enumerate(zip(a, b)):
            if x is None and y is None:
                continue
            # One may say None where the other says zero: nothing flows either way.
            x = y * 0 if x is None else x
            y = x * 0 if y is None else y
            testing.assert_close(
                x, y, **tolerance, check_device=False, check_dtype=False, equal_nan=True,
                msg=lambda m, what=what, i=i: f"{what}[{i}]: {m}\n{text}",
            )  # fmt: skip


def numpy_and_strict(program: Program) -> None:
    compare(program, run(program, *on("strict")), run(program, *on("numpy")), rtol=1e-9, atol=1e-9)


def single_and_double(program: Program) -> None:
    narrow, wide = run(program, *on("numpy", ad.float32)), run(program, *on("numpy"))
    compare(program, narrow, wide, rtol=2e-3, atol=2e-3)


def ours_and_torch(program: Program) -> None:
    import torch

    def leaf(values: Any) -> Any:
        return torch.tensor(values, dtype=torch.float64, requires_grad=True)

    theirs, ours = run(program, torch, leaf), run(program, *on("numpy"))
    if ours.error == "refers to a single memory location":
        assume(theirs.error is not None)  # PyTorch fills repeated memory, and adds to a row of it
    if theirs.error == "modified by an inplace operation" and ours.error is None:
        differentiated(program, ours)  # we keep the values that PyTorch overwrites; are we right?
        return
    numpy = [[None if t is None else t.numpy(force=True) for t in part] for part in theirs[:3]]
    compare(program, ours, Outcome(*numpy, theirs.error), rtol=1e-9, atol=1e-9)


def differentiated(program: Program, ours: Outcome) -> None:
    """The gradients of a program equal central differences of its loss."""
    assume(not programs.cuts(program))
    library, leaf = on("numpy")
    numbers = programs.leaf_numbers(program)
    for i, g in enumerate(ours.grads):
        slopes = []
        for j in range(len(_flat(numbers[i]))):
            sides = []
            for step in (1e-6, -1e-6):
                moved = [list(_flat(n)) for n in numbers]
                moved[i][j] += step
                shaped = [_like(m, n) for m, n in zip(moved, numbers)]
                sides.append(run(program, library, leaf, shaped).loss)
            slopes.append((sides[0] - sides[1]) / 2e-6)
        found = [0.0] * len(slopes) if g is None else g.reshape(-1).tolist()
        assert found == pytest.approx(slopes, rel=1e-4, abs=1e-5), programs.show(program)


def _flat(numbers: Any) -> list[float]:
    return [x for n in numbers for x in _flat(n)] if isinstance(numbers, list) else [numbers]


def _like(flat: list[float], numbers: Any) -> Any:
    if not isinstance(numbers, list):
        return flat.pop(0)
    return [_like(flat, n) for n in numbers]


@pytest.mark.parametrize("writes", [False, True])
class TestShort:
    def test_numpy_and_strict(self, writes: bool) -> None:
        given(programs.programs(writes=writes))(numpy_and_strict)()

    def test_single_and_double(self, writes: bool) -> None:
        given(programs.programs(writes=writes, length=5))(single_and_double)()

    @pytest.mark.torch
    def test_ours_and_torch(self, writes: bool) -> None:
        given(programs.programs(writes=writes))(ours_and_torch)()


@pytest.mark.nightly
@pytest.mark.parametrize("writes", [False, True])
class TestLong:
    def test_numpy_and_strict(self, writes: bool) -> None:
        given(programs.programs(writes=writes, length=20))(numpy_and_strict)()

    @pytest.mark.torch
    def test_ours_and_torch(self, writes: bool) -> None:
        given(programs.programs(writes=writes, length=16))(ours_and_torch)()


@pytest.mark.parametrize("name", sorted(programs.OPS))
@pytest.mark.torch
def test_each_op_alone(name: str) -> None:
    """Every op of the programs, on every choice of its number, against PyTorch, twice."""
    for number in range(12):
        steps = (programs.Step(name, (number, number + 2, number + 5), number),)
        ours_and_torch(Program((*steps, programs.Step("tanh", (0, 0, 0), 0)), number, True))


@pytest.mark.parametrize("name", sorted(programs.WRITES))
@pytest.mark.torch
def test_each_write_alone(name: str) -> None:
    for number in range(12):
        first = programs.Step("mul", (number, number + 1, 0), 0)
        write = programs.Step(name, (0, number + 2, number + 5), number)
        ours_and_torch(Program((first, write, programs.Step("exp", (1, 0, 0), 0)), number, True))
