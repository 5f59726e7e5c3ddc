"""Graphs of programs, their code and what they compute, beside PyTorch's."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from fx_programs import FUNCTIONS, PROGRAMS

import anadrome as ad

pytestmark = pytest.mark.torch


def both(make):
    """(namespace, module, inputs) of anadrome and of PyTorch, with the same weights."""
    import torch
    import torch.fx

    ours, theirs = make(ad), make(torch)
    state = {k: v.numpy() for k, v in theirs[0].state_dict().items()}
    ours[0].load_state_dict({k: ad.tensor(v) for k, v in state.items()})
    return (ad, *ours), (torch, *theirs)


def values(result):
    if isinstance(result, dict):
        return [v for part in result.values() for v in values(part)]
    if isinstance(result, (list, tuple)):
        return [v for part in result for v in values(part)]
    return [result.detach().numpy() if hasattr(result, "detach") else result]


def same(ours, theirs):
    for a, b in zip(values(ours), values(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_have_pytorchs_code_and_numbers(name):
    (a, ours, given), (t, theirs, theirs_given) = both(PROGRAMS[name])
    traced, reference = a.fx.symbolic_trace(ours), t.fx.symbolic_trace(theirs)
    assert traced.code == reference.code
    assert str(traced.graph) == str(reference.graph)
    assert str(traced) == str(reference)
    assert traced.print_readable(False) == reference.print_readable(False)
    assert list(traced.state_dict()) == list(reference.state_dict())
    traced.graph.lint()
    same(traced(*given), reference(*theirs_given))
    same(traced(*given), ours(*given))
    same(a.fx.Interpreter(traced).run(*given), traced(*given))
    again = a.fx.Transformer(traced).transform()
    assert again.code == t.fx.Transformer(reference).transform().code
    same(again(*given), ours(*given))
    for other in (copy.deepcopy(traced), copy.copy(traced), pickle.loads(pickle.dumps(traced))):
        assert other.code == traced.code
        assert list(other.state_dict()) == list(traced.state_dict())
        same(other(*given), traced(*given))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_have_pytorchs_code(name):
    import torch
    import torch.fx

    make = FUNCTIONS[name]
    traced = ad.fx.symbolic_trace(make(ad))
    assert traced.code == torch.fx.symbolic_trace(make(torch)).code


def typed(x, y: int = 3, z: float | None = None):
    return x if z is None else x * y


def test_arguments_that_are_not_traced():
    import torch
    import torch.fx

    for given in ({"z": None}, {"z": 2.0}, {"y": 2, "z": 1.5}):
        ours = ad.fx.symbolic_trace(typed, concrete_args=given)
        theirs = torch.fx.symbolic_trace(typed, concrete_args=given)
        assert ours.code == theirs.code
    traced = ad.fx.symbolic_trace(typed, concrete_args={"z": None})
    with pytest.raises(AssertionError, match="specialized to have value None"):
        traced(ad.ones(1), 2, 3.0)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda x: x if x > 0 else -x,
        lambda x: [-i for i in x],
        lambda x: len(x),
        lambda x: int(x),
        lambda x: {x: 1},
        lambda x: x + object(),
    ],
)
def test_what_cannot_be_traced(wrong):
    import torch
    import torch.fx

    with pytest.raises(Exception) as theirs:
        torch.fx.symbolic_trace(wrong)
    with pytest.raises(Exception) as ours:
        ad.fx.symbolic_trace(wrong)
    assert ours.type.__name__ == theirs.type.__name__


def test_conv_and_batch_norm_are_fused():
    """The tutorial's pass: weights of a batch norm go into the convolution before it."""

    def fuse(ns, module):
        traced = ns.fx.symbolic_trace(module)
        modules = dict(traced.named_modules())
        for node in traced.graph.nodes:
            before = node.args[0] if node.args else None
            if node.op != "call_module" or not isinstance(modules[node.target], ns.nn.BatchNorm2d):
                continue
            conv, bn = modules[before.target], modules[node.target]
            scale = bn.weight / ns.sqrt(bn.running_var + bn.eps)
            conv.weight = ns.nn.Parameter(conv.weight * scale.reshape(-1, 1, 1, 1))
            conv.bias = ns.nn.Parameter(bn.bias - bn.running_mean * scale)
            node.replace_all_uses_with(before)
            traced.graph.erase_node(node)
        traced.delete_all_unused_submodules()
        traced.graph.lint()
        traced.recompile()
        return traced

    (a, ours, given), (t, theirs, theirs_given) = both(PROGRAMS["residual"])
    expected = ours(*given)
    fused, reference = fuse(a, ours), fuse(t, theirs)
    assert fused.code == reference.code
    assert list(fused.state_dict()) == list(reference.state_dict())
    same(fused(*given), reference(*theirs_given))
    same(fused(*given), expected)


def changed(ns):
    """A graph changed in most of the ways there are; what it looks like after each."""
    seen = []
    traced = ns.fx.symbolic_trace(lambda x, y: ns.relu(x + y) * 2)
    graph = traced.graph
    relu = graph.find_nodes(op="call_function", target=ns.relu)[0]
    with graph.inserting_after(relu):
        new = graph.call_function(ns.sigmoid, args=(relu,))
    relu.replace_all_uses_with(new, delete_user_cb=lambda user: user is not new)
    seen.append(str(graph))
    with graph.inserting_before(new):
        dead = graph.call_method("tanh", (relu,))
        graph.create_node("call_function", ns.cat, ([relu, dead],), {"dim": 0}, name="joined")
    seen.append(str(graph))
    seen.append(str(graph.eliminate_dead_code()) + str(graph))
    add = next(iter(graph.nodes)).next.next
    add.update_arg(1, 5)
    add.insert_arg(0, add.args[0])
    add.args = add.args[1:]
    seen.append(f"{add.args} {add.kwargs} {add.users} {add.all_input_nodes}\n{graph}")
    mul = graph.output_node().prev
    new.append(add) if False else mul.prepend(new)
    graph.lint()
    seen.append(traced.recompile().src)
    copied = ns.fx.Graph()
    values = {}
    result = copied.graph_copy(graph, values)
    copied.output((result, ns.fx.Proxy(values[add]).neg().node))
    copied.lint()
    seen.append(str(copied))
    return seen


def test_graphs_are_changed_as_in_pytorch():
    import torch
    import torch.fx

    for ours, theirs in zip(changed(ad), changed(torch), strict=True):
        assert ours == theirs


def test_what_a_graph_refuses():
    graph = ad.fx.Graph()
    x = graph.placeholder("x")
    relu = graph.call_function(ad.relu, (x,))
    with pytest.raises(RuntimeError, match="still had 1 users in the graph"):
        graph.erase_node(x)
    with pytest.raises(NotImplementedError, match="does not support mutation"):
        graph.call_function(ad.cat, ([x],)).args[0].append(x)
    relu.append(x)
    with pytest.raises(RuntimeError, match="used before it has been defined"):
        graph.lint()
    with pytest.raises(RuntimeError, match="was not provided in"):
        other = ad.fx.Graph()
        other.output(other.call_module("layer"))
        ad.fx.GraphModule({}, other)


def test_patterns_are_replaced():
    import torch
    import torch.fx

    def replaced(ns):
        traced = ns.fx.symbolic_trace(lambda x, w: ns.relu(x * w + 1).sum() + (w * x + 1))
        found = ns.fx.replace_pattern(
            traced, lambda a, b: a * b + 1, lambda a, b: ns.addcmul(ns.ones_like(a), a, b)
        )
        return traced, found

    (ours, found), (theirs, their_found) = replaced(ad), replaced(torch)
    assert len(found) == len(their_found) == 2
    given = np.arange(3.0), np.ones(3)
    same(ours(*map(ad.tensor, given)), theirs(*map(torch.tensor, given)))
    assert [n.target.__name__ for n in ours.graph.find_nodes(op="call_function")].count("add") == 1


def test_an_interpreter_sees_each_node():
    (a, ours, given), (t, theirs, theirs_given) = both(PROGRAMS["transformer"])

    def profile(ns, module, given):
        seen = []

        class Profiler(ns.fx.Interpreter):
            def run_node(self, n):
                out = super().run_node(n)
                seen.append((n.op, n.name, tuple(getattr(out, "shape", ()))))
                return out

        Profiler(ns.fx.symbolic_trace(module)).run(*given)
        return seen

    assert profile(a, ours, given) == profile(t, theirs, theirs_given)


def test_a_transformer_replaces_a_function():
    import torch
    import torch.fx

    def transformed(ns):
        class Smooth(ns.fx.Transformer):
            def call_function(self, target, args, kwargs):
                if target is ns.relu:
                    return ns.sigmoid(args[0]).neg()
                return super().call_function(target, args, kwargs)

        return Smooth(ns.fx.symbolic_trace(lambda x: ns.relu(x + 1) * 2)).transform()

    assert transformed(ad).code == transformed(torch).code


def test_shapes_are_noted():
    from anadrome.fx.passes.shape_prop import ShapeProp

    (a, ours, given), (t, theirs, theirs_given) = both(PROGRAMS["transformer"])
    from torch.fx.passes.shape_prop import ShapeProp as Reference

    def noted(ns, module, kind, given):
        traced = ns.fx.symbolic_trace(module)
        kind(traced).propagate(*given)
        found = ((n.name, n.meta.get("tensor_meta")) for n in traced.graph.nodes)
        return [(name, tuple(m.shape), m.stride) for name, m in found if hasattr(m, "shape")]

    ours_noted = noted(a, ours, ShapeProp, given)
    theirs_noted = noted(t, theirs, Reference, theirs_given)
    assert [n[:2] for n in ours_noted] == [n[:2] for n in theirs_noted]


def test_einsum_of_a_list_is_recorded_as_of_each():
    import torch
    import torch.fx

    def recorded(ns):
        traced = ns.fx.symbolic_trace(lambda x, y: ns.einsum("ij,jk->ik", (x, y)))
        node = traced.graph.output_node().args[0]
        return str(node.args), traced(ns.ones(2, 3), ns.ones(3, 4))

    (ours, result), (theirs, reference) = recorded(ad), recorded(torch)
    assert ours == theirs
    same(result, reference)
