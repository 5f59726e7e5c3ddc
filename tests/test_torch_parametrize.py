"""nn.utils: parametrizations, norms by hooks, stateless calls, fusion, with PyTorch as oracle."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from oracle import agree, numbers, refuse
from test_torch_recurrent import filled

import anadrome as ad

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore:.*torch.nn.utils.weight_norm. is deprecated"),
]
torch = pytest.importorskip("torch")


def same_buffers(L: Any, module: Any) -> Any:
    """Buffers that were drawn get the same numbers in both libraries."""
    with L.no_grad():
        for i, (_, b) in enumerate(sorted(module.named_buffers())):
            if b.dtype == L.float64:
                values = numbers(*b.shape, seed=70 + i)
                b.copy_(L.tensor(values.tolist(), dtype=L.float64))
    return module


def trained(L: Any, module: Any, x: Any, steps: int = 3) -> Any:
    """Outputs and parameters over some steps of SGD, and what is in the state."""
    optimizer = L.optim.SGD(module.parameters(), lr=0.05)
    out = []
    for _ in range(steps):
        optimizer.zero_grad()
        y = module(x)
        (y * y).sum().backward()
        out.append(y.detach())
        optimizer.step()
    return out, {n: v.detach() for n, v in module.state_dict().items()}, module.weight.detach()


LAYERS = {
    "linear": (lambda nn: nn.Linear(3, 4), (2, 3)),
    "conv": (lambda nn: nn.Conv1d(3, 4, 2), (2, 3, 5)),
    "transposed": (lambda nn: nn.ConvTranspose1d(3, 4, 2), (2, 3, 5)),
}


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("dim", [0, 1, None])
@pytest.mark.parametrize("new", [True, False])
def test_weight_norm(layer: str, dim: int | None, new: bool) -> None:
    make, shape = LAYERS[layer]

    def call(L: Any, x: Any) -> Any:
        utils = L.nn.utils.parametrizations if new else L.nn.utils
        module = utils.weight_norm(filled(L, make(L.nn)), dim=dim)
        return module(x), trained(L, module, x.detach())

    agree(call, numbers(*shape))


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize("count", [1, 3])
def test_spectral_norm(layer: str, new: bool, count: int) -> None:
    make, shape = LAYERS[layer]

    def call(L: Any, x: Any) -> Any:
        utils = L.nn.utils.parametrizations if new else L.nn.utils
        module = filled(L, make(L.nn))
        module = utils.spectral_norm(module, n_power_iterations=count)
        module = same_buffers(L, module)
        first = trained(L, module, x)
        module.eval()
        return first, module(x), module(x)

    agree(call, numbers(*shape), second=False)


def test_spectral_norm_finds_the_largest_singular_value() -> None:
    layer = ad.nn.utils.parametrizations.spectral_norm(ad.nn.Linear(6, 4).double())
    for _ in range(200):
        layer.weight  # noqa: B018
    assert float(ad.linalg.svd(layer.weight)[1][0].detach()) == pytest.approx(1.0)


@pytest.mark.parametrize("shape", [(3, 3), (5, 3), (3, 5)])
@pytest.mark.parametrize("how", [None, "matrix_exp", "cayley", "householder"])
@pytest.mark.parametrize("trivial", [True, False])
def test_orthogonal(shape: tuple[int, int], how: str | None, trivial: bool) -> None:
    def call(L: Any, x: Any) -> Any:
        module = filled(L, L.nn.Linear(shape[1], shape[0]))
        module = L.nn.utils.parametrizations.orthogonal(
            module, orthogonal_map=how, use_trivialization=trivial
        )
        if trivial and shape[0] != shape[1]:  # the base was completed with drawn numbers
            square = max(shape)
            q, _ = L.linalg.qr(L.tensor(numbers(square, square, seed=9).tolist()).double())
            module.parametrizations.weight[0].base.copy_(q)
        return module(x), module.weight, trained(L, module, x.detach())

    agree(call, numbers(2, shape[1]), rtol=1e-6, atol=1e-8)


def test_remove_and_assign() -> None:
    def call(L: Any) -> Any:
        utils = L.nn.utils
        norm = utils.parametrizations.weight_norm(filled(L, L.nn.Linear(3, 2)))
        norm.weight = L.ones(2, 3).double() * 2
        assigned = {n: v.clone() for n, v in norm.state_dict().items()}
        removed = utils.parametrize.remove_parametrizations(norm, "weight")
        old = utils.remove_weight_norm(utils.weight_norm(filled(L, L.nn.Linear(3, 2))))
        other = utils.spectral_norm(filled(L, L.nn.Linear(3, 2))).eval()
        other = utils.remove_spectral_norm(same_buffers(L, other))
        orthogonal = utils.parametrizations.orthogonal(filled(L, L.nn.Linear(3, 3)))
        value = L.linalg.qr(L.tensor(numbers(3, 3).tolist()).double())[0]
        orthogonal.weight = value
        return [
            assigned,
            *([n for n, _ in m.named_parameters()] for m in (removed, old, other)),
            [m.weight.detach() for m in (removed, old, other, orthogonal)],
            [type(m).__name__ for m in (removed, old, other, orthogonal)],
            [m.weight.requires_grad for m in (removed, old, other)],
        ]

    agree(call, gradients=False)


def test_own_parametrizations() -> None:
    def call(L: Any, x: Any) -> Any:
        class Symmetric(L.nn.Module):
            def forward(self, X: Any) -> Any:
                return X.triu() + X.triu(1).transpose(-1, -2)

            def right_inverse(self, A: Any) -> Any:
                return A.triu()

        class Scaled(L.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.factor = L.nn.Parameter(L.tensor(2.0).double())

            def forward(self, X: Any) -> Any:
                return X * self.factor

        parametrize = L.nn.utils.parametrize
        module = filled(L, L.nn.Linear(3, 3))
        parametrize.register_parametrization(module, "weight", Symmetric())
        before = module.weight.detach()
        parametrize.register_parametrization(module, "weight", Scaled())
        parametrize.register_parametrization(module, "bias", Scaled())
        with parametrize.cached():
            assert module.weight is module.weight
        assert module.weight is not module.weight
        copied = copy.deepcopy(module)
        return [
            before,
            module(x),
            trained(L, module, x.detach()),
            copied(x),
            repr(module),
            parametrize.is_parametrized(module),
            parametrize.is_parametrized(module, "other"),
            parametrize.type_before_parametrizations(module).__name__,
            [n for n, _ in module.named_parameters()],
            [n for n, _ in copied.named_modules()],
        ]

    agree(call, numbers(2, 3))


def test_a_buffer() -> None:
    def call(L: Any) -> Any:
        class Doubled(L.nn.Module):
            def forward(self, X: Any) -> Any:
                return 2 * X

        module = L.nn.Module()
        module.register_buffer("table", L.ones(2).double())
        L.nn.utils.parametrize.register_parametrization(module, "table", Doubled())
        kept = module.table.clone()
        L.nn.utils.parametrize.remove_parametrizations(module, "table", leave_parametrized=False)
        return kept, module.table, list(module.state_dict())

    agree(call, gradients=False)


def test_states_under_older_names() -> None:
    def call(L: Any) -> Any:
        new = L.nn.utils.parametrizations.weight_norm(filled(L, L.nn.Linear(3, 2)))
        old = L.nn.utils.weight_norm(filled(L, L.nn.Linear(3, 2), seed=5))
        result = str(new.load_state_dict(old.state_dict()))
        spectral = L.nn.utils.spectral_norm(filled(L, L.nn.Linear(3, 2)))
        state = same_buffers(L, spectral).state_dict()
        other = L.nn.utils.spectral_norm(L.nn.Linear(3, 2).double())
        other.load_state_dict(state)
        return result, dict(new.state_dict()), dict(other.state_dict())

    agree(call, gradients=False)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda u, m: u.parametrize.register_parametrization(m, "other", m), "Module '"),
        (lambda u, m: u.parametrize.remove_parametrizations(m, "weight"), "Module "),
        (lambda u, m: u.parametrizations.orthogonal(m, "bias"), "Expected a matrix or batch of "
         "matrices. Got a tensor of 1 dimensions."),
        (lambda u, m: u.parametrizations.orthogonal(m, "weight", "qr"), "orthogonal_map has to be "
         "one of"),
        (lambda u, m: u.parametrizations.spectral_norm(m, "other"), "Module '"),
        (lambda u, m: u.parametrizations.spectral_norm(m, dim=3), "Dimension out of range"),
        (lambda u, m: u.parametrizations.spectral_norm(m, n_power_iterations=0), "Expected "
         "n_power_iterations to be positive, but got n_power_iterations=0"),
        (lambda u, m: u.weight_norm(u.weight_norm(m)), "Cannot register two weight_norm hooks on "
         "the same parameter weight"),
        (lambda u, m: u.remove_weight_norm(m), "weight_norm of 'weight' not found in"),
        (lambda u, m: u.spectral_norm(u.spectral_norm(m)), "Cannot register two spectral_norm "
         "hooks on the same parameter weight"),
        (lambda u, m: u.remove_spectral_norm(m), "spectral_norm of 'weight' not found in"),
    ],
)  # fmt: skip
def test_refusals(call: Any, words: str) -> None:
    assert refuse(lambda L: call(L.nn.utils, L.nn.Linear(3, 2))).startswith(words)


def test_refusals_of_what_changes_shape_or_dtype() -> None:
    def register(L: Any, function: Any) -> Any:
        class Own(L.nn.Module):
            def forward(self, X: Any) -> Any:
                return function(X)

        L.nn.utils.parametrize.register_parametrization(L.nn.Linear(3, 2), "weight", Own())

    text = refuse(lambda L: register(L, lambda X: X[:1]))
    assert text.startswith("Registering a parametrization may not change the shape of the tensor")
    text = refuse(lambda L: register(L, lambda X: X.double()))
    assert text.startswith("Registering a parametrization may not change the dtype of the tensor")
    text = refuse(lambda L: register(L, lambda X: 3))
    assert text == "A parametrization must return a tensor. Got int."


# -- others --------------------------------------------------------------------------------------
def test_functional_call() -> None:
    def call(L: Any, w: Any, b: Any, x: Any) -> Any:
        module = filled(L, L.nn.Sequential(L.nn.Linear(3, 2), L.nn.Linear(2, 2)))
        tied = filled(L, L.nn.Sequential(L.nn.Linear(2, 2), L.nn.Linear(2, 2)))
        tied[1].weight = tied[0].weight
        functional = L.nn.utils.stateless.functional_call if L is ad else L.func.functional_call
        return [
            functional(module, {"0.weight": w, "0.bias": b}, (x,)),
            functional(module, {"0.weight": w}, x),
            functional(tied, {"0.weight": w[:, :2]}, x[:, :2]),
            functional(tied, {"1.weight": w[:, :2]}, x[:, :2], tie_weights=False),
            functional(module, ({"0.weight": w}, {"0.bias": b}), x, {}),
            module(x),
        ]

    agree(call, numbers(2, 3), numbers(2), numbers(4, 3))


def test_functional_call_of_a_batch_norm() -> None:
    def call(L: Any, x: Any) -> Any:
        functional = L.nn.utils.stateless.functional_call if L is ad else L.func.functional_call
        module = filled(L, L.nn.BatchNorm1d(3))
        given = {"running_mean": L.zeros(3).double(), "running_var": L.ones(3).double()}
        return functional(module, given, x), given, module.running_mean

    agree(call, numbers(4, 3))


@pytest.mark.parametrize("given", [{"2.weight": 0}, {"0.weight": 0, "strict": True}], ids=str)
def test_functional_call_refuses(given: dict[str, Any]) -> None:
    def call(L: Any) -> Any:
        functional = L.nn.utils.stateless.functional_call if L is ad else L.func.functional_call
        module = L.nn.Sequential(L.nn.Linear(3, 2))
        values = {n: L.zeros(2, 3) for n in given if n != "strict"}
        return functional(module, values, L.ones(1, 3), strict=given.get("strict", False))

    refuse(call)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("affine", [True, False])
def test_fusion(bias: bool, affine: bool) -> None:
    def call(L: Any, x: Any) -> Any:
        norm = filled(L, L.nn.BatchNorm1d(4, affine=affine))
        with L.no_grad():
            norm.running_mean.copy_(L.tensor(numbers(4).tolist()))
            norm.running_var.copy_(L.tensor(numbers(4, low=0.5).tolist()).abs())
        conv = filled(L, L.nn.Conv1d(3, 4, 2, bias=bias))
        fused = [L.nn.utils.fuse_conv_bn_eval(conv.eval(), norm.eval())]
        back = filled(L, L.nn.ConvTranspose1d(3, 4, 2, bias=bias))
        fused.append(L.nn.utils.fuse_conv_bn_eval(back.eval(), norm, transpose=True))
        results = [f(x) for f in fused]
        if affine:
            linear = filled(L, L.nn.Linear(3, 4, bias=bias))
            results.append(L.nn.utils.fuse_linear_bn_eval(linear.eval(), norm)(x[..., 0]))
        return results

    agree(call, numbers(2, 3, 5), rtol=1e-6, atol=1e-7)


def test_skip_init() -> None:
    ad.manual_seed(3)
    wanted = ad.rand(2)
    ad.manual_seed(3)
    layer = ad.nn.utils.skip_init(ad.nn.Linear, 5, 2)
    assert layer.weight.shape == (2, 5) and ad.equal(ad.rand(2), wanted)
    with pytest.raises(RuntimeError, match="Module must support a 'device' arg"):
        ad.nn.utils.skip_init(ad.nn.ReLU)
