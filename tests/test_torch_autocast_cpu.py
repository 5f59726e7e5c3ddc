"""Autocast on the CPU as in PyTorch: the types of results and gradients, and their values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracle import numbers

import anadrome as ad

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore:Mismatch dtype between input and weight"),
    pytest.mark.filterwarnings("ignore:.*deprecated"),
]

#: Which of the tensors are half, and which float32.
GIVEN = ("all half", "all float32", "half first", "float32 first")

SQUARE = (4, 4)
IMAGE = (2, 3, 6, 6)
SOLID = (1, 2, 4, 4, 4)

#: Name: the call of a library and its tensors, and their shapes.
CASES: dict[str, tuple[Any, tuple[tuple[int, ...], ...]]] = {}


def case(name: str, call: Any, *shapes: tuple[int, ...]) -> None:
    """One function for all of them."""
    CASES[name] = call, shapes


def spd(x: Any) -> Any:
    """Symmetric and positive definite, in the type of ``x``."""
    wide = x.float()
    n = x.shape[-1]
    return (wide @ wide.mT / n).to(x.dtype) + wide.new_ones(n).diag().to(x.dtype)


def labels(L: Any) -> Any:
    return L.tensor([0, 2, 1])


def signs(L: Any) -> Any:
    return L.tensor([1, -1, 1])


# -- in float32 -----------------------------------------------------------------------------------
for one in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft", "fft2", "rfft2", "fftn", "irfftn"):
    case(f"fft.{one}", lambda L, x, one=one: getattr(L.fft, one)(x), SQUARE)
case("stft", lambda L, x, w: L.stft(x, 8, window=w, return_complex=True), (32,), (8,))
for one in ("cholesky", "cholesky_ex", "inv", "inv_ex", "eigvalsh", "svdvals", "cond", "qr"):
    case(
        f"linalg.{one}",
        lambda L, x, one=one: getattr(L.linalg, one)(spd(x)),
        SQUARE,
    )
for one in ("eig", "eigh", "eigvals", "svd", "matrix_rank"):
    case(f"linalg.{one}", lambda L, x, one=one: getattr(L.linalg, one)(spd(x).detach()), SQUARE)
for one in ("inverse", "cholesky", "pinverse", "geqrf"):
    case(one, lambda L, x, one=one: getattr(L, one)(spd(x).detach()), SQUARE)
case("linalg.solve", lambda L, a, b: L.linalg.solve(spd(a), b), SQUARE, SQUARE)
case("linalg.lstsq", lambda L, a, b: L.linalg.lstsq(spd(a), b)[0], SQUARE, SQUARE)
case("linalg.tensorsolve", lambda L, a, b: L.linalg.tensorsolve(spd(a), b), SQUARE, (4,))
case("linalg.tensorinv", lambda L, a: L.linalg.tensorinv(spd(a), ind=1), SQUARE)
case("matrix_power", lambda L, a: L.linalg.matrix_power(spd(a), -1), SQUARE)
case("cholesky_solve", lambda L, b, a: L.cholesky_solve(b, spd(a).tril()), SQUARE, SQUARE)
case("cholesky_inverse", lambda L, a: L.cholesky_inverse(spd(a).tril()), SQUARE)
case("triangular_solve", lambda L, b, a: L.triangular_solve(b, spd(a).triu())[0], SQUARE, SQUARE)
case("cdist", lambda L, a, b: L.cdist(a, b), (3, 4), (5, 4))
case("quantile", lambda L, x: L.quantile(x, 0.3, dim=1), SQUARE)
case("nanquantile", lambda L, x: L.nanquantile(x, 0.3, dim=1), SQUARE)
case("trace", lambda L, x: L.trace(x), SQUARE)
case("polar", lambda L, a, b: L.polar(a.abs() + 0.5, b), SQUARE, SQUARE)
case("view_as_complex", lambda L, x: L.view_as_complex(x), (3, 2))
case("prod", lambda L, x: x.prod(1), SQUARE)
case("avg_pool3d", lambda L, x: L.nn.functional.avg_pool3d(x, 2), SOLID)
case("max_pool3d", lambda L, x: L.nn.functional.max_pool3d(x, 2), SOLID)
case("adaptive_avg_pool3d", lambda L, x: L.nn.functional.adaptive_avg_pool3d(x, 2), SOLID)
case("adaptive_max_pool3d", lambda L, x: L.nn.functional.adaptive_max_pool3d(x, 2), SOLID)
case("lp_pool3d", lambda L, x: L.nn.functional.lp_pool3d(x.abs() + 1, 2.0, 2), SOLID)
case("interpolate area", lambda L, x: L.nn.functional.interpolate(x, 2, mode="area"), SOLID)
case("local_response_norm", lambda L, x: L.nn.functional.local_response_norm(x, 2), IMAGE)
case("reflect 1", lambda L, x: L.nn.functional.pad(x, (1, 2), "reflect"), (2, 3, 5))
case("reflect 2", lambda L, x: L.nn.functional.pad(x, (1, 2, 0, 1), "reflect"), IMAGE)
for n, shape in ((1, (2, 3, 5)), (2, IMAGE), (3, SOLID)):
    case(
        f"replicate {n}",
        lambda L, x, n=n: L.nn.functional.pad(x, (1, 2) * n, "replicate"),
        shape,
    )
case(
    "grid_sample",
    lambda L, x, g: L.nn.functional.grid_sample(x, g * 0.4, align_corners=False),
    IMAGE,
    (2, 3, 3, 2),
)
for one in ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "kl_div", "poisson_nll_loss"):
    case(one, lambda L, a, b, one=one: getattr(L.nn.functional, one)(a, b), SQUARE, SQUARE)
case(
    "binary_cross_entropy",
    lambda L, a, b: L.nn.functional.binary_cross_entropy(a.sigmoid(), b.sigmoid()),
    SQUARE,
    SQUARE,
)
case(
    "binary_cross_entropy_with_logits",
    lambda L, a, b: L.nn.functional.binary_cross_entropy_with_logits(a, b.sigmoid()),
    SQUARE,
    SQUARE,
)
case("cross_entropy", lambda L, x: L.nn.functional.cross_entropy(x, labels(L)), (3, 4))
case(
    "cross_entropy smoothed",
    lambda L, x, w: L.nn.functional.cross_entropy(
        x, labels(L), w.abs().detach(), label_smoothing=0.1
    ),
    (3, 4),
    (4,),
)
case(
    "cross_entropy of shares",
    lambda L, x, t: L.nn.functional.cross_entropy(x, t.softmax(1)),
    (3, 4),
    (3, 4),
)
case("nll_loss", lambda L, x: L.nn.functional.nll_loss(x.log_softmax(1), labels(L)), (3, 4))
case("multi_margin_loss", lambda L, x: L.nn.functional.multi_margin_loss(x, labels(L)), (3, 4))
case(
    "multilabel_margin_loss",
    lambda L, x: L.nn.functional.multilabel_margin_loss(x, L.tensor([[0, 2, -1], [1, -1, 0]])),
    (2, 3),
)
case("soft_margin_loss", lambda L, a: L.nn.functional.soft_margin_loss(a, signs(L)), (3,))
case(
    "margin_ranking_loss",
    lambda L, a, b: L.nn.functional.margin_ranking_loss(a, b, signs(L)),
    (3,),
    (3,),
)
case(
    "hinge_embedding_loss",
    lambda L, a: L.nn.functional.hinge_embedding_loss(a, signs(L)),
    (3,),
)
case(
    "cosine_embedding_loss",
    lambda L, a, b: L.nn.functional.cosine_embedding_loss(a, b, signs(L)),
    (3, 4),
    (3, 4),
)
case(
    "triplet_margin_loss",
    lambda L, a, b, c: L.nn.functional.triplet_margin_loss(a, b, c),
    (3, 4),
    (3, 4),
    (3, 4),
)
case(
    "ctc_loss",
    lambda L, x: L.nn.functional.ctc_loss(
        x, L.tensor([[1, 2], [2, 1]]), L.tensor([5, 5]), L.tensor([2, 2])
    ),
    (5, 2, 3),
)
# -- in half precision ----------------------------------------------------------------------------
case("mm", lambda L, a, b: a @ b, SQUARE, SQUARE)
case("vector @ vector", lambda L, a, b: a @ b, (4,), (4,))
case("matrix @ vector", lambda L, a, b: a @ b, SQUARE, (4,))
case("vecdot", lambda L, a, b: L.linalg.vecdot(a, b), SQUARE, SQUARE)
case("prelu", lambda L, x, w: L.nn.functional.prelu(x, w), (2, 3), (3,))
case(
    "scaled_dot_product_attention",
    lambda L, q, k, v: L.nn.functional.scaled_dot_product_attention(q, k, v),
    (2, 3, 4),
    (2, 3, 4),
    (2, 3, 4),
)
case(
    "conv_transpose2d",
    lambda L, x, w, b: L.nn.functional.conv_transpose2d(
        x, w, b, stride=2, output_padding=2, dilation=3
    ),
    (1, 2, 3, 3),
    (2, 2, 2, 2),
    (2,),
)
case("tensordot", lambda L, a, b: L.tensordot(a, b, 1), SQUARE, SQUARE)
# -- in the widest type ---------------------------------------------------------------------------
case("cat", lambda L, a, b: L.cat([a, b]), SQUARE, SQUARE)
case("stack", lambda L, a, b: L.stack([a, b]), SQUARE, SQUARE)
case("index_copy", lambda L, a, b: a.index_copy(0, L.tensor([1]), b[:1]), SQUARE, SQUARE)
# -- as they come ---------------------------------------------------------------------------------
for one in ("exp", "log1p", "asinh", "sum", "logsumexp", "cumprod", "logcumsumexp", "cumsum"):
    places = (0,) if one in ("logsumexp", "cumprod", "logcumsumexp", "cumsum") else ()
    case(
        one,
        lambda L, x, one=one, places=places: getattr(L, one)(x.abs() * 0.5 + 0.1, *places),
        SQUARE,
    )
case("acosh", lambda L, x: L.acosh(x.abs() + 1.5), SQUARE)
case("atanh", lambda L, x: L.atanh(x * 0.4), SQUARE)
case("erfinv", lambda L, x: L.erfinv(x * 0.4), SQUARE)
case("matrix_exp", lambda L, x: L.matrix_exp(x), SQUARE)
case("norm", lambda L, x: x.norm(3, 1), SQUARE)
case("linalg.vector_norm", lambda L, x: L.linalg.vector_norm(x, 1.5), SQUARE)
case("normalize", lambda L, x: L.nn.functional.normalize(x, p=3.0), SQUARE)
case("dist", lambda L, a, b: L.dist(a, b, 3), SQUARE, SQUARE)
case("renorm", lambda L, x: L.renorm(x, 3, 0, 1.0), SQUARE)
case("pairwise_distance", lambda L, a, b: L.nn.functional.pairwise_distance(a, b), SQUARE, SQUARE)
case("mv", lambda L, a, b: L.mv(a, b), SQUARE, (4,))
case("dot", lambda L, a, b: L.dot(a, b), (4,), (4,))
case("inner", lambda L, a, b: L.inner(a, b), (4,), (4,))
case("tensordot of all", lambda L, a, b: L.tensordot(a, b, 2), SQUARE, SQUARE)
case("addr", lambda L, x, a, b: L.addr(x, a.detach(), b.detach()), SQUARE, (4,), (4,))
case("bilinear", lambda L, a, b, w: L.nn.functional.bilinear(a, b, w), SQUARE, SQUARE, (2, 4, 4))
case("softmax", lambda L, x: x.softmax(1), SQUARE)
case("layer_norm", lambda L, x, w: L.nn.functional.layer_norm(x, (4,), w, w), SQUARE, (4,))
case("group_norm", lambda L, x, w: L.nn.functional.group_norm(x, 2, w, w), (2, 4, 5), (4,))
case("rms_norm", lambda L, x, w: L.nn.functional.rms_norm(x, (4,), w), SQUARE, (4,))
case("pad", lambda L, x: L.nn.functional.pad(x, (1, 1)), SQUARE)
case("circular", lambda L, x: L.nn.functional.pad(x, (1, 1), "circular"), (2, 3, 5))
case("reflect 3", lambda L, x: L.nn.functional.pad(x, (1,) * 6, "reflect"), SOLID)
case(
    "max_pool3d with indices",
    lambda L, x: L.nn.functional.max_pool3d(x, 2, return_indices=True)[0],
    SOLID,
)
case("avg_pool2d", lambda L, x: L.nn.functional.avg_pool2d(x, 2), IMAGE)


def types_of(given: str, half: Any, single: Any, count: int) -> list[Any]:
    first, rest = {
        "all half": (half, half),
        "all float32": (single, single),
        "half first": (half, single),
        "float32 first": (single, half),
    }[given]
    return [first] + [rest] * (count - 1)


def run(library: Any, name: str, given: str, half: str) -> Any:
    """What comes out, and the gradients; None where the library refuses those types."""
    call, shapes = CASES[name]
    kinds = types_of(given, getattr(library, half), library.float32, len(shapes))
    inputs = []
    for i, (shape, kind) in enumerate(zip(shapes, kinds, strict=True)):
        values = numbers(*shape, seed=i).round(1).astype(np.float32)
        inputs.append(library.tensor(values.tolist()).to(kind).requires_grad_())
    with library.autocast("cpu", dtype=getattr(library, half)):
        try:
            out = call(library, *inputs)
        except RuntimeError:
            return None, None
    outs = list(out) if isinstance(out, (tuple, list)) else [out]
    ends = [o for o in outs if o.requires_grad]
    if not ends:
        return outs, []
    loss = sum((o.abs().float() if o.is_complex() else o.float()).square().sum() for o in ends)
    grads = library.autograd.grad(loss, inputs, allow_unused=True)
    return outs, [g for g in grads if g is not None]


def plain(x: Any) -> np.ndarray:
    x = x.detach().resolve_conj()
    return np.asarray((x if x.is_complex() else x.float()).numpy())


def same_types(ours: Any, theirs: Any) -> None:
    told = [[str(x.dtype).rpartition(".")[2] for x in xs] for xs in (ours, theirs)]
    assert told[0] == told[1]


#: Whose vectors have a sign, or a phase, that nobody fixes; and what is NaN in PyTorch's half.
FREE = {"linalg.eig", "linalg.eigh", "linalg.eigvals", "linalg.svd", "linalg.qr", "geqrf",
        "matrix_exp"}  # fmt: skip


@pytest.mark.parametrize("half", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", CASES)
def test_types_and_values(name: str, half: str) -> None:
    torch = pytest.importorskip("torch")
    met = 0
    near = 4e-2 if half == "bfloat16" else 6e-3
    for given in GIVEN[: 4 if len(CASES[name][1]) > 1 else 2]:
        theirs, wanted = run(torch, name, given, half)
        if theirs is None:
            continue  # what PyTorch refuses may be taken here
        met += 1
        ours, found = run(ad, name, given, half)
        assert ours is not None, given
        same_types(ours, theirs)
        same_types(found, wanted)
        if name in FREE:
            continue
        for a, b in ((ours, theirs), (found, wanted)):
            for x, y in zip(a, b, strict=True):
                x, y = plain(x), plain(y)
                np.testing.assert_allclose(
                    x, y, rtol=near, atol=near * (np.abs(y).max(initial=0.1) + 0.1), err_msg=given
                )
    assert met >= 2


@pytest.mark.parametrize("half", ["bfloat16", "float16"])
def test_what_is_written_into_a_given_tensor_is_computed_in_the_types_given(half: str) -> None:
    """In place and by ``out=``: forms that are on none of PyTorch's lists."""
    torch = pytest.importorskip("torch")
    results = []
    for L in (ad, torch):
        kind = getattr(L, half)
        a = L.tensor(numbers(4, 4).astype(np.float32).tolist())
        h = a.to(kind)
        made = []
        with L.autocast("cpu", dtype=kind):
            for function, args in ((L.mm, (a, a)), (L.matmul, (a, a)), (L.addmm, (a, a, a))):
                out = L.empty(4, 4)
                assert function(*args, out=out) is out
                made.append(out)
            made.append(L.bmm(a[None], a[None], out=L.empty(1, 4, 4)))
            made.append(L.prod(h, 0, out=L.empty(4, dtype=kind)))
            made.append(L.cumprod(h, 0, out=L.empty(4, 4, dtype=kind)))
            made.append(a.clone().addmm_(a, a))
            made.append(a[None].clone().baddbmm_(a[None], a[None]))
            made.append(a.clone().addbmm_(a[None], a[None]))
            made.append(h.clone().exp_())
            made.append(h.clone().cumprod_(0))
            for refused in (
                lambda L=L, h=h: L.fft.fft(h, out=L.empty(4, 4, dtype=L.complex64)),
                lambda L=L, h=h: L.quantile(h, 0.5, out=L.empty(())),
                lambda a=a, h=h: h.clone().addmm_(a, a),
            ):
                with pytest.raises(RuntimeError):
                    refused()
            assert L.is_autocast_enabled("cpu")
        results.append(made)
    same_types(*results)
    for x, y in zip(*results, strict=True):
        np.testing.assert_allclose(plain(x), plain(y), rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("half", ["bfloat16", "float16"])
@pytest.mark.parametrize("kind", ["float32", "half"])
@pytest.mark.parametrize("name", ["GRU", "GRUCell", "RNN"])
def test_recurrent_modules(name: str, kind: str, half: str) -> None:
    """A GRU's state stays as wide as it was given."""
    torch = pytest.importorskip("torch")
    results = []
    for L in (ad, torch):
        layer = getattr(L.nn, name)(3, 4)
        for i, p in enumerate(layer.parameters()):
            p.data = L.tensor(numbers(*p.shape, seed=i, low=-0.5, high=0.5).tolist()).float()
        x = L.tensor(numbers(5, 2, 3).tolist()).to(
            L.float32 if kind == "float32" else getattr(L, half)
        )
        x = (x[0] if name == "GRUCell" else x).detach().requires_grad_()
        with L.autocast("cpu", dtype=getattr(L, half)):
            out = layer(x)
        out = out[0] if isinstance(out, tuple) else out
        leaves = [x, *layer.parameters()]
        results.append([out, *L.autograd.grad(out.float().square().sum(), leaves)])
    same_types(*results)
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(plain(a), plain(b), rtol=5e-2, atol=5e-2)
