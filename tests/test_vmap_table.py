"""Every op of the table under ``vmap``: as if each example had been run by itself, and stacked.

Values, gradients of what is mapped over, and of what is the same for each example.
"""

from __future__ import annotations

from typing import Any

import pytest

import anadrome as ad
from anadrome import later, testing
from anadrome.op import table

later.everything()
SIZE = 3

#: Whose result is no function of one example alone, or is made of what is no Tensor.
LEFT_OUT = {
    "batch_norm_track", "zero_together", "write_region", "member",
}  # fmt: skip

CASES = [
    pytest.param(op, sample, id=f"{name}-{i}")
    for name, op in table.items()
    if not op.mutates and name not in LEFT_OUT and op.plugin == "anadrome"
    for i, sample in enumerate(op.samples or ())
]


def outputs(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (tuple, list)) else [value]


def examples(sample: Any) -> tuple[list[list[Any]], dict[str, Any]]:
    """The arguments of each example; those that are no floats are the same for all."""
    rows = [testing.make_args(sample, seed=i) for i in range(SIZE)]
    first = rows[0][0]
    floats = [isinstance(a, ad.Tensor) and a.dtype.is_floating_point for a in first]
    return [[a if f else b for a, b, f in zip(args, first, floats)] for args, _ in rows], rows[0][1]


def gradients(outs: list[Any], leaves: list[Any]) -> list[Any]:
    ends = [o for o in outs if o.requires_grad]
    if not ends or not leaves:
        return []
    total = sum((o.real * o.real.cos() if o.is_complex() else o * o.cos()).sum() for o in ends)
    return list(ad.autograd.grad(total, leaves, allow_unused=True))


@pytest.mark.parametrize("chosen", ["all", "first", "last"])
@pytest.mark.parametrize(("op", "sample"), CASES)
def test_as_example_by_example(op: Any, sample: Any, chosen: str) -> None:
    rows, keywords = examples(sample)
    columns = list(zip(*rows))
    positions = [
        i for i, c in enumerate(columns)
        if isinstance(c[0], ad.Tensor) and c[0].dtype.is_floating_point
    ]  # fmt: skip
    if not positions:
        pytest.skip("nothing to map over")
    if chosen != "all" and len(positions) < 2:
        pytest.skip("one argument only")
    mapped = {"all": positions, "first": positions[:1], "last": positions[-1:]}[chosen]

    def leaves() -> list[Any]:
        out: list[Any] = []
        for i, c in enumerate(columns):
            if i in mapped:
                out.append(ad.stack(list(c)))
            else:
                out.append(c[0].clone() if isinstance(c[0], ad.Tensor) else c[0])
            if op.has_rules and i in positions:
                out[-1].requires_grad_()
        return out

    def called(*args: Any) -> Any:
        return op.call(*args, **keywords)

    one = leaves()
    try:
        each = [
            outputs(called(*[a[k] if i in mapped else a for i, a in enumerate(one)]))
            for k in range(SIZE)
        ]
    except (RuntimeError, ValueError, IndexError):
        pytest.skip("a sample that some of the examples cannot take")
    if len({tuple(tuple(o.shape) for o in outs) for outs in each}) > 1:
        pytest.skip("its shape depends on the values")
    wanted = [ad.stack(list(column)) for column in zip(*each)]
    two = leaves()
    in_dims = tuple(0 if i in mapped else None for i in range(len(two)))
    found = outputs(ad.vmap(called, in_dims=in_dims)(*two))
    assert len(found) == len(wanted)
    for f, w in zip(found, wanted):
        assert f.dtype is w.dtype
        testing.assert_close(f.detach(), w.detach(), rtol=1e-9, atol=1e-9, equal_nan=True)
    try:
        expected = gradients(wanted, [one[i] for i in positions])
    except RuntimeError:
        return  # a rule that is not written: MISSING
    for g, e in zip(gradients(found, [two[i] for i in positions]), expected):
        if e is None or g is None:
            other = g if e is None else e
            assert other is None or not bool((other != 0).any())
            continue
        testing.assert_close(g, e, rtol=1e-9, atol=1e-9, equal_nan=True)
