"""Lazy layers, and a program with tied weights: the same in both libraries."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from module_programs import both
from oracle import agree, numbers, refuse
from test_torch_recurrent import filled

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:Lazy modules are a new")]


LAZY = [
    (lambda nn: nn.LazyLinear(4), (2, 3)),
    (lambda nn: nn.LazyLinear(4, bias=False), (3,)),
    (lambda nn: nn.LazyConv1d(4, 2), (2, 3, 5)),
    (lambda nn: nn.LazyConv2d(4, 2, stride=2, padding=1, groups=2), (2, 4, 5, 5)),
    (lambda nn: nn.LazyConv3d(2, 2, bias=False), (1, 3, 3, 3, 3)),
    (lambda nn: nn.LazyConvTranspose1d(4, 2), (2, 3, 5)),
    (lambda nn: nn.LazyConvTranspose2d(4, 2, 2, 0, 1), (2, 3, 4, 4)),
    (lambda nn: nn.LazyConvTranspose3d(2, 2), (1, 3, 3, 3, 3)),
    (lambda nn: nn.LazyBatchNorm1d(), (4, 3)),
    (lambda nn: nn.LazyBatchNorm2d(affine=False), (4, 3, 2, 2)),
    (lambda nn: nn.LazyBatchNorm3d(track_running_stats=False), (2, 3, 2, 2, 2)),
]


@pytest.mark.parametrize("number", range(len(LAZY)))
def test_lazy_layers(number: int) -> None:
    make, shape = LAZY[number]

    def call(L: Any, x: Any) -> Any:
        m = make(L.nn)
        before = [repr(m), list(m.state_dict()), m.has_uninitialized_params()]
        m.double()
        m(x.detach())
        after = [repr(m), type(m).__name__, {n: tuple(p.shape) for n, p in m.state_dict().items()}]
        loaded = make(L.nn).double()
        loaded.load_state_dict(filled(L, m).state_dict())
        return before, after, m(x), loaded(x), type(loaded).__name__

    agree(call, numbers(*shape), second=False)


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda nn: nn.LazyInstanceNorm1d(), (2, 3, 4)),
        (lambda nn: nn.LazyInstanceNorm2d(affine=False), (2, 3, 2, 2)),
        (lambda nn: nn.LazyInstanceNorm3d(track_running_stats=False), (2, 3, 2, 2, 2)),
    ],
)
def test_lazy_instance_norms(make: Any, shape: tuple[int, ...]) -> None:
    """PyTorch's cannot be loaded before their first input, so only that is compared."""

    def call(L: Any, x: Any) -> Any:
        m = make(L.nn).double()
        before = repr(m), m.has_uninitialized_params()
        m(x.detach())
        sizes = {n: tuple(p.shape) for n, p in m.state_dict().items()}
        return before, repr(m), type(m).__name__, sizes, m(x)

    agree(call, numbers(*shape), second=False)


def test_lazy_parameters() -> None:
    def program(L: Any) -> Any:
        parameter = L.nn.parameter.UninitializedParameter()
        out = [repr(parameter), isinstance(parameter, L.nn.Parameter)]
        with pytest.raises(RuntimeError) as error:
            parameter.shape  # noqa: B018
        out.append(str(error.value))
        copied = copy.deepcopy(parameter)
        parameter.materialize((2, 3))
        out += [type(parameter).__name__, tuple(parameter.shape), parameter.requires_grad]
        m = L.nn.Sequential(L.nn.LazyLinear(3), L.nn.LazyLinear(2))
        other = copy.deepcopy(m)
        m(L.ones(4, 5))
        other.load_state_dict(m.state_dict())
        out += [repr(copied), repr(m), repr(other), bool(L.equal(other[0].weight, m[0].weight))]
        with pytest.raises(RuntimeError):
            m.load_state_dict(L.nn.Sequential(L.nn.LazyLinear(3), L.nn.LazyLinear(2)).state_dict())
        return out

    both(program)


def test_own_lazy_module() -> None:
    def call(L: Any, x: Any) -> Any:
        lazy = L.nn.modules.lazy

        class Scale(lazy.LazyModuleMixin, L.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.factor = L.nn.UninitializedParameter()

            def initialize_parameters(self, x: Any) -> None:
                if self.has_uninitialized_params():
                    self.factor.materialize(x.shape[-1:], dtype=x.dtype)
                    L.nn.init.constant_(self.factor, 2.0)

            def forward(self, x: Any) -> Any:
                return x * self.factor

        m = Scale()
        return m(x), m(x), m.has_uninitialized_params()

    agree(call, numbers(2, 3))


def test_tied_weights_in_training() -> None:
    def call(L: Any) -> Any:
        nn = L.nn

        class Model(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.embed = nn.Embedding(6, 4)
                self.body = nn.GRU(4, 4, batch_first=True)
                self.head = nn.Linear(4, 6, bias=False)
                self.head.weight = self.embed.weight
                self.history: list[Any] = []
                self.act = lambda x: x.tanh()

            def forward(self, tokens: Any) -> Any:
                out, _ = self.body(self.embed(tokens))
                self.history.append(out.shape)
                return self.head(self.act(out))

        model = filled(L, Model())
        optimizer = L.optim.Adam(model.parameters(), lr=0.1)
        tokens = L.tensor([[0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0]])
        losses = []
        for _ in range(4):
            optimizer.zero_grad()
            logits = model(tokens[:, :-1])
            loss = nn.functional.cross_entropy(logits.reshape(-1, 6), tokens[:, 1:].reshape(-1))
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        return losses, list(model.state_dict()), [p.detach() for p in model.parameters()]

    agree(call, second=False)


def test_refusal_of_a_lazy_module_that_stays_lazy() -> None:
    def call(L: Any) -> Any:
        class Never(L.nn.modules.lazy.LazyModuleMixin, L.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.w = L.nn.UninitializedParameter()

            def initialize_parameters(self, x: Any) -> None:
                pass

        Never()(L.ones(1))

    assert refuse(call) == "module Never has not been fully initialized"
