"""PyTorch as the oracle of every op: value, gradient, second gradient, name of the node.

The samples of the table are run through the function of the same name in PyTorch. An op whose call
differs there has a line in ``tests/in_torch``, as has one that PyTorch has no public name for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import anadrome as ad
from anadrome import testing
from anadrome.op import Op, table
from anadrome.tensor import Tensor

pytestmark = pytest.mark.torch

torch = pytest.importorskip("torch")
torch.set_num_threads(1)

from in_torch import AS_IN_TORCH, OTHER_NAMES, OURS


def counterpart(op: Op) -> Callable[..., Any] | None:
    """The function of the same name in PyTorch."""
    if op.name in AS_IN_TORCH:
        return AS_IN_TORCH[op.name]
    for place in (torch, torch.nn.functional):
        if hasattr(place, op.name):
            return getattr(place, op.name)
    return None


COMPARED = sorted(
    n
    for n, o in table.items()
    if o.plugin == "anadrome" and n not in OURS and not o.mutates and o.samples
)


def test_every_op_is_compared_or_listed() -> None:
    missing = [
        n
        for n, o in table.items()
        if o.plugin == "anadrome" and not o.mutates and n not in OURS and not counterpart(o)
    ]
    assert missing == [], "compare these with PyTorch, or say in OURS where they are"
    assert [n for n in OURS if n not in table] == []


def both(op: Op, sample: Any, seed: int = 0) -> tuple[list[Any], list[Any], dict, dict]:
    """The same arguments for both, as leaves."""
    args, keywords = testing.make_args(sample, seed=seed, requires_grad=True)
    theirs = []
    for a in args:
        if isinstance(a, Tensor):
            t = torch.tensor(a.detach().numpy())
            theirs.append(t.requires_grad_(a.requires_grad))
        else:
            theirs.append(a)
    return args, theirs, keywords, dict(keywords)


def outputs(op: Op, result: Any) -> list[Any]:
    return list(result) if len(op.outputs) > 1 else [result]


@pytest.mark.parametrize("name", COMPARED)
def test_values_and_gradients(name: str) -> None:
    op = table[name]
    function = counterpart(op)
    for number, sample in enumerate(op.samples):
        what = f"{name} sample {number}"
        args, theirs, keywords, same = both(op, sample)
        outs = outputs(op, op.call(*args, **keywords))
        wanted = outputs(op, function(*theirs, **same))
        for o, w in zip(outs, wanted):
            close(o, w, what)
        ends = [(o, w) for o, w in zip(outs, wanted) if w.requires_grad]
        assert [o.requires_grad for o in outs] == [w.requires_grad for w in wanted], what
        if not ends:
            continue
        seeds = [np.random.default_rng(7).standard_normal(tuple(w.shape)) for _, w in ends]
        leaves = [a for a in args if isinstance(a, Tensor) and a.requires_grad]
        their_leaves = [t for t in theirs if isinstance(t, torch.Tensor) and t.requires_grad]
        found = ad.autograd.grad(
            [o for o, _ in ends],
            leaves,
            [ad.tensor(s, dtype=o.dtype) for s, (o, _) in zip(seeds, ends)],
            create_graph=True,
            allow_unused=True,
        )
        expected = torch.autograd.grad(
            [w for _, w in ends],
            their_leaves,
            [torch.tensor(s, dtype=w.dtype) for s, (_, w) in zip(seeds, ends)],
            create_graph=True,
            allow_unused=True,
        )
        same_gradients(found, expected, f"{what}, gradient")
        ours = [g for g in found if g is not None and g.requires_grad]
        other = [g for g in expected if g is not None and g.requires_grad]
        if ours and other and not any(g.dtype.is_complex for g in ours):
            same_gradients(
                ad.autograd.grad(sum((g * g).sum() for g in ours), leaves, allow_unused=True),
                torch.autograd.grad(
                    sum((g * g).sum() for g in other), their_leaves, allow_unused=True
                ),
                f"{what}, second gradient",
            )


def close(ours: Any, theirs: Any, what: str) -> None:
    testing.assert_close(
        ours,
        theirs.resolve_conj().numpy(force=True),
        rtol=1e-9,
        atol=1e-9,
        equal_nan=True,
        check_device=False,
        msg=lambda text: f"{what}: {text}",
    )


def same_gradients(ours: Any, theirs: Any, what: str) -> None:
    for i, (g, w) in enumerate(zip(ours, theirs)):
        if g is None or w is None:  # None and zero are the same news
            other = w if g is None else g
            assert other is None or not bool((other != 0).any()), f"{what} {i}: {g} and {w}"
        else:
            close(g, w, f"{what} {i}")


@pytest.mark.parametrize("name", [n for n in COMPARED if n not in OTHER_NAMES])
def test_name_of_the_node(name: str) -> None:
    op = table[name]
    args, theirs, keywords, same = both(op, op.samples[0])
    wanted = outputs(op, counterpart(op)(*theirs, **same))[0].grad_fn
    found = outputs(op, op.call(*args, **keywords))[0].grad_fn
    assert (found and found.name()) == (wanted and wanted.name())


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("name", COMPARED)
def test_narrow_types(name: str, dtype: str) -> None:
    """Same dtype and values in half and single precision, as far as their rounding goes."""
    op = table[name]
    function = counterpart(op)
    rtol, atol = testing.tolerance_of(ad.dtypes.BY_NAME[dtype])
    for sample in op.samples:
        args, keywords = testing.make_args(sample, dtype=dtype)
        if any(isinstance(a, Tensor) and a.dtype.is_complex for a in args):
            return
        theirs = [
            torch.tensor(a.tolist(), dtype=getattr(torch, a.dtype.name)).reshape(tuple(a.shape))
            if isinstance(a, Tensor)
            else a
            for a in args
        ]
        try:
            wanted = outputs(op, function(*theirs, **keywords))
        except RuntimeError as error:
            assert "not implemented for" in str(error)
            return
        for o, w in zip(outputs(op, op.call(*args, **keywords)), wanted):
            assert f"torch.{o.dtype.name}" == str(w.dtype), name
            if w.dtype.is_floating_point:
                o, w = o.double(), w.double()
            testing.assert_close(
                o, w.numpy(force=True), rtol=rtol, atol=atol, equal_nan=True, check_device=False
            )
