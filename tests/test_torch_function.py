"""autograd.Function: every feature of ctx, the same as in PyTorch; and gradcheck's verdicts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import scenarios
from test_torch_inplace import leaves

import anadrome as ad

pytestmark = pytest.mark.torch

torch = pytest.importorskip("torch")

SCENARIOS: list[Callable[[Any], Any]] = []


def scenario(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    SCENARIOS.append(function)
    return function


def define(L: Any, forward: Any, backward: Any, **space: Any) -> Any:
    """A Function of the library from two plain functions."""
    members = {"forward": staticmethod(forward), "backward": staticmethod(backward), **space}
    return type("Mine", (L.autograd.Function,), members)


@scenario
def save_for_backward(L: Any) -> Any:
    def forward(ctx: Any, x: Any, w: Any, k: float) -> Any:
        out = x * w * k
        ctx.save_for_backward(x, None, w, out)
        ctx.k = k
        return out

    def backward(ctx: Any, g: Any) -> Any:
        x, nothing, w, out = ctx.saved_tensors
        assert nothing is None
        return g * w * ctx.k + 0 * out, g * x * ctx.k, None

    x, w = leaves(L, (3,), (3,))
    y = define(L, forward, backward).apply(x, w, 2.5)
    (g,) = L.autograd.grad(y.sum(), x, create_graph=True)
    (h,) = L.autograd.grad(g.sum(), w)
    return y, y.grad_fn, g, h


@scenario
def needs_input_grad(L: Any) -> Any:
    seen: list[Any] = []

    def forward(ctx: Any, a: Any, b: Any, c: Any, n: int) -> Any:
        seen.append(ctx.needs_input_grad)
        return a + b + c

    def backward(ctx: Any, g: Any) -> Any:
        seen.append(ctx.needs_input_grad)
        return g, None, g * 2, None

    a, c = leaves(L, (2,), (2,))
    y = define(L, forward, backward).apply(a, L.ones(2, dtype=L.float64), c, 3)
    y.sum().backward()
    return seen, a.grad, c.grad


@scenario
def several_outputs_and_materialised_zeros(L: Any) -> Any:
    seen: list[Any] = []

    def forward(ctx: Any, x: Any) -> Any:
        return x * 2, x * 3

    def backward(ctx: Any, a: Any, b: Any) -> Any:
        seen.append(b.tolist())
        return a * 2 + b * 3

    (x,) = leaves(L, (2,))
    y, _ = define(L, forward, backward).apply(x)
    y.sum().backward()
    return seen, x.grad, y.output_nr


@scenario
def no_materialised_grads(L: Any) -> Any:
    seen: list[Any] = []

    def forward(ctx: Any, x: Any) -> Any:
        ctx.set_materialize_grads(False)
        return x * 2, x * 3

    def backward(ctx: Any, a: Any, b: Any) -> Any:
        seen.append(a is None)
        return b * 3

    (x,) = leaves(L, (2,))
    _, z = define(L, forward, backward).apply(x)
    z.sum().backward()
    return seen, x.grad


@scenario
def non_differentiable_output(L: Any) -> Any:
    def forward(ctx: Any, x: Any) -> Any:
        order = x > 0.4
        ctx.mark_non_differentiable(order)
        return x * 2, order

    def backward(ctx: Any, a: Any, b: Any) -> Any:
        return a * 2

    (x,) = leaves(L, (2,))
    y, order = define(L, forward, backward).apply(x)
    y.sum().backward()
    return y, order.requires_grad, order.tolist(), x.grad


@scenario
def outputs_that_are_no_tensors(L: Any) -> Any:
    seen: list[Any] = []

    def forward(ctx: Any, x: Any) -> Any:
        return None, x * 2, "name", {"a": 1}, 3, x * 5

    def backward(ctx: Any, *gs: Any) -> Any:
        seen.append([g is None for g in gs])
        return gs[1] * 2 + gs[5] * 5

    (x,) = leaves(L, (2,))
    out = define(L, forward, backward).apply(x)
    out[1].sum().backward()
    return out[1], [o for o in out if not isinstance(o, L.Tensor)], seen, x.grad


@scenario
def reentrant_checkpoint_of_what_returns_more_than_tensors(L: Any) -> Any:
    (x,) = leaves(L, (2,))
    checkpoint = L.utils.checkpoint.checkpoint
    out = checkpoint(lambda x: (x.sin(), None, "name"), x, use_reentrant=True)
    out[0].sum().backward()
    return out[0], out[1:], x.grad


@scenario
def mark_dirty(L: Any) -> Any:
    def forward(ctx: Any, x: Any) -> Any:
        x.mul_(3)
        ctx.mark_dirty(x)
        return x

    def backward(ctx: Any, g: Any) -> Any:
        return g * 3

    (x,) = leaves(L, (2,))
    y = x * 2
    z = define(L, forward, backward).apply(y)
    (y * y).sum().backward()
    return z is y, y, y._version, x.grad


@scenario
def mark_dirty_of_a_leaf(L: Any) -> Any:
    def forward(ctx: Any, x: Any) -> Any:
        x.mul_(3)
        ctx.mark_dirty(x)
        return x

    (x,) = leaves(L, (2,))
    define(L, forward, lambda ctx, g: g).apply(x)


@scenario
def input_returned_as_it_is(L: Any) -> Any:
    (x,) = leaves(L, (2,))
    f = define(L, lambda ctx, x: x, lambda ctx, g: g * 7)
    y = f.apply(x)
    y.sum().backward()
    return y is x, y, x.grad


@scenario
def saved_input_modified_in_place(L: Any) -> Any:
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x * x

    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        return g * 2 * x

    (x,) = leaves(L, (2,))
    y = x * 1
    z = define(L, forward, backward).apply(y)
    y.add_(1)
    z.sum().backward()


@scenario
def saved_tensors_twice(L: Any) -> Any:
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x * x

    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        return g * 2 * x

    (x,) = leaves(L, (2,))
    z = define(L, forward, backward).apply(x).sum()
    z.backward()
    z.backward()


@scenario
def once_differentiable(L: Any) -> Any:
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x * x

    @L.autograd.function.once_differentiable
    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        return g * 2 * x

    (x,) = leaves(L, (2,))
    f = define(L, forward, backward)
    f.apply(x).sum().backward()
    first = x.grad.clone()
    (g,) = L.autograd.grad(f.apply(x).sum(), x, create_graph=True)
    g.sum().backward()
    return first


@scenario
def too_few_gradients(L: Any) -> Any:
    x, w = leaves(L, (2,), (2,))
    define(L, lambda ctx, a, b: a + b, lambda ctx, g: g).apply(x, w).sum().backward()


@scenario
def too_many_gradients_of_none(L: Any) -> Any:
    (x,) = leaves(L, (2,))
    f = define(L, lambda ctx, a: a + 1, lambda ctx, g: (g, None, None))
    f.apply(x).sum().backward()
    return x.grad


@scenario
def no_backward(L: Any) -> Any:
    (x,) = leaves(L, (2,))
    f = type("Half", (L.autograd.Function,), {"forward": staticmethod(lambda ctx, x: x * 2)})
    f.apply(x).sum().backward()


@scenario
def setup_context(L: Any) -> Any:
    def setup(ctx: Any, inputs: Any, output: Any) -> None:
        x, n = inputs
        ctx.save_for_backward(x)
        ctx.n = n

    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        return g * ctx.n * x ** (ctx.n - 1), None

    (x,) = leaves(L, (2,))
    f = define(L, lambda x, n: x**n, backward, setup_context=staticmethod(setup))
    y = f.apply(x, 3)
    y.sum().backward()
    return y, x.grad


@scenario
def broadcast_gradient_is_summed(L: Any) -> Any:
    (x,) = leaves(L, (1,))
    f = define(L, lambda ctx, a: a.expand(3) * 1, lambda ctx, g: g * 2)
    f.apply(x).sum().backward()
    return x.grad


@scenario
def without_recording(L: Any) -> Any:
    (x,) = leaves(L, (2,))
    f = define(L, lambda ctx, a: a * 2, lambda ctx, g: g * 2)
    with L.no_grad():
        y = f.apply(x)
    return y.requires_grad, f.apply(L.ones(2)).requires_grad, f.apply(x).requires_grad


@scenario
def nothing_inside_is_recorded(L: Any) -> Any:
    seen: list[bool] = []

    def forward(ctx: Any, x: Any) -> Any:
        seen.append((x * 2).requires_grad)
        return x * 2

    def backward(ctx: Any, g: Any) -> Any:
        seen.append(L.is_grad_enabled())
        return g * 2

    (x,) = leaves(L, (2,))
    f = define(L, forward, backward)
    f.apply(x).sum().backward()
    L.autograd.grad(f.apply(x).sum(), x, create_graph=True)
    return seen


def _check(L: Any, factor: float, which: str = "gradcheck", **options: Any) -> Any:
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x**3

    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        return g * factor * x * x

    (x,) = leaves(L, (3,))
    return getattr(L.autograd, which)(define(L, forward, backward).apply, (x,), **options)


@scenario
def gradcheck_passes(L: Any) -> Any:
    return _check(L, 3.0), _check(L, 3.0, "gradgradcheck")


@scenario
def gradcheck_fails(L: Any) -> Any:
    _check(L, 3.1)


@scenario
def gradgradcheck_fails(L: Any) -> Any:
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x**3

    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        return g * 3 * x * x.detach()

    (x,) = leaves(L, (3,))
    f = define(L, forward, backward).apply
    assert L.autograd.gradcheck(f, (x,))
    L.autograd.gradgradcheck(f, (x,))


@scenario
def gradcheck_false(L: Any) -> Any:
    return _check(L, 3.1, raise_exception=False), _check(L, 3.0, raise_exception=False)


@scenario
def gradcheck_without_leaves(L: Any) -> Any:
    L.autograd.gradcheck(lambda x: x * 2, (L.ones(2, dtype=L.float64),))


@pytest.mark.parametrize("function", SCENARIOS, ids=lambda f: f.__name__)
def test_same_as_torch(function: Callable[[Any], Any]) -> None:
    scenarios.same(scenarios.told(function, ad), scenarios.told(function, torch))


def test_gradcheck_refuses_single_precision() -> None:
    x = ad.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="needs float64 inputs, got float32"):
        ad.autograd.gradcheck(lambda x: x * 2, (x,))


def test_gradcheck_says_where() -> None:
    with pytest.raises(RuntimeError, match="output 0 with respect to input 0, output element 0"):
        _check(ad, 3.1)


def test_gradcheck_fast_mode() -> None:
    assert _check(ad, 3.0, fast_mode=True) and _check(ad, 3.0, "gradgradcheck", fast_mode=True)
    with pytest.raises(RuntimeError, match="along a random direction.*fast_mode=False"):
        _check(ad, 3.1, fast_mode=True)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_data_of_pytorchs_is_read_also_where_classes_are_asked() -> None:
    class Own(ad.Tensor):
        pass

    ad.zeros(2).as_subclass(Own).sum()  # from now on calls look at their arguments
    for read in (ad.asarray, ad.as_tensor, ad.tensor):
        assert read(torch.ones(2)).tolist() == [1.0, 1.0]
