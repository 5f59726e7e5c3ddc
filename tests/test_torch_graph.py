"""`autograd.graph`, registration hooks and their kin, compared with PyTorch."""

from __future__ import annotations

import pytest

import anadrome as ad

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


def same(program):
    """The program's plain values are equal in both libraries."""
    ours, theirs = program(ad), program(torch)
    assert ours == theirs
    return ours


def values(grads):
    return [None if g is None else g.tolist() for g in grads]


@pytest.mark.parametrize("mode", ["all", "any"])
def test_a_hook_for_several_gradients(mode):
    def program(L):
        graph = L.autograd.graph
        seen = []
        a, b, c = (L.tensor([v], requires_grad=True) for v in (2.0, 3.0, 5.0))
        note = seen.append if mode == "any" else lambda grads: seen.append(values(grads))
        handle = graph.register_multi_grad_hook((a, b, c), note, mode=mode)
        (a * b).sum().backward()
        (a * b * c).sum().backward()
        (a * 2).sum().backward(inputs=[a])
        x = a * b
        other = graph.register_multi_grad_hook((x, c), note, mode=mode)
        (x * c).sum().backward()
        other.remove()
        handle.remove()
        (b * c).sum().backward()
        return len(seen), [s if isinstance(s, list) else s.shape == (1,) for s in seen]

    assert same(program)[0] == 5


def test_that_hook_beside_autograd_grad():
    """PyTorch refuses leaves there; here they are seen as in any backward."""
    seen = []
    a, b, c = (ad.tensor([v], requires_grad=True) for v in (2.0, 3.0, 5.0))
    with ad.autograd.graph.register_multi_grad_hook((a, b, c), lambda g: seen.append(values(g))):
        ad.autograd.grad((a * b * c).sum(), [b, c])
    assert seen == [[None, [10.0], [6.0]]]


def test_a_wrong_mode_of_that_hook():
    for L in (ad, torch):
        with pytest.raises(ValueError, match="Expects mode to be one of"):
            L.autograd.graph.register_multi_grad_hook((), print, mode="some")


def test_without_hooks_a_backward_is_told_to_nobody():
    from anadrome.autograd import entry

    x = ad.tensor(2.0, requires_grad=True)
    with ad.autograd.graph.register_multi_grad_hook((x,), lambda grads: None):
        assert entry.starting is not None
    assert entry.starting is None


def test_gradient_edges():
    def program(L):
        x = L.tensor([2.0, 3.0], requires_grad=True)
        y = x * x
        edges = [L.autograd.graph.get_gradient_edge(t) for t in (x, y)]
        out = (y * 3).sum()
        found = L.autograd.grad(out, edges)
        with pytest.raises(RuntimeError, match="does not require gradients"):
            L.autograd.graph.get_gradient_edge(L.ones(1))
        return values(found), [e.node.name().rpartition("::")[2] for e in edges], edges[1].output_nr

    same(program)


def test_saved_values_may_be_written_where_that_is_allowed():
    def program(L):
        x = L.tensor([2.0, 3.0], requires_grad=True, dtype=L.float64)
        with L.autograd.graph.allow_mutation_on_saved_tensors():
            y = x * 1
            out = (y * y).sum()
            first = y.exp()
            y.mul_(5)
            y[0] = 7
            out = out + (y.square() * first).sum()
            out.backward()
            again = L.autograd.graph.allow_mutation_on_saved_tensors()
            with pytest.raises(RuntimeError, match="contexts cannot be nested"):
                again.__enter__()
        return [round(v, 4) for v in x.grad.tolist()]

    same(program)


def test_without_it_the_write_is_noticed():
    x = ad.tensor([2.0], requires_grad=True)
    y = x * 1
    out = y * y
    y.zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()


def test_hooks_of_saved_values_can_be_forbidden():
    def program(L):
        graph = L.autograd.graph
        refused = pytest.raises(RuntimeError, match="not here")
        with graph.disable_saved_tensors_hooks("not here"), refused:
            graph.saved_tensors_hooks(lambda x: x, lambda x: x).__enter__()
        with graph.saved_tensors_hooks(lambda x: x, lambda x: x):
            return (L.ones(1, requires_grad=True) * 2).tolist()

    same(program)


def test_a_write_made_outside_is_counted():
    def program(L):
        x = L.tensor([2.0], requires_grad=True)
        y = x * 1
        before = y._version
        out = y * y
        L.autograd.graph.increment_version(y)
        L.autograd.graph.increment_version([y])
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            out.sum().backward()
        return y._version - before

    assert same(program) == 2


def test_multithreading_can_be_set():
    for L in (ad, torch):
        x = L.ones(1, requires_grad=True)
        with L.autograd.set_multithreading_enabled(False):
            x.sum().backward()
        assert x.grad.tolist() == [1.0]


def test_hooks_of_what_modules_are_given():
    def program(L):
        from importlib import import_module

        place = import_module(f"{L.__name__}.nn.modules.module")
        seen = []

        def noted(kind):
            return lambda module, name, value: seen.append((kind, type(module).__name__, name))

        def doubled(module, name, value):
            return L.nn.Parameter(value * 2)

        handles = [
            place.register_module_parameter_registration_hook(noted("parameter")),
            place.register_module_parameter_registration_hook(doubled),
            place.register_module_buffer_registration_hook(noted("buffer")),
            place.register_module_module_registration_hook(noted("module")),
        ]
        try:
            inner = L.nn.BatchNorm1d(2)
            model = L.nn.Sequential(inner)
            model.more = L.nn.Linear(1, 1, bias=False)
            model.add_module("last", L.nn.Identity())
            model.register_buffer("b", L.ones(1))
        finally:
            for handle in handles:
                handle.remove()
        model.after = L.nn.Identity()
        return seen, inner.weight.tolist()

    assert same(program)[1] == [1.0, 1.0]  # doubled, then set to ones


def test_the_older_hook_of_every_module():
    from anadrome.nn.modules.module import register_module_backward_hook

    seen = []
    with register_module_backward_hook(lambda module, before, after: seen.append(module)):
        layer = ad.nn.Linear(1, 1)
        layer(ad.ones(1, 1, requires_grad=True)).sum().backward()
    assert seen == [layer]


def test_what_a_node_saved_is_found_by_pytorchs_names():
    def program(L):
        a = L.tensor([1.0, 2.0], requires_grad=True)
        b = L.tensor([3.0, 4.0], requires_grad=True)
        product, power, e = a * b, a**2, (a * b).exp()
        hooks = L.autograd.graph.saved_tensors_hooks(lambda x: x + 1, lambda x: x - 1)
        with hooks:
            packed = a * b
        seen = [
            product.grad_fn._saved_self is a,
            product.grad_fn._saved_other is b,
            power.grad_fn._saved_self is a,
            power.grad_fn._saved_exponent,
            (a * 2).grad_fn._saved_self,
            (a * 2).grad_fn._saved_other.item(),
            e.grad_fn._saved_result is e,
            e.grad_fn._saved_result.tolist(),
            e.grad_fn._saved_result.grad_fn is e.grad_fn,
            packed.grad_fn._saved_self.tolist(),
            packed.grad_fn._saved_self.is_leaf,
            packed.grad_fn._saved_self.requires_grad,
            [n for n in dir(a.sin().grad_fn) if n.startswith("_saved")],
            hasattr(product.grad_fn, "_saved_of_no_name"),
            hasattr(product.grad_fn, "variable"),
        ]
        e.sum().backward()
        with pytest.raises(RuntimeError, match="backward through the graph a second time"):
            e.grad_fn._saved_result  # noqa: B018
        return seen

    same(program)


STARTS = {
    "a gradient": lambda G, x, edge, g: G.grad(edge, x, g),
    "in a list": lambda G, x, edge, g: G.grad([edge], [x], [g]),
    "of several": lambda G, x, edge, g: G.grad([edge, x * 3], x, [g, g]),
    "none for several values": lambda G, x, edge, g: G.grad(edge, x),
    "of another shape": lambda G, x, edge, g: G.grad(edge, x, g[:2]),
    "to be differentiated": lambda G, x, edge, g: G.grad(
        G.grad(edge, x, g, create_graph=True)[0].sum(), x
    ),
    "in a batch": lambda G, x, edge, g: G.grad(
        edge, x, g * g[:, None], is_grads_batched=True
    ),
    "to another edge": lambda G, x, edge, g: G.grad(edge, G.graph.get_gradient_edge(x), g),
    "backward": lambda G, x, edge, g: [G.backward(edge, g), x.grad][1:],
    "backward of several": lambda G, x, edge, g: [
        G.backward([edge, x.sum()], [g, None]), x.grad
    ][1:],
    "into an edge": lambda G, x, edge, g: [
        G.backward((x * x).sum(), inputs=[G.graph.get_gradient_edge(x)]), x.grad
    ][1:],
    "zeros in the place of none": lambda G, x, edge, g: G.grad(
        x.sum(), [edge, x], materialize_grads=True
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", STARTS)
def test_a_backward_starts_from_an_edge(name):
    torch = pytest.importorskip("torch")

    def seen(L):
        x = L.tensor([1.0, 2.0, 3.0], requires_grad=True)
        edge = L.autograd.graph.get_gradient_edge(x**3)  # of which nothing else is left
        try:
            found = STARTS[name](L.autograd, x, edge, L.tensor([1.0, -1.0, 2.0]))
        except RuntimeError as error:
            return str(error)[:30]
        return [g.tolist() for g in found]

    assert seen(ad) == seen(torch)
