"""Tangents carried along a computation, compared with PyTorch's forward mode."""

from __future__ import annotations

import numpy as np
import pytest

import anadrome as ad
from anadrome.autograd import forward_ad

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

RNG = np.random.default_rng(3)
X, V, W = (RNG.normal(size=(3, 4)) for _ in range(3))

FUNCTIONS = {
    "elementwise": lambda L, x, w: (x * w).tanh() + x.exp(),
    "product": lambda L, x, w: x @ w.mT,
    "reduced": lambda L, x, w: L.logsumexp(x * w, 1),
    "indexed": lambda L, x, w: x[1:, [0, 2]] * 2,
    "softmax": lambda L, x, w: L.nn.functional.softmax(x, -1) * w,
    "in place": lambda L, x, w: (x * 1).mul_(w).add_(x),
    "itself": lambda L, x, w: x,
    "linear": lambda L, x, w: x.sum(0) * 3,
}


def both(call):
    """The same program in both libraries, to plain numbers."""
    out = []
    for L, fw in ((ad, forward_ad), (torch, torch.autograd.forward_ad)):
        found = call(L, fw)
        out.append([None if t is None else t.detach().numpy() for t in found])
    for ours, theirs in zip(*out, strict=True):
        assert (ours is None) == (theirs is None)
        if theirs is not None:
            assert ours.dtype == theirs.dtype
            np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_tangents(name):
    def program(L, fw):
        w = L.tensor(W)
        with fw.dual_level():
            x = fw.make_dual(L.tensor(X), L.tensor(V))
            out = FUNCTIONS[name](L, x, w)
            first, again = fw.unpack_dual(out), fw.unpack_dual(out)
            assert (first.tangent == again.tangent).all()
            return [*first, fw.unpack_dual(w).tangent, fw.unpack_dual(x).tangent]

    both(program)


def test_a_tangent_of_another_precision():
    def program(L, fw):
        with fw.dual_level():
            x = fw.make_dual(L.tensor(X, dtype=L.float64), L.tensor(V, dtype=L.float32))
            return [fw.unpack_dual(x.exp() * x).tangent]

    both(program)


def test_two_duals_and_what_depends_on_neither():
    def program(L, fw):
        with fw.dual_level():
            x = fw.make_dual(L.tensor(X), L.tensor(V))
            y = fw.make_dual(L.tensor(W), L.tensor(X))
            return [
                fw.unpack_dual(x * y).tangent,
                fw.unpack_dual(y.sin()).tangent,
                fw.unpack_dual(L.ones(2) * 3).tangent,
                fw.unpack_dual(x.detach() * 2).tangent,
                fw.unpack_dual((x > 0).to(L.float64)).tangent,
            ]

    both(program)


def test_a_gradient_beside_and_of_the_tangent():
    """Reverse mode through what forward mode gave."""

    def program(L, fw):
        w = L.tensor(W, requires_grad=True)
        with fw.dual_level():
            x = fw.make_dual(L.tensor(X), L.tensor(V))
            primal, tangent = fw.unpack_dual((x * w).square().sum())
            (of_tangent,) = L.autograd.grad(tangent, w, retain_graph=True)
            (of_primal,) = L.autograd.grad(primal, w)
        return [of_tangent, of_primal]

    both(program)


def test_a_module_with_tangents_of_its_parameters():
    def program(L, fw):
        model = L.nn.Linear(4, 2, dtype=L.float64)
        with L.no_grad():
            for p in model.parameters():
                p.fill_(0.5)
        with fw.dual_level():
            for name, p in list(model.named_parameters()):
                delattr(model, name)
                setattr(model, name, fw.make_dual(p, L.ones_like(p)))
            return fw.unpack_dual(model(L.tensor(X)).tanh())

    both(program)


def test_levels_are_closed_and_do_not_nest():
    for L, fw in ((ad, forward_ad), (torch, torch.autograd.forward_ad)):
        with fw.dual_level():
            x = fw.make_dual(L.tensor(X), L.tensor(V))
            with pytest.raises(RuntimeError, match="Nested forward mode AD is not supported"):
                fw.enter_dual_level()
        assert fw.unpack_dual(x).tangent is None
        with pytest.raises(RuntimeError, match="no level exists, make sure to enter_dual_level"):
            fw.make_dual(L.tensor(X), L.tensor(V))
        with pytest.raises(RuntimeError):
            fw.exit_dual_level()
        with fw.dual_level(), pytest.raises(RuntimeError, match="was not the last one"):
            fw.exit_dual_level(level=1)


@pytest.mark.parametrize(
    ("primal", "tangent", "kind", "text"),
    [
        ([1, 2], [1.0, 2.0], ValueError, "Expected primal to be floating point or complex"),
        ([1.0, 2.0], [1, 2], ValueError, "Expected tangent to be floating point or complex"),
        ([1.0, 2.0], [1.0], RuntimeError, "has a different size than that of"),
    ],
)
def test_bad_duals(primal, tangent, kind, text):
    for L, fw in ((ad, forward_ad), (torch, torch.autograd.forward_ad)):
        with fw.dual_level(), pytest.raises(kind, match=text):
            fw.make_dual(L.tensor(primal), L.tensor(tangent))


def test_without_recording_there_is_an_error_and_no_wrong_answer():
    with forward_ad.dual_level():
        x = forward_ad.make_dual(ad.tensor(X), ad.tensor(V))
        with ad.no_grad(), pytest.raises(RuntimeError, match="recording is off here"):
            forward_ad.unpack_dual(x * x)


def test_a_function_that_says_only_its_jvp():
    def program(L, fw):
        class Turned(L.autograd.Function):
            @staticmethod
            def forward(ctx, x, k, y):
                ctx.result = x.exp() * k
                ctx.factor = k
                return ctx.result + y, y * 2

            @staticmethod
            def jvp(ctx, x, k, y):
                assert k is None
                first = 0 if x is None else x * ctx.result
                return first + (0 if y is None else y), 0 if y is None else y * 2

        w = L.tensor(W)
        with fw.dual_level():
            x = fw.make_dual(L.tensor(X), L.tensor(V))
            y = fw.make_dual(w, L.tensor(X))
            both_outputs = Turned.apply(x, 3.0, y)
            return [
                *[fw.unpack_dual(o).tangent for o in both_outputs],
                fw.unpack_dual(Turned.apply(x, 2.0, w)[0].sin()).tangent,
            ]

    both(program)
    x = ad.tensor(X, requires_grad=True)

    class Exp(ad.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.result = x.exp()
            return ctx.result

        @staticmethod
        def jvp(ctx, tangent):
            return tangent * ctx.result

    assert ad.autograd.gradcheck(Exp.apply, (x,), check_forward_ad=True, check_backward_ad=False)
    Exp.apply(x).sum().backward()
    assert ad.allclose(x.grad, x.exp())


def test_what_is_saved_for_forward_is_what_jvp_sees():
    def program(L, fw):
        class OnlyJvp(L.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_forward(None, x.cos())
                ctx.save_for_backward(x)
                return x.sin()

            @staticmethod
            def jvp(ctx, tangent):
                nothing, slope = ctx.saved_tensors
                assert nothing is None
                return tangent * slope

        class Exp(L.autograd.Function):
            generate_vmap_rule = True

            @staticmethod
            def forward(x):
                return x.exp()

            @staticmethod
            def setup_context(ctx, inputs, output):
                ctx.save_for_backward(output)
                ctx.save_for_forward(output, inputs[0])

            @staticmethod
            def backward(ctx, g):
                (out,) = ctx.saved_tensors
                return g * out

            @staticmethod
            def jvp(ctx, tangent):
                out, _ = ctx.saved_tensors
                return tangent * out

        with fw.dual_level():
            x = fw.make_dual(L.tensor(X), L.tensor(V))
            tangents = [fw.unpack_dual(f.apply(x)).tangent for f in (OnlyJvp, Exp)]
        leaf = L.tensor(X, requires_grad=True)
        Exp.apply(leaf).sum().backward()
        return [*tangents, leaf.grad]

    both(program)
    with pytest.raises(TypeError, match="save_for_forward can only save Tensors"):
        ad.autograd.function.FunctionCtx.save_for_forward(None, 1.0)


def test_gradcheck_takes_pytorchs_arguments():
    def program(L, fw):
        class Half(L.autograd.Function):
            @staticmethod
            def forward(ctx, x, wrong):
                ctx.factor = 3.0 if wrong else 2.0
                return x * 2

            @staticmethod
            def jvp(ctx, x, _):
                return x * ctx.factor

            @staticmethod
            def backward(ctx, g):
                return g * ctx.factor, None

        x = L.tensor(X, requires_grad=True)
        z = L.tensor(X + 1j * V, requires_grad=True)
        check, twice = L.autograd.gradcheck, L.autograd.gradgradcheck
        quiet = {"raise_exception": False}
        found = [
            check(lambda x: x.sin() * 2, x, check_forward_ad=True, check_batched_grad=True),
            check(lambda x: (x * x.sum(), x), (x,), check_forward_ad=True, fast_mode=True),
            check(lambda z: z * z.conj() + z, z, check_forward_ad=True, check_backward_ad=False),
            check(lambda x: x.exp(), x, nondet_tol=1e-9, check_undefined_grad=False, masked=False),
            twice(lambda x: x.sin(), x, check_undefined_grad=False, check_batched_grad=True),
            twice(lambda x: x.sin(), x, check_fwd_over_rev=True),
            check(lambda x: Half.apply(x, False), x, check_forward_ad=True, **quiet),
            check(lambda x: Half.apply(x, True), x, **quiet),
        ]
        with pytest.raises(AssertionError, match="check_forward_ad or check_backward_ad"):
            check(lambda x: x, x, check_backward_ad=False)
        return [L.tensor(found)]

    both(program)
    x = ad.tensor(X, requires_grad=True)

    class Wrong(ad.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def jvp(ctx, x):
            return x * 3

    with pytest.raises(RuntimeError, match="forward mode mismatch"):
        ad.autograd.gradcheck(Wrong.apply, x, check_forward_ad=True, check_backward_ad=False)


PLACES = (1, 2, 2, 1, 0)
#: Writes to places that occur twice, and the padding of an embedding: PyTorch's gradient of these
#: is not the transpose of their derivative, so a tangent cannot be had from it.
WRITES = {
    "setitem": lambda L, x, v, at: x.clone().index_put_((at,), v),
    "index_put": lambda L, x, v, at: x.index_put((at,), v),
    "index_put of one value": lambda L, x, v, at: x.index_put((at,), v[:1]),
    "index_put of pairs": lambda L, x, v, at: x.reshape(2, 2).index_put((at // 2, at % 2), v),
    "scatter": lambda L, x, v, at: x.scatter(0, at, v),
    "index_copy": lambda L, x, v, at: x.index_copy(0, at, v),
    "index_copy of rows": lambda L, x, v, at: L.stack([x, x * x]).index_copy(
        1, at, L.stack([v, v * v])
    ),
    "put": lambda L, x, v, at: x.put(at, v),
    "amin": lambda L, x, v, at: x.scatter_reduce(0, at, v, "amin", include_self=False),
    "embedding": lambda L, x, v, at: L.nn.functional.embedding(at, v[:, None], padding_idx=2),
}


@pytest.mark.parametrize("name", WRITES)
def test_tangents_of_writes_to_one_place_and_of_padding(name):
    def all_ways(L):
        x, v = L.tensor([3.0, 1.0, 2.0, 4.0]), L.tensor([2.0, 1.0, 2.0, 5.0, 3.0])
        at, write = L.tensor(PLACES), WRITES[name]
        s, t = L.tensor([1.0, 2.0, 3.0, 4.0]), L.tensor([1.0, 3.0, 5.0, 7.0, 9.0])
        call = lambda x, v: write(L, x, v, at)
        fwAD = L.autograd.forward_ad
        with fwAD.dual_level():
            out = call(fwAD.make_dual(x, s), fwAD.make_dual(v, t))
            dual = fwAD.unpack_dual(out).tangent
        return [
            dual.tolist(),
            L.func.jvp(call, (x, v), (s, t))[1].tolist(),
            [j.tolist() for j in L.func.jacfwd(call, (0, 1))(x, v)],
            [j.tolist() for j in L.func.jacrev(call, (0, 1))(x, v)],
            L.func.hessian(lambda v: (call(x, v) ** 2).sum())(v).tolist(),
        ]

    torch = pytest.importorskip("torch")
    assert all_ways(ad) == all_ways(torch)
