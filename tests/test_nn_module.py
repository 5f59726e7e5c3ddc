"""Module: attributes, trees, hooks, state dictionaries, copies; PyTorch is the oracle."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
from nn_twin import host

import anadrome as ad
from anadrome import nn


def make(fw: Any) -> Any:
    """A model of both frameworks with all kinds of members; the class is made anew a framework."""

    class Block(fw.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = fw.nn.Linear(3, 3)
            self.scale = fw.nn.Parameter(fw.ones(3))
            self.register_buffer("seen", fw.zeros(1))
            self.register_buffer("scratch", fw.zeros(2), persistent=False)
            self.register_parameter("missing", None)
            self.register_buffer("absent", None)

        def forward(self, x: Any) -> Any:
            return self.inner(x) * self.scale

    class Model(fw.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = Block()
            self.stack = fw.nn.Sequential(fw.nn.Linear(3, 2), fw.nn.ReLU())
            self.several = fw.nn.ModuleList([fw.nn.Linear(2, 2), fw.nn.Linear(2, 2)])
            self.by_name = fw.nn.ModuleDict({"a": fw.nn.Identity(), "b": fw.nn.BatchNorm1d(2)})
            self.tied = self.several[0]
            self.note = "text"

        def forward(self, x: Any) -> Any:
            return self.by_name["b"](self.several[1](self.stack(self.first(x))))

    return Model()


class Small(nn.Module):
    """At the top of the module, so that it can be pickled."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 3)
        self.register_buffer("count", ad.tensor([4, 5]))
        self.note = {"a": [1, 2]}

    def forward(self, x: Any) -> Any:
        return self.layer(x)


# -- the tree -----------------------------------------------------------------------------------
@pytest.mark.torch
def test_names_and_order_are_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    mine, theirs = make(ad), make(torch)
    for how in ("parameters", "buffers", "modules"):
        for keywords in ({}, {"remove_duplicate": False}, {"prefix": "p"}):
            a = [n for n, _ in getattr(mine, f"named_{how}")(**keywords)]
            assert a == [n for n, _ in getattr(theirs, f"named_{how}")(**keywords)]
    assert [n for n, _ in mine.named_children()] == [n for n, _ in theirs.named_children()]
    for recurse in (True, False):
        assert len(list(mine.parameters(recurse))) == len(list(theirs.parameters(recurse)))
        assert len(list(mine.buffers(recurse))) == len(list(theirs.buffers(recurse)))
    assert list(mine.state_dict()) == list(theirs.state_dict())
    assert list(mine.state_dict(prefix="x.")) == list(theirs.state_dict(prefix="x."))
    assert repr(mine) == repr(theirs)
    own = {n for n in dir(mine) if not n.startswith("_")}
    assert own >= {n for n in dir(theirs) if n in ("first", "stack", "note", "training", "tied")}
    assert not any(n.isdigit() for n in dir(mine.stack))


def test_members_by_dotted_name() -> None:
    model = make(ad)
    assert model.get_submodule("first.inner") is model.first.inner
    assert model.get_submodule("") is model
    assert model.get_parameter("stack.0.bias") is model.stack[0].bias
    assert model.get_buffer("first.seen") is model.first.seen
    for call, text in (
        (lambda: model.get_submodule("first.nothing"), "Block has no attribute `nothing`"),
        (lambda: model.get_submodule("note"), "`note` is not an nn.Module"),
        (lambda: model.get_parameter("first.seen"), "`seen` is not an nn.Parameter"),
        (lambda: model.get_parameter("first.nothing"), "Block has no attribute `nothing`"),
        (lambda: model.get_buffer("first.scale"), "`scale` is not a buffer"),
        (lambda: model.set_submodule("new.x", nn.ReLU()), "Model has no attribute `new`"),
        (lambda: model.set_submodule("new", nn.ReLU(), strict=True), "Model has no attribute"),
        (lambda: model.set_submodule("note", nn.ReLU()), "`note` is not an nn.Module"),
    ):
        with pytest.raises(AttributeError, match=text):
            call()
    relu = nn.ReLU()
    model.set_submodule("first.inner", relu)
    assert model.first.inner is relu
    with pytest.raises(ValueError, match="Cannot set the submodule without a target name"):
        model.set_submodule("", relu)
    with pytest.raises(ValueError, match="`module` is not an nn.Module"):
        model.set_submodule("first.inner", 3)


def test_apply_train_and_requires_grad() -> None:
    model = make(ad)
    seen: list[str] = []
    assert model.apply(lambda m: seen.append(type(m).__name__)) is model
    assert seen[:2] == ["Linear", "Block"]
    assert seen[-1] == "Model"
    assert model.eval() is model
    assert not any(m.training for m in model.modules())
    model.train()
    assert all(m.training for m in model.modules())
    with pytest.raises(ValueError, match="^training mode is expected to be boolean"):
        model.train(1)
    model.requires_grad_(False)
    assert not any(p.requires_grad for p in model.parameters())
    model.first.requires_grad_()
    assert model.first.scale.requires_grad


# -- attributes ---------------------------------------------------------------------------------
def test_what_is_assigned_decides_where_it_is_kept() -> None:
    m = nn.Module()
    m.a = nn.Parameter(ad.zeros(1))
    m.b = nn.ReLU()
    m.register_buffer("c", ad.zeros(2))
    m.d = ad.zeros(3)
    m.e = nn.Buffer(ad.zeros(1), persistent=False)
    assert list(m._parameters) == ["a"]
    assert list(m._modules) == ["b"]
    assert list(m._buffers) == ["c", "e"]
    assert list(m.state_dict()) == ["a", "c"]
    assert "d" in m.__dict__
    m.c = ad.ones(2)
    assert m._buffers["c"] is m.c
    m.c = None
    assert list(m.state_dict()) == ["a"]
    m.b = nn.Parameter(ad.zeros(1))  # a parameter takes the module's place
    assert list(m._parameters) == ["a", "b"]
    assert not m._modules
    m.d = nn.Parameter(ad.zeros(1))
    assert "d" not in m.__dict__
    m.a = None
    assert m.a is None
    assert "a" in m._parameters
    del m.a, m.c
    with pytest.raises(AttributeError, match="^'Module' object has no attribute 'a'$"):
        _ = m.a
    with pytest.raises(AttributeError):
        del m.a


class Early(nn.Module):
    """Assigns before the base is initialised."""

    def __init__(self, value: Any) -> None:
        self.value = value
        super().__init__()


@pytest.mark.parametrize(
    "value, text",
    [
        (nn.Parameter(ad.zeros(1)), r"^cannot assign parameters before Module.__init__\(\) call"),
        (nn.ReLU(), r"^cannot assign module before Module.__init__\(\) call"),
        (nn.Buffer(ad.zeros(1)), r"^cannot assign buffer before Module.__init__\(\) call"),
    ],
)
def test_assignment_before_init(value: Any, text: str) -> None:
    with pytest.raises(AttributeError, match=text) as caught:
        Early(value)
    assert "super().__init__()" in str(caught.value)
    assert Early(3).training


class Forgetful(nn.Module):
    def __init__(self) -> None:
        pass


def test_a_missing_super_init_is_named() -> None:
    with pytest.raises(AttributeError, match=r"did __init__ call super\(\).__init__\(\) first"):
        _ = Forgetful().weight
    with pytest.raises(AttributeError, match="cannot assign parameter before"):
        Forgetful().register_parameter("w", None)
    with pytest.raises(AttributeError, match="cannot assign buffer before"):
        Forgetful().register_buffer("w", None)


def _set(name: str, value: Any) -> Any:
    return lambda m: setattr(m, name, value)


@pytest.mark.parametrize(
    "do, error, text",
    [
        (_set("weight", ad.zeros(1)), TypeError,
         r"^cannot assign 'anadrome.Tensor' as parameter 'weight' \(anadrome.nn.Parameter or None "
         r"expected\); wrap it in anadrome.nn.Parameter"),
        (_set("weight", 3), TypeError, "^cannot assign 'int' as parameter 'weight'"),
        (_set("weight", nn.ReLU()), TypeError, "ReLU' as parameter 'weight'"),
        (_set("child", 3), TypeError,
         r"^cannot assign 'int' as child module 'child' \(anadrome.nn.Module or None expected\)"),
        (_set("kept", 3), TypeError,
         r"^cannot assign 'int' as buffer 'kept' \(anadrome.nn.Buffer, anadrome.Tensor or None"),
        (lambda m: m.register_parameter("p", ad.zeros(1)), TypeError,
         "^cannot assign 'anadrome.Tensor' object to parameter 'p'"),
        (lambda m: m.register_parameter("a.b", None), KeyError,
         'parameter name can\'t contain "."'),
        (lambda m: m.register_parameter("", None), KeyError, "can't be empty string"),
        (lambda m: m.register_parameter("forward", None), KeyError,
         "attribute 'forward' already exists"),
        (lambda m: m.register_parameter(3, None), TypeError, "name should be a string. Got int"),
        (lambda m: m.register_buffer("b", 3), TypeError, "^cannot assign 'int' object to buffer"),
        (lambda m: m.register_buffer("training", None), KeyError, "already exists"),
        (lambda m: m.add_module("x", 3), TypeError, "^int is not a Module subclass"),
        (lambda m: m.add_module("a.b", None), KeyError, 'module name can\'t contain ".", got: a.b'),
        (lambda m: m.nothing, AttributeError, "^'Linear' object has no attribute 'nothing'$"),
        (lambda m: nn.Module()(1), NotImplementedError,
         r'^Module \[Module\] is missing the required "forward" function'),
        (lambda m: nn.Module(a=1), TypeError,
         r"^Module.__init__\(\) got an unexpected keyword argument 'a'"),
        (lambda m: nn.Module(1), TypeError,
         r"^Module.__init__\(\) takes 1 positional argument but 2 were given"),
        (lambda m: nn.Parameter(ad.zeros(2).long()), RuntimeError,
         "^Only Tensors of floating point and complex dtype can require gradients"),
        (lambda m: nn.Parameter(3.0), TypeError, r"^Parameter\(\) takes a Tensor, not float"),
        (lambda m: m.to(ad.int64), TypeError,
         "^nn.Module.to only accepts floating point or complex dtypes, but got desired dtype="),
    ],
)  # fmt: skip
def test_misuse(do: Any, error: type[Exception], text: str) -> None:
    m = nn.Linear(2, 2)
    m.child = nn.ReLU()
    m.register_buffer("kept", ad.zeros(1))
    with pytest.raises(error, match=text):
        do(m)


def test_a_parameter_must_be_a_leaf() -> None:
    computed = nn.Parameter(ad.ones(2))
    computed._edge = (ad.ones(2, requires_grad=True) * 2)._edge
    with pytest.raises(ValueError, match="^Cannot assign non-leaf Tensor to parameter 'w'"):
        nn.Module().register_parameter("w", computed)


def test_parameter() -> None:
    data = ad.zeros(2)
    p = nn.Parameter(data)
    assert isinstance(p, ad.Tensor)
    assert p.requires_grad and p.is_leaf
    assert repr(p) == "Parameter containing:\ntensor([0., 0.], requires_grad=True)"
    assert repr(nn.Parameter(data, requires_grad=False)) == (
        "Parameter containing:\ntensor([0., 0.])"
    )
    data.fill_(3.0)
    assert p.tolist() == [3.0, 3.0]  # the memory is shared
    assert type(p * 2) is ad.Tensor
    assert type(p.detach()) is ad.Tensor
    assert nn.Parameter().numel() == 0
    twice = nn.Parameter(ad.ones(2, requires_grad=True) * 2)
    assert twice.is_leaf


# -- hooks --------------------------------------------------------------------------------------
def hooked(fw: Any) -> list[Any]:
    """What happens, in order, when a module with every kind of hook is used."""
    seen: list[Any] = []

    class Two(fw.nn.Module):
        def forward(self, x: Any, factor: Any = 1.0) -> Any:
            seen.append("forward")
            return x * 2.0 * factor, x + 1.0

    m = Two()

    def note(name: str, result: Any = None) -> Any:
        def hook(module: Any, *args: Any) -> Any:
            assert module is m
            seen.append((name, *(_shape(a) for a in args)))
            return result

        return hook

    m.register_forward_pre_hook(note("pre"))
    m.register_forward_pre_hook(note("pre first"), prepend=True)
    m.register_forward_pre_hook(note("pre kwargs"), with_kwargs=True)
    m.register_forward_hook(note("after"))
    m.register_forward_hook(note("after kwargs"), with_kwargs=True)
    m.register_forward_hook(note("after first"), prepend=True)
    m.register_full_backward_hook(note("backward"))
    m.register_full_backward_hook(note("backward first"), prepend=True)
    m.register_full_backward_pre_hook(note("backward pre"))
    removed = m.register_forward_hook(note("removed"))
    removed.remove()
    removed.remove()
    x = fw.ones(3, requires_grad=True)
    a, b = m(x, factor=3.0)
    (a.sum() + b.sum() * 2.0).backward()
    seen.append(x.grad.tolist())
    return seen


def _shape(a: Any) -> Any:
    if isinstance(a, tuple):
        return tuple(_shape(x) for x in a)
    if isinstance(a, dict):
        return {k: _shape(v) for k, v in a.items()}
    return a.tolist() if hasattr(a, "tolist") else a


@pytest.mark.torch
def test_hooks_run_in_pytorchs_order_on_pytorchs_values() -> None:
    torch = pytest.importorskip("torch")
    assert hooked(ad) == hooked(torch)


def changing(fw: Any) -> list[Any]:
    """Hooks that return something else."""
    m = fw.nn.Identity()
    x = fw.ones(2, requires_grad=True)
    m.register_forward_pre_hook(lambda m, args: args[0] * 3.0)
    m.register_forward_hook(lambda m, args, out: out + 1.0)
    m.register_full_backward_pre_hook(lambda m, grads: (grads[0] * 5.0,))
    m.register_full_backward_hook(lambda m, gi, go: (gi[0] * 7.0,))
    out = m(x)
    out.sum().backward()
    kwargs = fw.nn.Identity()
    kwargs.register_forward_pre_hook(
        lambda m, args, kw: ((kw["input"] * 2.0,), {}), with_kwargs=True
    )
    return [out.tolist(), x.grad.tolist(), kwargs(input=fw.ones(1)).tolist()]


@pytest.mark.torch
def test_hooks_change_values_and_gradients() -> None:
    torch = pytest.importorskip("torch")
    assert changing(ad) == changing(torch) == [[4.0, 4.0], [105.0, 105.0], [2.0]]


def test_a_module_without_hooks_goes_straight_to_forward() -> None:
    m = nn.Identity()
    assert not m._hooked
    handle = m.register_forward_hook(lambda *a: None)
    assert m._hooked
    assert not nn.Identity()._hooked
    handle.remove()
    assert m(3) == 3


def test_always_called_hooks_run_when_forward_raises() -> None:
    class Broken(nn.Module):
        def forward(self) -> None:
            raise ZeroDivisionError("forward")

    m = Broken()
    seen: list[str] = []
    m.register_forward_hook(lambda *a: seen.append("plain"))
    m.register_forward_hook(lambda *a: seen.append("always"), always_call=True)
    with pytest.raises(ZeroDivisionError, match="forward"):
        m()
    assert seen == ["always"]

    def broken(*args: Any) -> None:
        raise ValueError("hook")

    m.register_forward_hook(broken, always_call=True)
    with pytest.warns(UserWarning, match="silenced"), pytest.raises(ZeroDivisionError):
        m()


def test_hooks_that_return_the_wrong_thing() -> None:
    m = nn.Identity()
    m.register_forward_pre_hook(lambda m, a, k: 3, with_kwargs=True)
    with pytest.raises(RuntimeError, match=r"forward pre-hook must return None or a tuple of"):
        m(1)
    for register, text in (
        ("register_full_backward_hook", "Backward hook returned an invalid number of grad_input"),
        ("register_full_backward_pre_hook", "Backward pre hook returned an invalid number"),
    ):
        m = nn.Identity()
        getattr(m, register)(lambda *a: (None, None))
        with pytest.raises(RuntimeError, match=text):
            m(ad.ones(1, requires_grad=True)).sum().backward()


def test_backward_hook_where_no_input_has_a_gradient() -> None:
    m = nn.Linear(2, 1)
    seen: list[Any] = []
    m.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go[0].tolist())))
    m(ad.ones(1, 2)).sum().backward()
    assert seen == [((None,), [[1.0]])]


def test_hooks_of_every_module() -> None:
    from anadrome.nn.modules import hooks

    seen: list[str] = []
    handles = [
        hooks.register_module_forward_pre_hook(lambda m, a: seen.append(f"pre {type(m).__name__}")),
        hooks.register_module_forward_hook(lambda m, a, o: seen.append(type(m).__name__)),
        hooks.register_module_full_backward_hook(
            lambda m, gi, go: seen.append(f"back {type(m).__name__}")
        ),
    ]
    try:
        nn.Sequential(nn.Linear(2, 2), nn.ReLU())(ad.ones(1, 2, requires_grad=True)).sum().backward()
    finally:
        for handle in handles:
            handle.remove()
        nn.Module._hooked = False
    assert seen == [
        "pre Sequential", "pre Linear", "Linear", "pre ReLU", "ReLU", "Sequential",
        "back ReLU", "back Linear", "back Sequential",
    ]  # fmt: skip
    nn.ReLU()(ad.ones(1))
    assert len(seen) == 9


# -- state --------------------------------------------------------------------------------------
@pytest.mark.torch
def test_state_dict_goes_to_pytorch_and_back() -> None:
    torch = pytest.importorskip("torch")
    mine, theirs = make(ad), make(torch)
    theirs.load_state_dict({k: torch.tensor(host(v)) for k, v in mine.state_dict().items()})
    other = make(ad)
    loaded = other.load_state_dict(
        {k: ad.tensor(v.numpy()) for k, v in theirs.state_dict().items()}
    )
    assert repr(loaded) == "<All keys matched successfully>"
    x = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    np.testing.assert_allclose(
        host(other(ad.tensor(x))), theirs(torch.tensor(x)).detach().numpy(), rtol=1e-4, atol=1e-5
    )
    assert mine.state_dict()._metadata == theirs.state_dict()._metadata


def test_state_dict_shares_memory_outside_the_graph() -> None:
    m = nn.Linear(2, 2)
    state = m.state_dict()
    assert not state["weight"].requires_grad
    state["weight"].fill_(7.0)
    assert m.weight.tolist() == [[7.0, 7.0], [7.0, 7.0]]
    assert m.state_dict(keep_vars=True)["weight"] is m.weight


def test_load_state_dict_reports_everything_at_once() -> None:
    m = nn.Linear(2, 3)
    with pytest.raises(RuntimeError) as caught:
        m.load_state_dict({"weight": ad.zeros(2, 2), "x": ad.zeros(1), "deep.y": ad.zeros(1)})
    assert str(caught.value) == (
        "Error(s) in loading state_dict for Linear:\n"
        '\tMissing key(s) in state_dict: "bias". \n'
        '\tUnexpected key(s) in state_dict: "x", "deep.y". \n'
        "\tsize mismatch for weight: copying a param with shape anadrome.Size([2, 2]) from "
        "checkpoint, the shape in current model is anadrome.Size([3, 2])."
    )
    with pytest.raises(RuntimeError, match=r"expected anadrome.Tensor or Tensor-like object from"):
        m.load_state_dict({"weight": 3, "bias": ad.zeros(3)})
    with pytest.raises(TypeError, match="^Expected state_dict to be dict-like, got <class 'int'>"):
        m.load_state_dict(3)
    result = m.load_state_dict({"bias": ad.ones(3), "x": ad.zeros(1)}, strict=False)
    assert result.missing_keys == ["weight"]
    assert result.unexpected_keys == ["x"]
    assert repr(result) == "_IncompatibleKeys(missing_keys=['weight'], unexpected_keys=['x'])"
    assert m.bias.tolist() == [1.0] * 3


def test_load_state_dict_copies_or_assigns() -> None:
    m = nn.Linear(2, 1)
    weight = m.weight
    given = {"weight": ad.ones(1, 2, dtype=ad.float64), "bias": nn.Parameter(ad.ones(1))}
    m.load_state_dict(given)
    assert m.weight is weight
    assert weight.dtype is ad.float32
    m.load_state_dict(given, assign=True)
    assert m.weight.dtype is ad.float64
    assert isinstance(m.weight, nn.Parameter) and m.weight.requires_grad
    assert m.bias is given["bias"]


def test_state_dict_hooks() -> None:
    m = nn.Sequential(nn.Linear(1, 1))
    seen: list[Any] = []
    m.register_state_dict_pre_hook(lambda m, prefix, keep: seen.append(("pre", prefix, keep)))
    m.register_state_dict_post_hook(lambda m, state, prefix, meta: state.update(extra=ad.ones(1)))
    m.register_load_state_dict_pre_hook(lambda m, state, *rest: state.pop("extra"))
    m.register_load_state_dict_post_hook(lambda m, keys: seen.append(tuple(keys)))
    state = m.state_dict(prefix="p.")
    assert list(state) == ["p.0.weight", "p.0.bias", "extra"]
    m.load_state_dict(m.state_dict())
    assert seen == [("pre", "p.", False), ("pre", "", False), ([], [])]

    def returns(*args: Any) -> Any:
        return {}

    m.register_state_dict_post_hook(returns)
    with pytest.raises(RuntimeError, match="^state_dict post-hook must return None"):
        m.state_dict()


class WithExtra(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.extra = 1

    def get_extra_state(self) -> Any:
        return {"extra": self.extra}

    def set_extra_state(self, state: Any) -> None:
        self.extra = state["extra"]


def test_extra_state() -> None:
    m = WithExtra()
    m.extra = 5
    state = m.state_dict()
    assert list(state) == ["_extra_state"]
    other = WithExtra()
    other.load_state_dict(state)
    assert other.extra == 5
    with pytest.raises(RuntimeError, match='Missing key.*"_extra_state"'):
        other.load_state_dict({})
    with pytest.raises(RuntimeError, match='Unexpected key.*"_extra_state"'):
        nn.Module().load_state_dict(state)


# -- copies and casts -----------------------------------------------------------------------------
def test_deepcopy_is_independent() -> None:
    m = Small()
    m.layer.register_forward_hook(lambda *a: None)
    m.layer.weight.grad = ad.ones(3, 2)
    other = copy.deepcopy(m)
    assert other.layer.weight is not m.layer.weight
    assert isinstance(other.layer.weight, nn.Parameter) and other.layer.weight.requires_grad
    assert len(other.layer._forward_hooks) == 1
    before = m.layer.weight.tolist()
    with ad.no_grad():
        other.layer.weight.zero_()
        other.count.zero_()
    other.note["a"].append(3)
    assert m.layer.weight.tolist() == before
    assert m.count.tolist() == [4, 5]
    assert m.note == {"a": [1, 2]}
    tied = nn.ModuleList([m.layer, m.layer])
    both = copy.deepcopy(tied)
    assert both[0] is both[1]


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickle(protocol: int) -> None:
    m = Small().to(ad.float64)
    m.layer.weight.requires_grad_(False)
    m.layer.bias.tag = "kept"
    other = pickle.loads(pickle.dumps(m, protocol))
    assert list(other.state_dict()) == list(m.state_dict())
    for a, b in zip(other.state_dict().values(), m.state_dict().values()):
        assert a.dtype is b.dtype
        np.testing.assert_array_equal(host(a), host(b))
    assert not other.layer.weight.requires_grad
    assert other.layer.bias.tag == "kept"
    other(ad.ones(1, 2, dtype=ad.float64)).sum().backward()
    assert other.layer.bias.grad.tolist() == [1.0] * 3


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "int64", "bool"])
def test_pickle_of_tensors(dtype: str) -> None:
    t = ad.tensor([[0.0, 1.0], [2.0, 3.0]]).to(getattr(ad, dtype))
    other = pickle.loads(pickle.dumps(t))
    assert other.dtype is t.dtype
    assert other.tolist() == t.tolist()
    computed = pickle.loads(pickle.dumps(ad.ones(2, requires_grad=True) * 2))
    assert computed.is_leaf and computed.requires_grad
    computed.sum().backward()


def test_casts_keep_integers_and_take_gradients_along() -> None:
    m = Small()
    weight = m.layer.weight
    weight.grad = ad.ones(3, 2)
    for cast, dtype in (
        ("double", ad.float64), ("half", ad.float16), ("bfloat16", ad.bfloat16),
        ("float", ad.float32),
    ):  # fmt: skip
        assert getattr(m, cast)() is m
        assert m.layer.weight is weight
        assert weight.dtype is weight.grad.dtype is dtype
        assert m.count.dtype is ad.int64
    m.to("cpu", ad.float64)
    assert weight.dtype is ad.float64
    m.to(ad.zeros(1))
    assert weight.dtype is ad.float32
    m.to(dtype=ad.float16, non_blocking=True)
    assert weight.dtype is ad.float16
    assert m.cpu() is m
    m.float().type(ad.float64)
    assert m.count.dtype is ad.float64
    m(ad.ones(1, 2, dtype=ad.float64)).sum().backward()
    assert weight.grad.dtype is ad.float64


def test_zero_grad() -> None:
    m = nn.Linear(2, 1)
    m(ad.ones(1, 2)).sum().backward()
    gradient = m.weight.grad
    m.zero_grad(set_to_none=False)
    assert m.weight.grad is gradient
    assert gradient.tolist() == [[0.0, 0.0]]
    m.zero_grad()
    assert m.weight.grad is None


def test_a_module_is_freed_with_its_graph() -> None:
    m = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    out = m(ad.ones(1, 2)).sum()
    ref = weakref.ref(m[0].weight)
    gc.disable()
    try:
        del m, out
        assert ref() is None
    finally:
        gc.enable()


def test_ordered_dict_and_utils() -> None:
    m = nn.Sequential(OrderedDict([("a", nn.Linear(2, 1)), ("b", nn.ReLU())]))
    assert list(m.state_dict()) == ["a.weight", "a.bias"]
    vector = nn.utils.parameters_to_vector(m.parameters())
    assert vector.shape == (3,)
    vector.sum().backward()
    assert m.a.bias.grad.tolist() == [1.0]
    nn.utils.vector_to_parameters(ad.tensor([1.0, 2.0, 3.0]), m.parameters())
    assert m.a.weight.tolist() == [[1.0, 2.0]]
    assert m.a.bias.tolist() == [3.0]
    with pytest.raises(TypeError, match="^expected anadrome.Tensor, but got: list"):
        nn.utils.vector_to_parameters([1.0], m.parameters())
