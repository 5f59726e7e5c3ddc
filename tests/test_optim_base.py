"""Optimizer: groups and their errors, the step, saving and resuming."""

from __future__ import annotations

import copy
import pickle
import warnings

import pytest

import anadrome as ad


def leaf(*values, **options):
    return ad.tensor(list(values or (1.0,)), requires_grad=True, **options)


def with_grad(*values):
    x = leaf(*values)
    x.grad = ad.ones(len(values or (1,)))
    return x


# -- groups -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "params,kind,text",
    [
        (leaf(), TypeError, "should be an iterable of Tensors or dicts, but got a Tensor"),
        ([], ValueError, "optimizer got an empty parameter list"),
        (iter(()), ValueError, "optimizer got an empty parameter list"),
        ([1.0], TypeError, "optimizer can only optimize Tensors, but one of the params is builtin"),
        ([{"params": {leaf()}}], TypeError, "the ordering of tensors in sets will change"),
        (
            [leaf() * 2],
            ValueError,
            "can't optimize a non-leaf Tensor: it was made by `MulBackward0` .*test_optim_base.py",
        ),
        (
            [("a", leaf()), leaf()],
            ValueError,
            "all optimizer params should be with/without names. Some param names are missing",
        ),
    ],
)
def test_what_cannot_be_optimized(params, kind, text):
    with pytest.raises(kind, match=text):
        ad.optim.SGD(params, lr=0.1)


def test_a_parameter_in_two_groups():
    x = leaf()
    with pytest.raises(ValueError, match="some parameters appear in more than one parameter group"):
        ad.optim.SGD([{"params": [x]}, {"params": [leaf(), x]}], lr=0.1)


def test_a_group_must_be_a_dictionary():
    optimizer = ad.optim.SGD([leaf()], lr=0.1)
    with pytest.raises(TypeError, match="param_group must be a dict, but got list"):
        optimizer.add_param_group([leaf()])


def test_groups_with_and_without_names():
    optimizer = ad.optim.SGD([("a", leaf())], lr=0.1)
    with pytest.raises(ValueError, match="cannot add param group without names"):
        optimizer.add_param_group({"params": [leaf()]})


def test_an_option_that_must_be_given():
    from anadrome.optim.optimizer import required

    class Picky(ad.optim.Optimizer):
        def __init__(self, params):
            super().__init__(params, {"lr": required})

    with pytest.raises(ValueError, match=r"didn't specify a value of required .* parameter lr"):
        Picky([leaf()])
    assert Picky([{"params": leaf(), "lr": 1.0}]).param_groups[0]["lr"] == 1.0


@pytest.mark.torch
def test_a_parameter_listed_twice_in_a_group():
    torch = pytest.importorskip("torch")

    def run(lib):
        x = lib.tensor([1.0, 2.0], requires_grad=True)
        with pytest.warns(UserWarning, match="parameter group with duplicate param") as caught:
            optimizer = lib.optim.Adam([x, x], lr=0.1)
        assert lib is not ad or caught[0].filename == __file__
        x.grad = lib.tensor([1.0, -1.0])
        optimizer.step()
        optimizer.step()
        return x.tolist()

    assert run(ad) == pytest.approx(run(torch), rel=1e-6)


def test_groups_take_defaults_and_keep_their_own():
    x, y = leaf(), leaf()
    optimizer = ad.optim.SGD([{"params": [x], "lr": 0.5}, {"params": y}], lr=0.1, momentum=0.9)
    assert [g["lr"] for g in optimizer.param_groups] == [0.5, 0.1]
    assert [g["momentum"] for g in optimizer.param_groups] == [0.9, 0.9]
    assert optimizer.param_groups[1]["params"] == [y]


@pytest.mark.torch
@pytest.mark.parametrize("name,options", [("SGD", {"lr": 0.1}), ("Adam", {}), ("AdamW", {})])
def test_repr_is_pytorchs(name, options):
    torch = pytest.importorskip("torch")

    def told(lib):
        groups = [{"params": [lib.zeros(1)]}, {"params": [lib.zeros(1)], "lr": 0.25}]
        return repr(getattr(lib.optim, name)(groups, **options))

    assert told(ad) == told(torch)


# -- the step -----------------------------------------------------------------------------------
def test_zero_grad():
    x, y = with_grad(1.0), leaf()
    optimizer = ad.optim.SGD([x, y], lr=0.1)
    kept = x.grad
    optimizer.zero_grad(set_to_none=False)
    assert x.grad is kept and kept.tolist() == [0.0] and y.grad is None
    optimizer.zero_grad()
    assert x.grad is None


def test_zero_grad_cuts_a_gradient_off_its_graph():
    x = leaf(3.0)
    (x**3).sum().backward(create_graph=True)
    assert x.grad.requires_grad
    ad.optim.SGD([x], lr=0.1).zero_grad(set_to_none=False)
    assert not x.grad.requires_grad and x.grad.item() == 0


def test_a_closure():
    x = leaf(1.0)
    optimizer = ad.optim.SGD([x], lr=0.25)

    def closure():
        optimizer.zero_grad()
        loss = (x * x).sum()
        loss.backward()
        return loss

    with ad.no_grad():
        assert optimizer.step(closure).item() == 1.0
    assert x.tolist() == [0.5]


def test_a_step_makes_saved_values_stale():
    x, w = leaf(2.0), leaf(3.0)
    y = (x * w).sum()
    y.backward(retain_graph=True)
    ad.optim.SGD([x, w], lr=0.1).step()
    with pytest.raises(RuntimeError, match=r"modified by an inplace operation.*test_optim_base.py"):
        y.backward()


def test_an_optimizer_without_a_step():
    with pytest.raises(NotImplementedError, match="Optimizer does not define step"):
        ad.optim.Optimizer([leaf()], {}).step()


# -- saving -------------------------------------------------------------------------------------
def trained(make, steps, rng):
    params = [leaf(1.0, 2.0), leaf(3.0)]
    optimizer = make(params)
    train(optimizer, params, steps, rng)
    return params, optimizer


def train(optimizer, params, steps, rng):
    for _ in range(steps):
        for p in params:
            p.grad = ad.tensor([next(rng) for _ in range(p.numel())])
        optimizer.step()


def numbers():
    value = 0.37
    while True:
        value = 3.9 * value * (1 - value)
        yield value - 0.5


MAKERS = [
    lambda ps: ad.optim.SGD(ps, lr=0.1, momentum=0.9, nesterov=True),
    lambda ps: ad.optim.Adam(ps, lr=0.1, amsgrad=True),
    lambda ps: ad.optim.AdamW([{"params": ps[:1]}, {"params": ps[1:], "lr": 0.3}], lr=0.1),
    *(
        lambda ps, name=name: getattr(ad.optim, name)(ps, lr=0.1)
        for name in ("NAdam", "RAdam", "Adamax", "Adagrad", "Adadelta", "RMSprop", "Rprop", "ASGD")
    ),
]


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize(
    "through", [lambda s: s, copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))]
)
def test_resuming_is_bit_identical(make, through):
    rng = numbers()
    params, optimizer = trained(make, 4, rng)
    saved = through(optimizer.state_dict())
    others = [p.detach().clone().requires_grad_() for p in params]
    resumed = make(others)
    resumed.load_state_dict(saved)
    rng, same = numbers(), numbers()
    train(optimizer, params, 5, rng)
    train(resumed, others, 5, same)
    for p, q in zip(params, others):
        assert p.tolist() == q.tolist()
    for a, b in zip(optimizer.state.values(), resumed.state.values()):
        assert {k: v.tolist() for k, v in a.items()} == {k: v.tolist() for k, v in b.items()}


def test_loading_copies():
    rng = numbers()
    params, optimizer = trained(MAKERS[1], 2, rng)
    saved = copy.deepcopy(optimizer.state_dict())
    before = {k: v.tolist() for k, v in saved["state"][0].items()}
    optimizer.load_state_dict(saved)
    train(optimizer, params, 3, rng)
    assert {k: v.tolist() for k, v in saved["state"][0].items()} == before


@pytest.mark.torch
def test_the_format_is_pytorchs():
    torch = pytest.importorskip("torch")

    def saved(lib):
        params = [lib.ones(2, 3, requires_grad=True), lib.ones(4, requires_grad=True)]
        named = [("w", params[0]), ("b", params[1])]
        optimizer = lib.optim.AdamW(named, lr=0.1)
        optimizer.add_param_group(
            {"params": [("c", lib.ones(1, requires_grad=True))], "weight_decay": 0.5}
        )
        for p in params:
            p.grad = lib.ones_like(p)
        optimizer.step()
        return optimizer.state_dict()

    ours, theirs = saved(ad), saved(torch)
    assert ours["param_groups"] == theirs["param_groups"]
    assert ours["state"].keys() == theirs["state"].keys() == {0, 1}
    for number, state in theirs["state"].items():
        assert list(ours["state"][number]) == list(state)
        for name, value in state.items():
            mine = ours["state"][number][name]
            assert tuple(mine.shape) == tuple(value.shape)
            assert str(mine.dtype).rpartition(".")[2] == str(value.dtype).rpartition(".")[2]


def test_states_that_do_not_fit():
    optimizer = ad.optim.SGD([leaf(), leaf()], lr=0.1, momentum=0.9)
    one = ad.optim.SGD([leaf()], lr=0.1).state_dict()
    with pytest.raises(ValueError, match="doesn't match the size of optimizer's group: group 0"):
        optimizer.load_state_dict(one)
    two = ad.optim.SGD([{"params": [leaf()]}, {"params": [leaf()]}], lr=0.1).state_dict()
    with pytest.raises(ValueError, match=r"different number of parameter groups: 2, this .* has 1"):
        optimizer.load_state_dict(two)
    other = [with_grad(1.0, 2.0), with_grad(1.0)]
    wrong = ad.optim.SGD(other, lr=0.1, momentum=0.9)
    wrong.step()
    x, y = with_grad(1.0), with_grad(1.0)
    optimizer = ad.optim.SGD([x, y], lr=0.1, momentum=0.9)
    optimizer.load_state_dict(wrong.state_dict())
    with pytest.raises(ValueError, match=r"'momentum_buffer' is \(2,\) for a parameter of shape"):
        optimizer.step()


def test_hooks_around_saving():
    x = with_grad(1.0)
    optimizer = ad.optim.SGD([x], lr=0.5)
    seen = []
    optimizer.register_state_dict_pre_hook(lambda o: seen.append("pre"))
    optimizer.register_state_dict_pre_hook(lambda o: seen.append("before pre"), prepend=True)
    optimizer.register_state_dict_post_hook(lambda o, s: {**s, "extra": 1})
    saved = optimizer.state_dict()
    assert seen == ["before pre", "pre"] and saved["extra"] == 1

    def raised(optimizer, state):
        groups = [{**g, "lr": 2.0} for g in state["param_groups"]]
        return {**state, "param_groups": groups}

    optimizer.register_load_state_dict_pre_hook(raised)
    optimizer.register_load_state_dict_post_hook(lambda o: seen.append(o.param_groups[0]["lr"]))
    optimizer.load_state_dict(saved)
    assert seen[-1] == 2.0


def test_a_copied_optimizer_goes_on_alone():
    x = with_grad(1.0)
    optimizer = ad.optim.Adam([x], lr=0.1)
    optimizer.step()
    twin = copy.deepcopy(optimizer)
    (y,) = twin.param_groups[0]["params"]
    twin.step()
    twin.step()
    assert optimizer.state[x]["step"].item() == 1
    assert twin.state[y]["step"].item() == 3
    assert x.item() == pytest.approx(0.9)


def test_no_warnings_in_a_plain_loop():
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        rng = numbers()
        for make in MAKERS:
            trained(make, 3, rng)


def test_an_optimizer_around_another_need_not_call_init():
    class Half(ad.optim.Optimizer):
        def __init__(self, inner):
            self.inner = inner
            self.param_groups = inner.param_groups

        def step(self, closure=None):
            before = [p.detach().clone() for p in self.param_groups[0]["params"]]
            out = self.inner.step(closure)
            for p, b in zip(self.param_groups[0]["params"], before):
                p.data.lerp_(b, 0.5)
            return out

    x = with_grad(1.0)
    Half(ad.optim.SGD([x], lr=0.5)).step()
    assert x.item() == pytest.approx(1 - 0.25 * x.grad.item())
