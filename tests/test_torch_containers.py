"""Containers of modules and parameters: the same program in both libraries."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest
from module_programs import both, net, same_text, torch

import anadrome as ad

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:Lazy modules are a new")]


def test_printing() -> None:
    same_text(net)
    same_text(lambda L: L.nn.ModuleList([L.nn.Linear(2, 2), L.nn.Linear(2, 2), L.nn.ReLU()]))
    same_text(lambda L: L.nn.ModuleList([net(L), net(L), net(L)]))
    same_text(lambda L: L.nn.ModuleList())
    same_text(lambda L: L.nn.Module())
    same_text(lambda L: L.nn.ParameterList([L.ones(2, 3), 5, "a"]))
    same_text(lambda L: L.nn.ParameterDict({"b": L.ones(2), "a": L.nn.Parameter(L.ones(1))}))
    same_text(lambda L: L.nn.LazyLinear(3))
    same_text(lambda L: L.nn.LazyConv2d(3, 2))


# -- containers ----------------------------------------------------------------------------------
def names(m: Any) -> list[str]:
    return [type(x).__name__ for x in m]


def test_sequential() -> None:
    def program(L: Any) -> Any:
        nn = L.nn
        s = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Tanh())
        out = [names(s), names(s[1:]), names(s[::2]), len(s), type(s[-1]).__name__]
        s[1] = nn.GELU()
        s.append(nn.Sigmoid()).extend([nn.ReLU(), nn.ReLU()])
        s.insert(1, nn.Identity())
        out += [names(s), list(s.state_dict())]
        del s[0]
        del s[-2:]
        out += [names(s), [n for n, _ in s.named_children()], type(s.pop(0)).__name__, names(s)]
        out += [names(s + s), names(s * 2), names(2 * s)]
        s += nn.Sequential(nn.ELU())
        s *= 2
        out += [names(s), names(nn.Sequential(OrderedDict(a=nn.ReLU(), b=nn.ELU()))[:1])]
        return out

    both(program)


def test_module_list() -> None:
    def program(L: Any) -> Any:
        nn = L.nn
        m = nn.ModuleList([nn.ReLU(), nn.ELU()])
        m.append(nn.Tanh())
        m.extend(nn.ModuleList([nn.GELU()]))
        m.insert(0, nn.Identity())
        m[1] = nn.SiLU()
        out = [names(m), names(m[1:3]), names(reversed(m)), m[0] in m, len(m)]
        m += [nn.Linear(2, 2)]
        del m[0], m[1:3]
        out += [names(m), list(m.state_dict()), names(m + [nn.ReLU()]), type(m.pop(-1)).__name__]
        out += [names(m), names(m[:]), type(m[:]).__name__]
        return out

    both(program)


def test_module_dict() -> None:
    def program(L: Any) -> Any:
        nn = L.nn
        m = nn.ModuleDict({"b": nn.ReLU(), "a": nn.Linear(2, 2)})
        m["c"] = nn.ELU()
        m.update([("d", nn.GELU()), ["e", nn.Tanh()]])
        m.update(nn.ModuleDict({"a": nn.Identity()}))
        out = [list(m), list(m.keys()), names(m.values()), [k for k, _ in m.items()], "a" in m]
        del m["b"]
        out += [len(m), type(m.pop("c")).__name__, list(m), next(iter(m.named_children()))[0]]
        m.clear()
        return [*out, len(m), bool(m)]

    both(program)


def test_parameter_list() -> None:
    def program(L: Any) -> Any:
        p = L.nn.ParameterList([L.ones(2), L.nn.Parameter(L.zeros(1)), 7])
        p.append(L.zeros(3))
        p += [L.ones(4)]
        p[0] = L.ones(5)
        out = [len(p), list(p.state_dict()), [type(x).__name__ for x in p], p[2]]
        out += [[n for n, _ in p.named_parameters()], len(p[1:3]), type(p[1:3]).__name__]
        return [*out, p[-1].shape[0], sum(q.numel() for q in p.parameters())]

    both(program)


def test_parameter_dict() -> None:
    def program(L: Any) -> Any:
        p = L.nn.ParameterDict({"b": L.ones(2), "a": L.zeros(1)})
        p["c"] = L.nn.Parameter(L.ones(3))
        out = [list(p), list(p.state_dict()), [k for k, _ in p.items()], len(list(p.values()))]
        out += ["a" in p, p.get("z") is None, list(p.copy()), list(reversed(p))]
        p.update([("d", L.ones(1))])
        p.setdefault("e", L.ones(1))
        out += [list(p | L.nn.ParameterDict({"f": L.ones(1)})), list(p.fromkeys(["x", "y"], 3))]
        p |= {"g": L.ones(1)}
        out += [p.popitem()[0], list(p.keys()), p.pop("a").shape[0], list(p)]
        del p["b"]
        p.clear()
        return [*out, len(p)]

    both(program)


@pytest.mark.parametrize(
    "call",
    [
        lambda nn: nn.Sequential(nn.ReLU())[1],
        lambda nn: nn.ModuleList([nn.ReLU()])[-2],
        lambda nn: nn.ModuleList([3]),
        lambda nn: nn.ModuleList().extend(3),
        lambda nn: nn.Sequential(3),
        lambda nn: nn.Sequential(nn.ReLU()) * 0,
        lambda nn: nn.Sequential(nn.ReLU()) + 3,
        lambda nn: nn.Sequential().insert(0, 3),
        lambda nn: nn.ModuleDict({"a": 3}),
        lambda nn: nn.ModuleDict({"a.b": nn.ReLU()}),
        lambda nn: nn.ModuleDict().update(3),
        lambda nn: nn.ModuleDict({"items": nn.ReLU()}),
        lambda nn: nn.ParameterList([1])[3],
        lambda nn: nn.ParameterList(3),
        lambda nn: nn.ParameterList()(),
        lambda nn: nn.ParameterDict({"a": 1})(3),
        lambda nn: nn.ParameterDict({1: 1}),
        lambda nn: nn.ParameterDict([(1, 2, 3)]),
        lambda nn: nn.Module()(),
        lambda nn: nn.Module().other,
    ],
)
def test_refusals_of_containers(call: Any) -> None:
    kinds = (RuntimeError, TypeError, ValueError, IndexError, NotImplementedError, AttributeError,
             KeyError, AssertionError)  # fmt: skip
    caught = []
    for L in (ad, torch):
        with pytest.raises(kinds) as error:
            call(L.nn)
        caught.append(error)
    ours, theirs = (error.type for error in caught)
    assert theirs is AssertionError or issubclass(ours, theirs)
