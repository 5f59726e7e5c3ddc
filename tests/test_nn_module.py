"""Module: what is assigned where, the tree of modules, and misuse; PyTorch is the oracle."""

from __future__ import annotations

from typing import Any

import pytest
from nn_twin import model_with_everything

import anadrome as ad
from anadrome import nn


# -- the tree -----------------------------------------------------------------------------------
@pytest.mark.torch
def test_names_and_order_are_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    mine, theirs = model_with_everything(ad), model_with_everything(torch)
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
    model = model_with_everything(ad)
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
    with pytest.raises(ValueError, match=r"Cannot set the submodule without a target name"):
        model.set_submodule("", relu)
    with pytest.raises(ValueError, match=r"`module` is not an nn.Module"):
        model.set_submodule("first.inner", 3)


def test_apply_train_and_requires_grad() -> None:
    model = model_with_everything(ad)
    seen: list[str] = []
    assert model.apply(lambda m: seen.append(type(m).__name__)) is model
    assert seen[:2] == ["Linear", "Block"]
    assert seen[-1] == "Model"
    assert model.eval() is model
    assert not any(m.training for m in model.modules())
    model.train()
    assert all(m.training for m in model.modules())
    with pytest.raises(ValueError, match=r"^training mode is expected to be boolean"):
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
    with pytest.raises(AttributeError, match=r"^'Module' object has no attribute 'a'$"):
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
    with pytest.raises(AttributeError, match=r"cannot assign parameter before"):
        Forgetful().register_parameter("w", None)
    with pytest.raises(AttributeError, match=r"cannot assign buffer before"):
        Forgetful().register_buffer("w", None)


def _set(name: str, value: Any) -> Any:
    return lambda m: setattr(m, name, value)


@pytest.mark.parametrize(
    "do, error, text",
    [
        (_set("weight", ad.zeros(1)), TypeError,
         r"^cannot assign 'anadrome.FloatTensor' as parameter 'weight' \(anadrome.nn.Parameter or "
         r"None expected\); wrap it in anadrome.nn.Parameter"),
        (_set("weight", 3), TypeError, "^cannot assign 'int' as parameter 'weight'"),
        (_set("weight", nn.ReLU()), TypeError, "ReLU' as parameter 'weight'"),
        (_set("child", 3), TypeError,
         r"^cannot assign 'int' as child module 'child' \(anadrome.nn.Module or None expected\)"),
        (_set("kept", 3), TypeError,
         r"^cannot assign 'int' as buffer 'kept' \(anadrome.nn.Buffer, anadrome.Tensor or None"),
        (lambda m: m.register_parameter("p", ad.zeros(1)), TypeError,
         "^cannot assign 'anadrome.FloatTensor' object to parameter 'p'"),
        (lambda m: m.register_parameter("a.b", None), KeyError,
         "parameter name can.+t contain"),
        (lambda m: m.register_parameter("", None), KeyError, "can.+t be empty string"),
        (lambda m: m.register_parameter("forward", None), KeyError,
         "attribute 'forward' already exists"),
        (lambda m: m.register_parameter(3, None), TypeError, "name should be a string. Got int"),
        (lambda m: m.register_buffer("b", 3), TypeError, "^cannot assign 'int' object to buffer"),
        (lambda m: m.register_buffer("training", None), KeyError, "already exists"),
        (lambda m: m.add_module("x", 3), TypeError, "^int is not a Module subclass"),
        (lambda m: m.add_module("a.b", None), KeyError,
         "module name can.+t contain .+got: a.b"),
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
    with pytest.raises(ValueError, match=r"^Cannot assign non-leaf Tensor to parameter 'w'"):
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


def test_what_shares_no_memory_says_so():
    layer = nn.Linear(2, 2)
    with pytest.warns(UserWarning, match="Train in threads") as caught:
        assert layer.share_memory() is layer
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="shares nothing"):
        layer.weight.share_memory_()
