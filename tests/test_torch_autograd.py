"""Hooks, retain_grad, autograd.grad's options, Function and functional: the same as in PyTorch."""

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


@scenario
def order_of_hooks(L: Any) -> Any:
    (x,) = leaves(L, (2,))
    log: list[Any] = []
    y = x * 2
    z = y * 3
    x.register_hook(lambda g: log.append(("x tensor", g.tolist())))
    x.register_post_accumulate_grad_hook(lambda t: log.append(("x post", t.grad.tolist())))
    y.register_hook(lambda g: log.append(("y tensor 1", g.tolist())))
    y.register_hook(lambda g: g * 10)
    y.register_hook(lambda g: log.append(("y tensor 2", g.tolist())))
    y.grad_fn.register_hook(lambda gi, go: log.append(("y node", go[0].tolist(), gi[0].tolist())))
    y.grad_fn.register_prehook(lambda go: log.append(("y pre", go[0].tolist())))
    z.grad_fn.register_hook(lambda gi, go: log.append(("z node", go[0].tolist())))
    y.retain_grad()
    z.sum().backward()
    return log, x.grad, y.grad


@scenario
def removed_hooks(L: Any) -> Any:
    (x,) = leaves(L, (2,))
    first = x.register_hook(lambda g: g * 5)
    second = x.register_hook(lambda g: g + 1)
    first.remove()
    first.remove()
    x.sum().backward()
    second.remove()
    x.sum().backward()
    return x.grad


@scenario
def node_hooks_change_gradients(L: Any) -> Any:
    x, w = leaves(L, (2,), (2,))
    y = x * w
    y.grad_fn.register_hook(lambda gi, go: (gi[0] * 2, gi[1] * 0))
    y.grad_fn.register_prehook(lambda go: (go[0] + 1,))
    y.sum().backward()
    return x.grad, w.grad


@scenario
def hook_on_a_view_of_many_uses(L: Any) -> Any:
    (x,) = leaves(L, (3,))
    seen: list[Any] = []
    y = x[1:]
    y.register_hook(lambda g: seen.append(g.tolist()))
    (y.sum() + (y * y).sum()).backward()
    return seen, x.grad


@scenario
def hook_without_grad(L: Any) -> Any:
    L.ones(1).register_hook(lambda g: g)


@scenario
def retain_grad_rules(L: Any) -> Any:
    (x,) = leaves(L, (2,))
    y = x * 2
    y.retain_grad()
    y.retain_grad()
    x.retain_grad()
    (y * y).sum().backward(retain_graph=True)
    first = y.grad.clone()
    (y * y).sum().backward()
    return first, y.grad, x.grad, y.retains_grad, x.retains_grad


@scenario
def retain_grad_without_grad(L: Any) -> Any:
    L.ones(1).retain_grad()


@scenario
def grad_of_a_non_leaf(L: Any) -> Any:
    (x,) = leaves(L, (2,))
    y = x * 2
    z = (y**3).sum()
    return L.autograd.grad(z, [x, y, z])


@scenario
def grad_of_an_unused_input(L: Any) -> Any:
    x, w = leaves(L, (2,), (2,))
    L.autograd.grad((x * 2).sum(), [x, w])


@scenario
def allow_unused(L: Any) -> Any:
    x, w = leaves(L, (2,), (2,))
    return L.autograd.grad((x * 2).sum(), [x, w], allow_unused=True)


@scenario
def materialize_grads(L: Any) -> Any:
    x, w = leaves(L, (2,), (2,))
    return L.autograd.grad((x * 2).sum(), [x, w], materialize_grads=True)


@scenario
def input_without_grad(L: Any) -> Any:
    (x,) = leaves(L, (2,))
    L.autograd.grad((x * 2).sum(), [x, L.ones(1)])


@scenario
def batched_grads(L: Any) -> Any:
    (x,) = leaves(L, (3,))
    y = x**2
    return L.autograd.grad(y, x, L.eye(3, dtype=L.float64), is_grads_batched=True)


@scenario
def several_outputs(L: Any) -> Any:
    (x,) = leaves(L, (2,))
    y, z = x * 2, x.exp()
    return L.autograd.grad(
        [y, z], x, [L.ones(2, dtype=L.float64), L.full((2,), 3.0, dtype=L.float64)]
    )


@scenario
def same_input_twice(L: Any) -> Any:
    (x,) = leaves(L, (2,))
    return L.autograd.grad((x * 2).sum(), [x, x])


@scenario
def grad_leaves_grad_alone(L: Any) -> Any:
    (x,) = leaves(L, (2,))
    (x * 5).sum().backward()
    L.autograd.grad((x * 2).sum(), x)
    return x.grad


@scenario
def backward_inputs(L: Any) -> Any:
    x, w = leaves(L, (2,), (2,))
    y = x * w
    (y * 2).sum().backward(inputs=[x])
    return x.grad, [w.grad is None]


@scenario
def backward_inputs_non_leaf(L: Any) -> Any:
    x, w = leaves(L, (2,), (2,))
    y = x * w
    (y * 2).sum().backward(inputs=[y, w])
    return y.grad, w.grad, [x.grad is None]


@scenario
def backward_inputs_empty(L: Any) -> Any:
    (x,) = leaves(L, (2,))
    x.sum().backward(inputs=[])


@scenario
def backward_of_several(L: Any) -> Any:
    (x,) = leaves(L, (2,))
    y = x * 2
    L.autograd.backward([y.sum(), (y * y)], [None, L.ones(2, dtype=L.float64)])
    return x.grad


@scenario
def backward_wrong_gradient(L: Any) -> Any:
    (x,) = leaves(L, (2,))
    (x * 2).backward(L.ones(3, dtype=L.float64))


@scenario
def backward_not_scalar(L: Any) -> Any:
    (x,) = leaves(L, (2,))
    (x * 2).backward()


@scenario
def backward_twice(L: Any) -> Any:
    (x,) = leaves(L, (2,))
    y = x.exp().sum()
    y.backward()
    y.backward()


@scenario
def create_graph_accumulates_a_graph(L: Any) -> Any:
    (x,) = leaves(L, (2,))
    (g,) = L.autograd.grad((x**3).sum(), x, create_graph=True)
    (g**2).sum().backward()
    return g, x.grad, g.grad_fn is not None


@scenario
def third_derivative(L: Any) -> Any:
    (x,) = leaves(L, (3,))
    out = x.sin() * x.exp()
    for _ in range(3):
        (out,) = L.autograd.grad(out.sum(), x, create_graph=True)
    return out


@scenario
def item_cuts_only_itself(L: Any) -> Any:
    (x,) = leaves(L, (2,))
    loss = (x * x).sum()
    (loss + loss.item()).backward()
    return x.grad


@scenario
def modes_and_flags(L: Any) -> Any:
    (x,) = leaves(L, (2,))
    seen = []
    with L.no_grad():
        seen.append((x * 2).requires_grad)
        with L.enable_grad():
            seen.append((x * 2).requires_grad)
        seen.append(L.is_grad_enabled())
    with L.set_grad_enabled(False):
        seen.append((x * 2).requires_grad)
    with L.inference_mode():
        seen += [(x * 2).requires_grad, L.is_inference_mode_enabled()]
    L.set_grad_enabled(False)
    seen.append(L.is_grad_enabled())
    L.set_grad_enabled(True)

    @L.no_grad()
    def quiet() -> Any:
        return (x * 2).requires_grad

    @L.no_grad()
    def steps() -> Any:
        yield L.is_grad_enabled()
        yield L.is_grad_enabled()

    for inside in steps():
        seen += [inside, L.is_grad_enabled()]
    y = (x * 2).requires_grad_(True)
    return seen, quiet(), y.is_leaf, x.is_leaf, x.detach().is_leaf


@scenario
def requires_grad_of_integers(L: Any) -> Any:
    L.ones(2, dtype=L.int64).requires_grad_()


@scenario
def requires_grad_off_for_a_result(L: Any) -> Any:
    (x,) = leaves(L, (2,))
    (x * 2).requires_grad_(False)


@scenario
def assigned_grad(L: Any) -> Any:
    (x,) = leaves(L, (2,))
    x.grad = L.ones(2, dtype=L.float64)
    (x * 2).sum().backward()
    return x.grad


@scenario
def grad_of_wrong_shape(L: Any) -> Any:
    (x,) = leaves(L, (2,))
    x.grad = L.ones(3, dtype=L.float64)


@scenario
def walk_of_the_graph(L: Any) -> Any:
    x, w = leaves(L, (2, 3), (3, 2))
    loss = ((x.mm(w) + 1.0).tanh() ** 2).mean()
    names = []
    node = loss.grad_fn
    while node is not None:
        names.append(node.name().rsplit("::", 1)[-1])
        node = node.next_functions[0][0]
    return names, x.grad_fn, [n[1] for n in loss.grad_fn.next_functions]


@scenario
def saved_tensors_hooks(L: Any) -> Any:
    (x,) = leaves(L, (3,))
    log: list[str] = []

    def pack(t: Any) -> Any:
        log.append(f"pack {t.tolist()}")
        return t.detach() * 2

    def unpack(t: Any) -> Any:
        log.append("unpack")
        return t / 2

    with L.autograd.graph.saved_tensors_hooks(pack, unpack):
        y = x.exp()
    y.sum().backward()
    return [entry[:4] for entry in log], x.grad


@scenario
def functional(L: Any) -> Any:
    x, w = leaves(L, (3,), (3,))
    F = L.autograd.functional
    v = L.tensor([1.0, -2.0, 0.5], dtype=L.float64)

    def vector(a: Any) -> Any:
        return a.exp() * a.sum()

    def two(a: Any, b: Any) -> Any:
        return a * b, (a + b).sum()

    def scalar(a: Any, b: Any) -> Any:
        return (a**3 * b).sum()

    return [
        F.jacobian(vector, x), F.jacobian(two, (x, w)), F.hessian(lambda a: (a**3).prod(), x),
        F.hessian(scalar, (x, w)), F.vjp(vector, x, v), F.jvp(vector, x, v),
        F.vjp(scalar, (x, w)), F.jvp(two, (x, w), (v, v)), F.vhp(lambda a: (a**4).sum(), x, v),
        F.hvp(lambda a: (a**4).sum(), x, v), F.jacobian(lambda a: L.ones(2, dtype=L.float64), x),
    ]  # fmt: skip


@scenario
def derivatives_with_all_their_arguments(L: Any) -> Any:
    (x,) = leaves(L, (3,))
    F = L.autograd.functional
    cubes = lambda a: (a**3).sum()
    value, product = F.hvp(cubes, x, L.ones_like(x), True)
    return [
        F.jacobian(lambda a: a * a, x, False, False, True),
        F.vhp(cubes, x, L.ones_like(x), True, True),
        F.jacobian(lambda a: a * a, x, vectorize=True, strategy="reverse-mode"), value, product,
        F.hessian(cubes, x, vectorize=True), F.hessian(cubes, x, strict=True),
        product.requires_grad, F.vjp(cubes, x, strict=True), F.jvp(cubes, x, x, strict=True),
    ]  # fmt: skip


def _strict(name: str, function: Any, *rest: Any, **keywords: Any) -> Any:
    def run(L: Any) -> Any:
        (x,) = leaves(L, (3,))
        given = (x, x) if name in ("jvp", "vhp", "hvp") else (x,)
        return getattr(L.autograd.functional, name)(
            lambda a: function(L, a), *given, *rest, **keywords
        )

    run.__name__ = f"strict_{name}_{len(SCENARIOS)}"
    return scenario(run)


for _name in ("jacobian", "hessian", "vjp", "jvp", "vhp", "hvp"):
    _strict(_name, lambda L, a: L.ones(()), strict=True)
    _strict(_name, lambda L, a: L.ones((), requires_grad=True) * 2, strict=True)
_strict("jacobian", lambda L, a: a.sum(), strict=True, vectorize=True)


@scenario
def hessian_of_a_vector(L: Any) -> Any:
    (x,) = leaves(L, (3,))
    L.autograd.functional.hessian(lambda a: a * 2, x)


@scenario
def grad_of_the_old_arguments(L: Any) -> Any:
    x, y = leaves(L, (3,), (3,))
    loss = (x * x * y).sum()
    with pytest.warns(FutureWarning, match="only_inputs argument is deprecated"):
        ignored = L.autograd.grad(loss, x, retain_graph=True, only_inputs=False)
    named = L.autograd.grad(loss, {"x": x, "y": y}, None, True, False, True)
    return ignored, sorted(named), named["x"], named["y"], type(named) is dict


@pytest.mark.parametrize("function", SCENARIOS, ids=lambda f: f.__name__)
def test_same_as_torch(function: Callable[[Any], Any]) -> None:
    scenarios.same(scenarios.told(function, ad), scenarios.told(function, torch))
