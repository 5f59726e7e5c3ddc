"""A module's state: dictionaries of it, copies, pickles and casts; PyTorch is the oracle."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
from nn_twin import host, model_with_everything

import anadrome as ad
from anadrome import nn


class Small(nn.Module):
    """At the top of the module, so that it can be pickled."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 3)
        self.register_buffer("count", ad.tensor([4, 5]))
        self.note = {"a": [1, 2]}

    def forward(self, x: Any) -> Any:
        return self.layer(x)


# -- state --------------------------------------------------------------------------------------
@pytest.mark.torch
def test_state_dict_goes_to_pytorch_and_back() -> None:
    torch = pytest.importorskip("torch")
    mine, theirs = model_with_everything(ad), model_with_everything(torch)
    theirs.load_state_dict({k: torch.tensor(host(v)) for k, v in mine.state_dict().items()})
    other = model_with_everything(ad)
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
    with pytest.raises(TypeError, match=r"^Expected state_dict to be dict-like, got <class 'int'>"):
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
    with pytest.raises(RuntimeError, match=r"^state_dict post-hook must return None"):
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
    with pytest.raises(RuntimeError, match=r'Missing key.*"_extra_state"'):
        other.load_state_dict({})
    with pytest.raises(RuntimeError, match=r'Unexpected key.*"_extra_state"'):
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
    with pytest.raises(TypeError, match=r"^expected anadrome.Tensor, but got: list"):
        nn.utils.vector_to_parameters([1.0], m.parameters())


def test_nothing_is_copied_where_something_does_not_fit() -> None:
    def state(model: nn.Module) -> list[list[float]]:
        return [t.flatten().tolist() for t in model.state_dict().values()]

    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))
    other = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(4, 2)).state_dict()
    before = state(model)
    with pytest.raises(RuntimeError) as error:
        model.load_state_dict(other)
    assert str(error.value).count("size mismatch for 2.") == 2  # all of them
    assert state(model) == before
    with pytest.raises(RuntimeError, match=r"Missing key\(s\).*\n.*Unexpected key\(s\)"):
        model.load_state_dict({"0.weight": ad.zeros(3, 2), "nonsense": ad.ones(1)})
    with pytest.raises(RuntimeError, match="expected anadrome.Tensor"):
        model.load_state_dict({**model.state_dict(), "2.bias": None, "0.bias": ad.zeros(3)})
    assert state(model) == before
    assert model.load_state_dict({"0.weight": ad.zeros(3, 2)}, strict=False).missing_keys
    assert state(model) != before


def test_post_hooks_see_what_was_loaded_and_may_strike_names_off() -> None:
    model = nn.Linear(2, 1)
    seen = []

    def hook(module: nn.Module, keys: Any) -> None:
        seen.append(module.weight.sum().item())
        keys.missing_keys.clear()

    model.register_load_state_dict_post_hook(hook)
    model.load_state_dict({"weight": ad.full((1, 2), 4.0)})
    assert seen == [8.0]


def test_a_form_of_ones_own_may_look_at_what_it_has_loaded() -> None:
    class Doubled(nn.Linear):
        def _load_from_state_dict(self, *args: Any) -> None:
            super()._load_from_state_dict(*args)
            with ad.no_grad():
                self.weight.mul_(2)

    model = Doubled(2, 1)
    model.load_state_dict({"weight": ad.ones(1, 2), "bias": ad.ones(1)})
    assert model.weight.tolist() == [[2.0, 2.0]]


def test_extra_state_is_not_set_where_something_does_not_fit() -> None:
    class Extra(nn.Linear):
        taken = 0

        def get_extra_state(self) -> Any:
            return 1

        def set_extra_state(self, state: Any) -> int:
            self.taken = state
            return 5

    model = Extra(2, 1)
    with pytest.raises(RuntimeError, match="size mismatch"):
        model.load_state_dict({**model.state_dict(), "bias": ad.ones(2)})
    assert not model.taken
    model.load_state_dict(model.state_dict())
    assert model.taken == 1
