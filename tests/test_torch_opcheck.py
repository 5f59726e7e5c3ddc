"""Ops that a program names, where there are no values; and `library.opcheck` of them."""

from __future__ import annotations

from typing import Any

import pytest

import anadrome as ad

torch = pytest.importorskip("torch")

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]

ONE = "(Tensor x) -> Tensor"


def made(
    L: Any,
    name: str,
    fn: Any,
    fake: Any = None,
    schema: str = ONE,
    mutates: Any = (),
    grad: Any = None,
) -> Any:
    op = L.library.custom_op(f"checked::{name}", fn, mutates_args=mutates, schema=schema)
    if fake is not None:
        op.register_fake(fake)
    if grad is not None:
        op.register_autograd(grad)
    return op


def cases(L: Any) -> dict[str, tuple[Any, tuple[Any, ...]]]:
    """An op and its arguments, by what is the matter with it."""

    def added(x: Any) -> Any:
        x.add_(1)
        return x * 1

    def written(x: Any) -> None:
        x.add_(1)

    x, leaf = L.ones(2, 3), L.ones(2, 3, requires_grad=True)
    same = L.empty_like
    right = made(L, "right", lambda x: x * 2, same, grad=lambda ctx, g: g * 2)
    return {
        "right": (right, (leaf,)),
        "right, by its overload": (L.ops.checked.right.default, (x,)),
        "without a fake": (made(L, "nofake", lambda x: x * 2), (x,)),
        "another shape": (made(L, "shape", lambda x: x.sum(0), same), (x,)),
        "another dtype": (made(L, "dtype", lambda x: x.double(), same), (x,)),
        "another count": (made(L, "count", lambda x: x[0] * 2, lambda x: x.new_empty(2)), (x,)),
        "writes": (made(L, "writes", added, same), (x.clone(),)),
        "writes what it says": (
            made(L, "says", written, lambda x: None, "(Tensor(a!) x) -> ()", {"x"}),
            (x.clone(),),
        ),
        "no gradient": (made(L, "nograd", lambda x: x * 3, same), (leaf,)),
    }  # fmt: skip


def test_each_check_finds_what_pytorchs_finds() -> None:
    found = []
    for L in (ad, torch):
        found.append({})
        for what, (op, args) in cases(L).items():
            told = L.library.opcheck(op, args, raise_exception=False)
            found[-1][what] = {k: v == "SUCCESS" for k, v in told.items()}
    assert found[0] == found[1]
    assert all(found[0]["right"].values()) and not found[0]["writes"]["test_schema"]


def test_it_raises_and_names_the_check() -> None:
    for L in (ad, torch):
        given = cases(L)
        for what, check in {
            "writes": "test_schema", "another shape": "test_faketensor",
            "no gradient": "test_aot_dispatch_dynamic",
        }.items():  # fmt: skip
            op, args = given[what]
            with pytest.raises(Exception, match=f"{check} failed with") as info:
                L.library.opcheck(op, args)
            assert type(info.value).__name__ == "OpCheckError"
        op, args = given["without a fake"]
        assert L.library.opcheck(op, args, test_utils="test_schema") == {"test_schema": "SUCCESS"}
        with pytest.raises(ValueError, match="to be subset of"):
            L.library.opcheck(op, args, test_utils=("nonsense",))
        with pytest.raises(ValueError, match="op must be"):
            L.library.opcheck(L.sin, args)


def test_a_view_of_an_argument_is_no_result() -> None:
    for L in (ad, torch):
        op = made(L, "alias", lambda x: x.view(-1), lambda x: x.new_empty(x.numel()))
        with pytest.raises(Exception, match="may not alias any inputs"):
            L.library.opcheck(op, (L.ones(2, 3),))


def test_the_fake_runs_where_there_are_no_values() -> None:
    def program(L: Any) -> Any:
        calls = []

        def fake(x: Any) -> Any:
            calls.append(tuple(x.shape))
            return x.new_empty(x.shape[1])

        made(L, "fake", lambda x: x.sum(0), fake, grad=lambda ctx, g: g.expand(4, 2))
        op = L.ops.checked.fake
        lib = L.library.Library("checked", "FRAGMENT")
        lib.define("older(Tensor x) -> Tensor")
        lib.impl("older", lambda x: x.new_empty(7), "Meta")
        x = L.empty(4, 2, device="meta", requires_grad=True)
        out = op(x)
        (grad,) = L.autograd.grad(out.sum(), x)
        older = L.ops.checked.older(x.detach())
        with pytest.raises(RuntimeError, match="no fake impl"):
            made(L, "none", lambda x: x * 1)(x.detach())
        return calls, tuple(out.shape), out.is_meta, tuple(grad.shape), tuple(older.shape)

    assert program(ad) == program(torch)
