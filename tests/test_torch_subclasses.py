"""Classes derived from Tensor, with and without a ``__torch_function__``: compared with PyTorch."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys

import pytest
from overriding_programs import data, same, tensor_class, told

import anadrome as ad

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


def test_functions_are_reported_by_their_public_names():
    def program(L):
        log = []
        x, p = data(L).as_subclass(tensor_class(L, log)), data(L)
        F = L.nn.functional
        i = L.tensor([1, 0]).as_subclass(type(x))
        calls = [
            lambda: x + p, lambda: p + x, lambda: 2 + x, lambda: x - 1, lambda: 1 - x,
            lambda: x / p, lambda: 1 / x, lambda: x // 2, lambda: 2 // x, lambda: x % 2,
            lambda: x**2, lambda: 2**x, lambda: x @ p, lambda: p @ x, lambda: x == p,
            lambda: x != p, lambda: p < x, lambda: x >= 2, lambda: -x, lambda: abs(x), lambda: +x,
            lambda: ~i, lambda: i & 1, lambda: 1 & i, lambda: i << 1, lambda: i ^ i,
            lambda: x[0], lambda: x[:, 1:], lambda: x[x > 2], lambda: p[i], lambda: x[0, 1],
            lambda: x.T, lambda: x.mT, lambda: x.data, lambda: x.real, lambda: x.reshape(4),
            lambda: x.sum(), lambda: x.max(0), lambda: x.sort(), lambda: x.to(L.float64),
            lambda: x.clone(), lambda: x.detach(), lambda: x.new_zeros(2), lambda: x.split(1),
            lambda: x.unbind(), lambda: x.norm(), lambda: x.relu(), lambda: x.masked_fill(p > 1, 0),
            lambda: L.add(x, p), lambda: L.mul(p, x), lambda: L.cat([p, x]), lambda: L.sum(x),
            lambda: L.stack([x, p]), lambda: L.where(p > 1, x, p), lambda: L.zeros_like(x),
            lambda: L.chunk(x, 2), lambda: L.var_mean(x), lambda: L.topk(x, 1), lambda: L.exp(x),
            lambda: L.matmul(x, p), lambda: L.real(x), lambda: L.isclose(x, p), lambda: L.relu(x),
            lambda: F.relu(x), lambda: F.linear(x, p), lambda: F.mse_loss(x, p),
            lambda: F.softmax(x, 0), lambda: F.layer_norm(x, (2,)), lambda: F.cross_entropy(x, i),
            lambda: F.embedding(i, p.as_subclass(type(x))), lambda: F.pad(x, (1, 1)),
            lambda: L.linalg.svd(x), lambda: L.linalg.solve(x, p), lambda: L.linalg.norm(x),
            lambda: L.fft.fft(x).abs(), lambda: L.nn.Linear(2, 2)(x).shape,
        ]  # fmt: skip
        out = []
        for call in calls:
            log.clear()
            result = told(call())
            names = [(n.replace("functional.", "").replace("nn.", ""), len(t)) for n, t in log]
            kinds = [n for n, _ in names]
            out.append((kinds, result if len(str(result)) < 300 else None))
        return out

    same(program)


def test_sizes_among_the_arguments():
    x = data(ad).as_subclass(tensor_class(ad))
    assert x.new_zeros(x.shape, dtype=ad.int64).shape == (2, 2)
    assert ad.bincount(ad.tensor([0, 2, 2])).tolist() == [1, 0, 2]


def test_numbers_and_facts():
    def program(L):
        log = []
        x = data(L).as_subclass(tensor_class(L, log))
        y = x[0, 1]
        out = [
            tuple(x.shape), str(x.dtype)[6:] if L is torch else str(x.dtype)[9:], x.ndim, len(x),
            x.size(0), x.dim(), x.numel(), x.tolist(), y.item(), float(y), int(y), bool(y),
            x.requires_grad, x.is_leaf, x.grad, 1.0 in x, hash(x) == hash(x),
            type(x.numpy()).__name__, x.device.type, L.is_tensor(x), isinstance(x, L.Tensor),
        ]  # fmt: skip
        return out, [name for name, _ in log]

    same(program)


def test_setting():
    def program(L):
        log = []
        kind = tensor_class(L, log)
        x = data(L).as_subclass(kind).clone()
        x[0] = 7.0
        x[x > 3] = 0.0
        x += 1
        x.mul_(2)
        x.requires_grad = True
        x.grad = L.ones(2, 2)
        p = data(L)
        p[0] = x[1].detach()
        p[L.tensor([0]).as_subclass(kind)] = 5.0
        x.grad.zero_()
        return told(x), told(x.grad), told(p), type(p).__name__, [n for n, _ in log]

    same(program)


def test_results_are_of_the_class():
    def program(L):
        class Plain(L.Tensor):
            pass

        class Other(L.Tensor):
            pass

        class Below(Plain):
            pass

        x, p = data(L).as_subclass(Plain), data(L)
        z = data(L).as_subclass(Below)
        out = [told(f) for f in (x + p, p * x, x[0], x.T, x.max(0), L.stack([p, x]), x + z, z * x)]
        out += [told(list(x)), told(x.view(4)), repr(x + 1).split("(")[0]]
        with pytest.raises(TypeError):
            x + data(L).as_subclass(Other)
        named = x.max(0)
        out += [type(named.values).__name__, type(named.indices).__name__]
        same_object = x.add_(1) is x
        return out, same_object, type(x.as_subclass(L.Tensor)).__name__

    same(program)


def test_making_instances():
    def program(L):
        class Meta(L.Tensor):
            @staticmethod
            def __new__(cls, values, meta, *args, **kwargs):
                return super().__new__(cls, values, *args, **kwargs)

            def __init__(self, values, meta):
                self.meta = meta

        class Sub(L.Tensor):
            def __new__(cls, values, requires_grad=False):
                return L.Tensor._make_subclass(cls, values, requires_grad)

        m, s, t = Meta([1.0, 2.0], "m"), Sub(L.ones(2), True), Sub(L.ones(2))
        y = m * 2
        return told(m), m.meta, hasattr(y, "meta"), told(s), s.requires_grad, told(s * t), s.is_leaf

    same(program)


def test_attributes_go_along():
    def program(L):
        class Meta(L.Tensor):
            @classmethod
            def __torch_function__(cls, func, types, args=(), kwargs=None):
                out = super().__torch_function__(func, types, args, kwargs)
                metas = [a._meta for a in args if hasattr(a, "_meta")]
                if isinstance(out, cls) and metas:
                    out._meta = metas[0] + 1
                return out

        x = data(L).as_subclass(Meta)
        x._meta = 0
        y = L.exp(x * 2)[0]
        z = copy.copy(y)
        return y._meta, z._meta, told(z)

    same(program)


def test_gradients():
    def program(L):
        log = []
        kind = tensor_class(L, log)
        x = data(L).as_subclass(kind).requires_grad_()
        w = L.nn.Parameter(L.ones(2, 2))
        loss = ((x @ w) ** 2).sum()
        hooked = []
        x.register_hook(lambda g: hooked.append(type(g).__name__))
        loss.backward()
        out = [told(x.grad), told(w.grad), type(loss).__name__, hooked, w.grad_fn, x.is_leaf]
        (g,) = L.autograd.grad((x**3).sum(), x, create_graph=True)
        (h,) = L.autograd.grad(g.sum(), x)
        return out, told(g), told(h), loss.grad_fn is not None

    same(program)


def test_a_backward_asks_nobody():
    """Rules are played over Tensors where a graph is made: no program sees them."""
    log = []
    x = data(ad).as_subclass(tensor_class(ad, log)).requires_grad_()
    loss = (x.exp() * x).sum().as_subclass(ad.Tensor)
    log.clear()
    loss.backward(create_graph=True)
    assert log == []
    assert type(x.grad) is ad.Tensor
    assert x.grad.requires_grad


def test_views_and_writes_through_them():
    def program(L):
        kind = tensor_class(L)
        base = data(L).as_subclass(kind)
        x = base.clone().requires_grad_()
        y = x * 1
        row = y[0]
        row.mul_(10)
        y.sum().backward()
        flat = base.view(-1)
        flat[0] = 9
        part = base.detach()
        part[1, 1] = 8
        return told(x.grad), told(base), type(row).__name__, base.data_ptr() == flat.data_ptr()

    same(program)


def test_parameters():
    def program(L):
        log = []
        kind = tensor_class(L, log)
        given = data(L).as_subclass(kind)

        class Model(L.nn.Module):
            def __init__(self):
                super().__init__()
                self.weight = L.nn.Parameter(given)
                self.other = L.nn.Parameter(L.ones(2))

            def forward(self, x):
                return L.nn.functional.linear(x, self.weight) + self.other

        model = Model()
        kinds = [(n, type(p).__name__, p.requires_grad) for n, p in model.named_parameters()]
        optimizer = L.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(2):
            optimizer.zero_grad()
            loss = model(L.ones(3, 2)).pow(2).mean()
            loss.backward()
            optimizer.step()
        state = model.state_dict()
        return (
            kinds, isinstance(model.weight, L.nn.Parameter), isinstance(given, L.nn.Parameter),
            told(model.weight), told(model.other), sorted(state), told(loss.detach()),
            type(model.other * model.other).__name__,
        )  # fmt: skip

    same(program)


def test_a_parameter_class_changes_nothing():
    def program(L):
        class Mine(L.nn.Parameter):
            pass

        p = Mine(L.ones(2))
        return type(p + 1).__name__, type(p.sum()).__name__, L.overrides.has_torch_function((p,))

    same(program)


class Kept(ad.Tensor):
    """Of the module, so that pickle finds it."""


def test_copies():
    x = data(ad).as_subclass(Kept)
    x.note = ["a"]
    x._hidden = 3
    for y in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert type(y) is Kept
        assert y.tolist() == x.tolist()
        assert y.note == ["a"]
        assert y._hidden == 3
        assert y.note is not x.note


def test_switched_off():
    def program(L):
        log = []
        x = data(L).as_subclass(tensor_class(L, log))
        with L._C.DisableTorchFunctionSubclass():
            inside = type(x + 1).__name__, type(L.exp(x)).__name__, tuple(x.shape)
            asked = L.overrides.has_torch_function((x,))
        noted = list(log)
        return inside, asked, noted, L.overrides.has_torch_function((x, 1)), type(x + 1).__name__

    same(program)


def test_what_is_not_there_says_what_to_write():
    from anadrome.utils import _python_dispatch

    with pytest.raises(RuntimeError, match=r"anadrome\.Mode"):
        _python_dispatch.TorchDispatchMode()
    with pytest.raises(RuntimeError, match="_make_subclass"):
        ad.Tensor._make_wrapper_subclass(Kept, (2,))
    assert not _python_dispatch.is_traceable_wrapper_subclass(ad.ones(1))


def test_autocast_is_not_on_where_there_are_no_devices():
    same(lambda L: [L.is_autocast_enabled(d) for d in ("mps", "xpu", "hpu", "mtia", "xla", "cpu")])


_UNUSED = """
import inspect, anadrome as ad
codes = {id(f): f.__code__ for f in (ad.add, ad.exp, ad.nn.functional.relu, ad.Tensor.sum)}
relu, signature = ad.nn.functional.relu, inspect.signature(ad.div)
class Sub(ad.Tensor): pass
model = ad.nn.Linear(2, 2)
model(ad.ones(1, 2)).sum().backward()
assert not ad.looking.started
assert all(f.__code__ is codes[id(f)] for f in (ad.add, ad.exp, relu, ad.Tensor.sum))
x = ad.ones(2).as_subclass(Sub)
assert ad.looking.started
assert type(relu(x)) is Sub and relu is ad.nn.functional.relu
assert inspect.signature(ad.div) == signature
assert ad.add(ad.ones(1), 1).tolist() == [2.0]
print("unused until then")
"""


def test_programs_without_such_classes_run_the_functions_as_they_are():
    done = subprocess.run([sys.executable, "-c", _UNUSED], capture_output=True, text=True)
    assert done.stdout == "unused until then\n", done.stderr


RECURRENT = {
    "RNN": lambda L: L.nn.RNN(3, 2, nonlinearity="relu"),
    "LSTM": lambda L: L.nn.LSTM(3, 4, num_layers=2, bidirectional=True, proj_size=2),
    "GRU": lambda L: L.nn.GRU(3, 2, batch_first=True, bias=False),
    "RNNCell": lambda L: L.nn.RNNCell(3, 2),
    "LSTMCell": lambda L: L.nn.LSTMCell(3, 2),
    "GRUCell": lambda L: L.nn.GRUCell(3, 2, bias=False),
}


@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize("name", RECURRENT)
def test_recurrent_layers_keep_the_class(name, batched):
    torch = pytest.importorskip("torch")

    def classes(L):
        class Mine(L.Tensor):
            pass

        layer = RECURRENT[name](L)
        x = L.ones((5, 2, 3) if "Cell" not in name else (2, 3))
        x = x if batched else x[0]
        flat, seen = [layer(x.as_subclass(Mine))], []
        while flat:
            value = flat.pop()
            flat.extend(value if type(value) is tuple else [])
            seen += [] if type(value) is tuple else [(type(value).__name__, tuple(value.shape))]
        return seen

    assert classes(ad) == classes(torch)


@pytest.mark.parametrize("name", RECURRENT)
def test_recurrent_layers_of_a_class_compute_the_same(name):
    class Mine(ad.Tensor):
        pass

    layer = RECURRENT[name](ad)
    x = ad.randn((5, 2, 3) if "Cell" not in name else (2, 3))
    first = lambda out: out[0] if isinstance(out, tuple) else out
    assert first(layer(x.as_subclass(Mine))).tolist() == first(layer(x)).tolist()
