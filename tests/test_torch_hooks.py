"""Hooks of Tensors and of nodes: in PyTorch's order, with PyTorch's gradients and refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import anadrome as ad

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")


def leaf(L: Any, *shape: int) -> Any:
    return L.ones(*(shape or (2,)), requires_grad=True)


def accumulator(x: Any) -> Any:
    """The node that adds what arrives to a leaf's gradient."""
    return x.expand_as(x).grad_fn.next_functions[0][0]


def plain(value: Any) -> Any:
    """Tensors as lists, so that the two libraries can be compared."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value


def order_at_a_leaf(L: Any) -> Any:
    x, log = leaf(L), []
    node = accumulator(x)
    node.register_prehook(lambda grads: log.append("before the node"))
    x.register_hook(lambda grad: log.append("tensor"))
    x.register_post_accumulate_grad_hook(lambda t: log.append("accumulated"))
    node.register_hook(lambda inputs, grads: log.append(["after", inputs, grads, x.grad]))
    (x * 2).sum().backward()
    return log


def order_at_a_node(L: Any) -> Any:
    x, log = leaf(L), []
    y = x * 2
    y.retain_grad()
    y.grad_fn.register_prehook(lambda grads: log.append(["before", y.grad]) or (grads[0] * 7,))
    y.register_hook(lambda grad: log.append("tensor") or grad * 10)
    y.grad_fn.register_hook(lambda inputs, grads: log.append(["after", inputs, grads]))
    y.sum().backward()
    return log, y.grad, x.grad


def a_write_takes_the_retained_gradient_along(L: Any) -> Any:
    x, log = leaf(L), []
    y = x * 2
    y.retain_grad()
    y.register_hook(lambda grad: log.append(grad))
    y.mul_(5)
    (y * 3).sum().backward()
    return log, y.grad, x.grad


def so_does_a_write_to_the_base_or_a_view(L: Any) -> Any:
    x = leaf(L, 4)
    base = x * 2
    view = base[:2]
    view.retain_grad()
    base.retain_grad()
    view.mul_(3)
    base.add_(1)
    (base * L.arange(4.0)).sum().backward()
    (view * 5).sum().item()
    return view.grad, base.grad, x.grad


def what_hooks_keep_is_not_added_to(L: Any) -> Any:
    x, log = leaf(L), []
    x.register_hook(lambda grad: log.append(grad))
    accumulator(x)
    for _ in range(2):
        (x * 2).sum().backward()
    return log, x.grad


def nor_what_hooks_of_its_node_keep(L: Any) -> Any:
    x, log = leaf(L), []
    node = accumulator(x)
    node.register_prehook(lambda grads: log.append(grads[0]))
    for _ in range(2):
        (x * 2).sum().backward()
    return log, x.grad


def wanted_before_the_node(L: Any) -> Any:
    x = leaf(L)
    y = x * 2
    y.grad_fn.register_prehook(lambda grads: (grads[0] * 3,))
    return L.autograd.grad((y * 3).sum(), y)


def wanted_beyond_the_node(L: Any) -> Any:
    x = leaf(L)
    y = x * 2
    y.grad_fn.register_prehook(lambda grads: (grads[0] * 3,))
    y.register_hook(lambda grad: grad * 5)
    return L.autograd.grad((y * 3).sum(), (x, y))


def wanted_after_a_hook_of_the_tensor(L: Any) -> Any:
    x = leaf(L)
    y = x * 2
    y.register_hook(lambda grad: grad * 5)
    return L.autograd.grad((y * 3).sum(), y)


def a_wanted_leaf_is_not_accumulated(L: Any) -> Any:
    x = leaf(L)
    node = accumulator(x)
    node.register_prehook(lambda grads: (grads[0] * 3,))
    x.register_hook(lambda grad: grad * 5)
    return L.autograd.grad((x * 2).sum(), x)


def inputs_that_are_no_leaves(L: Any) -> Any:
    x = leaf(L)
    y, w = x * 2, x * 3
    y.register_hook(lambda grad: grad * 5)
    (y * 2 + w * 5).sum().backward(inputs=[y, y, w])
    return y.grad, w.grad, x.grad, y.retains_grad


def inputs_before_and_behind(L: Any) -> Any:
    x = leaf(L)
    y = x * 2
    y.register_hook(lambda grad: grad * 5)
    (y * 2).sum().backward(inputs=[y, x])
    return y.grad, x.grad


def retained_where_the_node_is_not_played(L: Any) -> Any:
    y = leaf(L) * 2
    y.retain_grad()
    return L.autograd.grad(y.sum(), y), y.grad


def what_hooks_after_are_given(L: Any) -> Any:
    log = []

    def note(inputs: Any, outputs: Any) -> None:
        log.append([None if g is None else [list(g.shape), str(g.dtype)[-7:]] for g in inputs])

    x, w = leaf(L, 2, 1), leaf(L, 3)
    double = L.ones(2, dtype=L.float64)
    bias = leaf(L, 4)
    for out in (
        x * 2,
        x * w,
        leaf(L) * double,
        L.where(w > 0, w, w * 2),
        L.addmm(bias, leaf(L, 2, 3), leaf(L, 3, 4)),
        L.nn.functional.layer_norm(leaf(L, 2, 3), (3,), w),
        leaf(L, 3, 2)[1:],
    ):
        out.grad_fn.register_hook(note)
        out.sum().backward()
    return log


def replaced_after_the_node(L: Any) -> Any:
    x, w = leaf(L), leaf(L)
    y = x * w
    y.grad_fn.register_hook(lambda inputs, outputs: (inputs[1] * 5, None))
    y.sum().backward()
    return x.grad, w.grad


def outputs_without_gradient(L: Any) -> Any:
    x, log = leaf(L, 2, 2), []
    values = x.max(0).values
    values.grad_fn.register_prehook(lambda grads: log.append(grads) or (grads[0] * 3,))
    values.grad_fn.register_hook(lambda inputs, grads: log.append(grads))
    values.sum().backward()
    return log, x.grad


def under_create_graph(L: Any) -> Any:
    x = leaf(L)
    y = x * x
    y.register_hook(lambda grad: grad * grad)
    y.grad_fn.register_prehook(lambda grads: (grads[0] * grads[0],))
    y.grad_fn.register_hook(lambda inputs, grads: (inputs[0] * 3, inputs[1]))
    (g,) = L.autograd.grad((y**2).sum(), x, create_graph=True)
    return g, L.autograd.grad(g.sum(), x)


SAME = [
    order_at_a_leaf, order_at_a_node, a_write_takes_the_retained_gradient_along,
    so_does_a_write_to_the_base_or_a_view, what_hooks_keep_is_not_added_to,
    nor_what_hooks_of_its_node_keep, wanted_before_the_node, wanted_beyond_the_node,
    wanted_after_a_hook_of_the_tensor, a_wanted_leaf_is_not_accumulated,
    inputs_that_are_no_leaves, inputs_before_and_behind, retained_where_the_node_is_not_played,
    what_hooks_after_are_given, replaced_after_the_node, outputs_without_gradient,
    under_create_graph,
]  # fmt: skip


@pytest.mark.parametrize("case", SAME, ids=lambda case: case.__name__)
def test_same_as_torch(case: Callable[[Any], Any]) -> None:
    assert plain(case(ad)) == plain(case(torch))


REFUSED: dict[str, Callable[[Any], Any]] = {
    "hook '<lambda>' has changed the size of value": lambda g: g.sum(),
    "hook '<lambda>' has changed the type of value": lambda g: g.double(),
    "expected Variable, but hook": lambda g: 3,
}


@pytest.mark.parametrize("text", REFUSED)
@pytest.mark.parametrize("where", ["tensor", "leaf", "before", "after"])
def test_what_a_hook_may_not_return(text: str, where: str) -> None:
    for L, kinds in ((ad, (RuntimeError, TypeError)), (torch, (RuntimeError, TypeError))):
        x = leaf(L)
        y = x * 2
        wrong = REFUSED[text]
        if where == "after":
            y.grad_fn.register_hook(lambda inputs, grads, wrong=wrong: (wrong(inputs[0]), None))
        elif where == "before":
            y.grad_fn.register_prehook(lambda grads, wrong=wrong: (wrong(grads[0]),))
        else:
            (x if where == "leaf" else y).register_hook(lambda grad, wrong=wrong: wrong(grad))
        with pytest.raises(kinds) as caught:
            y.sum().backward()
        assert isinstance(caught.value, TypeError if "expected" in text else RuntimeError)
        if where in ("before", "tensor"):
            assert text.replace("'<lambda>' ", "") in str(caught.value).replace("'<lambda>' ", "")


@pytest.mark.parametrize(
    ("returned", "text"),
    [
        (1, "has returned an incorrect number of values (got 1, but expected 2)"),
        (2, "can't replace a None gradient with a non-None value"),
    ],
)
def test_how_many_a_hook_returns(returned: int, text: str) -> None:
    for L in (ad, torch):
        y = leaf(L) * L.ones(2)
        y.grad_fn.register_hook(lambda inputs, grads, L=L: (L.ones(2),) * returned)
        with pytest.raises(RuntimeError) as caught:
            y.sum().backward()
        assert text in str(caught.value), L.__name__


def batched(L: Any, **options: Any) -> Any:
    x, unused = leaf(L), leaf(L)
    return L.autograd.grad(x * 2, (x, unused), L.eye(2), is_grads_batched=True, **options)


@pytest.mark.parametrize("options", [{"allow_unused": True}, {"materialize_grads": True}])
def test_a_batch_of_gradients_of_what_takes_no_part(options: dict[str, bool]) -> None:
    assert plain(batched(ad, **options)) == plain(batched(torch, **options))


def test_zeros_in_the_place_of_what_may_not_be_missing() -> None:
    for L in (ad, torch):
        with pytest.raises(ValueError, match="Expected allow_unused to be True or not passed"):
            batched(L, allow_unused=False, materialize_grads=True)
