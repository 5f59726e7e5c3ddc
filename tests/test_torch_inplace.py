"""Views and writes in place, piece by piece the same as in PyTorch: values, gradients, errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import scenarios

import anadrome as ad

pytestmark = pytest.mark.torch

torch = pytest.importorskip("torch")

SCENARIOS: list[Callable[[Any], Any]] = []


def scenario(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    SCENARIOS.append(function)
    return function


def leaves(L: Any, *shapes: tuple[int, ...]) -> list[Any]:
    out = []
    for k, shape in enumerate(shapes):
        n = 1
        for m in shape:
            n *= m
        values = L.tensor([0.3 * (i + 1) - 0.2 * k for i in range(n)], dtype=L.float64)
        out.append(values.reshape(shape).requires_grad_())
    return out


@scenario
def view_sees_write_to_base(L: Any) -> Any:
    (x,) = leaves(L, (2, 3))
    y = x * 2
    v = y[0]
    y.mul_(3)
    (v * v).sum().backward()
    return v, y.grad_fn, x.grad


@scenario
def base_sees_write_to_view(L: Any) -> Any:
    (x,) = leaves(L, (2, 3))
    y = x * 2
    y[1].mul_(4)
    y.sum().backward()
    return y, y.grad_fn, x.grad


@scenario
def names_after_write_through_view(L: Any) -> Any:
    (x,) = leaves(L, (2, 3))
    y = x * 2
    v = y[1]
    v.exp_()
    return y.grad_fn, v.grad_fn is not None, v._is_view() if hasattr(v, "_is_view") else True


@scenario
def view_of_view_of_view(L: Any) -> Any:
    x, w = leaves(L, (3, 4), (2,))
    y = x * 1.5
    a = y.t()
    b = a[1:3]
    c = b[:, 1]
    c.mul_(w)
    ((y * y).sum() + (a * 2).sum() + (b * c.sum()).sum()).backward()
    return y, a, b, c, x.grad, w.grad


@scenario
def sibling_views(L: Any) -> Any:
    (x,) = leaves(L, (4,))
    y = x * 1
    a, b = y[:3], y[1:]
    a.mul_(2)
    b.add_(a.sum())
    (a.sum() * 2 + (b * b).sum()).backward()
    return a, b, y, x.grad


@scenario
def views_made_by_many_ops(L: Any) -> Any:
    (x,) = leaves(L, (2, 1, 3))
    y = x * 1
    for make in (
        lambda t: t.squeeze(1), lambda t: t.unsqueeze(0), lambda t: t.transpose(0, 2),
        lambda t: t.permute(2, 0, 1), lambda t: t.reshape(6), lambda t: t.view(3, 2),
        lambda t: t[..., 0], lambda t: t[:, None], lambda t: t.flatten(), lambda t: t.select(2, 1),
        lambda t: t.narrow(2, 0, 2), lambda t: t.movedim(0, 2), lambda t: t.mT,
        lambda t: t.unflatten(2, (3, 1)),
    ):  # fmt: skip
        make(y).mul_(1.25)
    y.sum().backward()
    return y, x.grad


@scenario
def setitem_on_a_non_leaf(L: Any) -> Any:
    x, w = leaves(L, (3, 3), (3,))
    y = x * 2
    y[0] = w
    y[1, 2] = 7.0
    y[:, 1] *= 3
    y[-1, ::2] = w[:2] * w[0]
    (y**2).sum().backward()
    return y, y.grad_fn, x.grad, w.grad


@scenario
def setitem_by_mask_and_index(L: Any) -> Any:
    x, w = leaves(L, (3, 3), (3,))
    y = x * 2
    y[L.tensor([0, 2])] = w
    y[y > 2.5] = 0.5
    y[L.tensor([0, 1]), L.tensor([1, 1])] = w[:2]
    (y**2).sum().backward()
    return y, x.grad, w.grad


@scenario
def setitem_broadcasts(L: Any) -> Any:
    x, w = leaves(L, (2, 3), (1,))
    y = x * 1
    y[:] = w
    y[0] += x[1]
    (y * x).sum().backward()
    return y, x.grad, w.grad


@scenario
def setitem_with_a_number_into_integers(L: Any) -> Any:
    x = L.zeros(4, dtype=L.int64)
    x[1] = 2.7
    x[2:] = L.tensor([5, 6], dtype=L.int32)
    return x.tolist()


@scenario
def setitem_shape_mismatch(L: Any) -> Any:
    y = L.zeros(2, 3)
    y[0] = L.ones(2)


@scenario
def write_into_leaf(L: Any) -> Any:
    (x,) = leaves(L, (3,))
    x.mul_(2)


@scenario
def write_into_view_of_leaf(L: Any) -> Any:
    (x,) = leaves(L, (3,))
    x[1:].mul_(2)


@scenario
def setitem_of_leaf(L: Any) -> Any:
    (x,) = leaves(L, (3,))
    x[0] = 1.0


@scenario
def masked_setitem_of_leaf(L: Any) -> Any:
    (x,) = leaves(L, (3,))
    x[x > 0] = 1.0


@scenario
def write_into_leaf_under_no_grad(L: Any) -> Any:
    (x,) = leaves(L, (3,))
    with L.no_grad():
        x.mul_(2)
        x[0] = 5.0
        x[1:].add_(1)
    (x * x).sum().backward()
    return x, x.grad, x._version


@scenario
def leaf_that_is_written_becomes_a_result(L: Any) -> Any:
    x = L.ones(3, dtype=L.float64)
    (w,) = leaves(L, (3,))
    x.mul_(w)
    x.sum().backward()
    return x, x.grad_fn, w.grad


@scenario
def detached_zero_(L: Any) -> Any:
    (x,) = leaves(L, (3,))
    y = x * 2
    d = y.detach()
    d.zero_()
    y.sum().backward()
    return y, d, x.grad


@scenario
def detached_zero_of_a_saved_value(L: Any) -> Any:
    (x,) = leaves(L, (3,))
    y = x * 2
    z = y * y
    y.detach().zero_()
    z.sum().backward()


@scenario
def data_zero_is_not_seen(L: Any) -> Any:
    (x,) = leaves(L, (3,))
    y = x * 2
    z = y * y
    y.data.zero_()
    z.sum().backward()
    return x.grad


@scenario
def saved_input_modified(L: Any) -> Any:
    (x,) = leaves(L, (3,))
    y = x * 2
    z = y.sin()
    y.add_(1)
    z.sum().backward()


@scenario
def saved_output_modified(L: Any) -> Any:
    (x,) = leaves(L, (3,))
    y = x.exp()
    z = y + 1
    y.add_(1)
    z.sum().backward()


@scenario
def unsaved_input_modified(L: Any) -> Any:
    (x,) = leaves(L, (3,))
    y = x * 2
    z = y + 1
    y.add_(1)
    (z + y).sum().backward()
    return x.grad


@scenario
def saved_through_a_view(L: Any) -> Any:
    (x,) = leaves(L, (4,))
    y = x * 2
    z = y[:2].sin()
    y[3] = 0.0
    z.sum().backward()


@scenario
def versions(L: Any) -> Any:
    x = L.zeros(3)
    seen = [x._version]
    v = x[1:]
    x.add_(1)
    seen += [x._version, v._version]
    v.mul_(2)
    x[0] = 3
    seen += [x._version, v._version, x.detach()._version, x.clone()._version]
    return seen


@scenario
def broadcasting_out_of_shape(L: Any) -> Any:
    x = L.ones(3)
    x.add_(L.ones(2, 3))


@scenario
def broadcasting_into_shape(L: Any) -> Any:
    x, w = leaves(L, (2, 3), (3,))
    y = x * 1
    y.mul_(w)
    y.sub_(w[:1])
    y.sum().backward()
    return y, x.grad, w.grad


@scenario
def float_into_integer(L: Any) -> Any:
    L.ones(3, dtype=L.int64).mul_(1.5)


@scenario
def integer_division_in_place(L: Any) -> Any:
    L.ones(3, dtype=L.int64).div_(2)


@scenario
def double_into_single(L: Any) -> Any:
    x = L.ones(3, dtype=L.float32)
    x.add_(L.full((3,), 0.25, dtype=L.float64))
    return str(x.dtype).split(".")[-1], x


@scenario
def copy_and_fill(L: Any) -> Any:
    x, w = leaves(L, (2, 3), (3,))
    y = x * 1
    y.copy_(w)
    names = [y.grad_fn]
    z = x * 2
    z.fill_(3.0)
    u = x * 3
    u[0].zero_()
    (y * x + z + u).sum().backward()
    return names, y, z, u, x.grad, w.grad


@scenario
def copy_of_a_constant(L: Any) -> Any:
    (x,) = leaves(L, (3,))
    y = x * 2
    y.copy_(L.ones(3, dtype=L.float64))
    y.sum().backward()
    return y, [0.0 if x.grad is None else float(x.grad.abs().sum())]


@scenario
def write_into_expanded(L: Any) -> Any:
    L.zeros(1, 3).expand(2, 3).add_(1)


@scenario
def chain_of_writes(L: Any) -> Any:
    (x,) = leaves(L, (3,))
    y = x.clone()
    y.mul_(2).add_(1).clamp_(max=2.5).sin_().exp_()
    y.sum().backward()
    return y, y.grad_fn, x.grad


@scenario
def operators_in_place(L: Any) -> Any:
    x, w = leaves(L, (3,), (3,))
    y = x * 1
    before = y
    y += w
    y -= 0.5
    y *= w
    y /= 2
    y.sum().backward()
    return before is y, y, x.grad, w.grad


@scenario
def requires_grad_of_written(L: Any) -> Any:
    base = L.zeros(2, 2, dtype=L.float64)
    v = base[0]
    (w,) = leaves(L, (2,))
    v.copy_(w)
    base.sum().backward()
    return base, v, base.requires_grad, w.grad


@scenario
def detach_in_place(L: Any) -> Any:
    (x,) = leaves(L, (3,))
    y = x * 2
    y.detach_()
    return y.requires_grad, y.is_leaf, y.grad_fn


@scenario
def second_derivative_through_writes(L: Any) -> Any:
    (x,) = leaves(L, (3,))
    y = x * x
    y[1] = y[0] * x[2]
    y.mul_(x)
    (g,) = L.autograd.grad(y.sum(), x, create_graph=True)
    (h,) = L.autograd.grad((g * g).sum(), x)
    return g, h


@pytest.mark.parametrize("function", SCENARIOS, ids=lambda f: f.__name__)
def test_same_as_torch(function: Callable[[Any], Any]) -> None:
    scenarios.same(scenarios.told(function, ad), scenarios.told(function, torch))
