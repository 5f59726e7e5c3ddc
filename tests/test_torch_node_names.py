"""Names of nodes and the graphs of them, as PyTorch prints and walks them."""

from __future__ import annotations

from typing import Any

import pytest

import anadrome as ad

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]

#: Whose graphs are PyTorch's, node by node.
GRAPHS = """
    x[0]; x[-1]; x[0:2]; x[:]; x[...]; x[None]; x[:, None]; x[i]; x[[0, 1]]; x[m]; x[m2];
    x[:, 0]; x[:, i]; x[i, i]; x[::2]; x[..., 0]; x[..., None]; x[1:2, i]; x[0][i]; x[()];
    x[True]; x[d0]; put(x, 0); put(x, i); put(x, m); putv(x, 0); putv(x, m);
    putv(x, slice(0, 2)); putv(x, (0, 1)); putv(x, i); (x * 1).add_(1); (x * 1).mul_(x);
    (x * 1).copy_(x); (x * 1).masked_fill_(m, 0); (x * 1).index_put_((i, ), x[:2]);
    (x * 1).clamp_(0); x.select(0, 1); x.narrow(0, 0, 1); x.unfold(0, 2, 1); x.diagonal(); x.T;
    x.mT; x.t(); x.transpose(0, 1); x.permute(1, 0); x.view(-1); x.reshape(-1); x.flatten();
    x.unsqueeze(0); x.squeeze(); x[None].squeeze(0); x.expand(3, 3); x[None].expand(2, 3, 3);
    x.repeat(2, 1); x.tile(2); x.t().contiguous(); x.clone(); x.flip(0); x.roll(1);
    L.cat([x, x]); L.stack([x, x]); L.vstack([x, x]); x.ravel(); x.view_as(x); x.expand_as(x);
    x.unflatten(0, (1, 3)); x.as_strided((2, ), (1, )); x.tril(); x.triu(); L.diag_embed(x);
    z.abs(); z.angle(); L.view_as_real(z);
    L.view_as_complex(L.ones(3, 2, dtype=L.float64, requires_grad=True)); z.conj();
    L.complex(x, x); x.sum(); x.sum(0); x.mean(); x.mean(1); x.max(); x.max(0)[0]; x.min(0)[0];
    x.amax(0); x.amin(); x.prod(); x.prod(0); x.std(); x.var(0); x.norm(); x.norm(dim=0);
    x.norm(1); L.linalg.norm(x); L.linalg.vector_norm(x); L.linalg.matrix_norm(x);
    x.logsumexp(0); x.cumsum(0); x.cumprod(0); x.median(); x.median(0)[0]; x.mode(0)[0];
    x.sort(0)[0]; x.topk(1)[0]; x.kthvalue(1)[0]; x.cummax(0)[0]; x.logcumsumexp(0); x.diff();
    x+1; 1+x; x-1; x * 2; x/2; x**2; x**x; -x; x@x; x.mm(x); x.matmul(x); x.mv(x[0]);
    x[0]@x[0]; x[0].dot(x[1]); L.bmm(x[None], x[None]); L.addmm(x, x, x); L.tensordot(x, x, 1);
    x.exp(); x.log(); x.log1p(); x.sqrt(); x.rsqrt(); x.abs(); x.tanh(); x.sigmoid(); x.relu();
    x.clamp(0, 1); x.clamp(min=0); x.maximum(x * 2); x.minimum(x * 2); L.where(m2, x, x * 2);
    x.masked_fill(m2, 0); x.gather(0, g); x.scatter(0, g, x); x.scatter_add(0, g, x);
    x.index_select(0, i); x.index_add(0, i, x[:2]); x.index_copy(0, i, x[:2]);
    L.addcmul(x, x, x); L.addcdiv(x, x, x); x.float(); x.to(L.float32); L.atan2(x, x);
    L.hypot(x, x); x.pow(3); x.square(); x.reciprocal(); x.xlogy(x); x.nan_to_num(); x.cross(x);
    L.linalg.cross(x, x * 2); x.det(); x.inverse(); L.linalg.inv(x); L.linalg.solve(x, x);
    L.linalg.cholesky(x@x.T+9 * L.eye(3, dtype=L.float64)); L.linalg.qr(x)[0];
    L.linalg.svd(x)[1]; L.linalg.eigh(x@x.T)[0]; L.linalg.det(x); L.linalg.slogdet(x)[1];
    L.linalg.pinv(x); L.fft.rfft(x); L.meshgrid(x[0], x[0])[0]; L.broadcast_tensors(x, x[0])[1];
    x.softmax(0); x.log_softmax(0); F.relu(x); F.gelu(x); F.silu(x); F.elu(x); F.leaky_relu(x);
    F.softplus(x); F.mish(x); F.hardtanh(x); F.relu6(x); F.selu(x); F.hardswish(x);
    F.hardsigmoid(x); F.logsigmoid(x); F.softsign(x); F.tanhshrink(x); F.softshrink(x);
    F.hardshrink(x); F.threshold(x, 0, 1); F.softmax(x, 0); F.log_softmax(x, 0);
    F.softmin(x, 0); F.pad(x, (1, 1)); F.embedding(i, x); F.unfold(y, 2); F.max_pool2d(y, 2);
    F.avg_pool2d(y, 2); F.adaptive_avg_pool2d(y, 1); F.adaptive_max_pool2d(y, 2);
    F.lp_pool2d(y, 2, 2); F.layer_norm(x, (3, )); F.batch_norm(y, None, None, None, None, True);
    F.instance_norm(y); F.fold(F.unfold(y, 2), (4, 4), 2); F.mse_loss(x, x * 2);
    F.smooth_l1_loss(x, x * 2); F.huber_loss(x, x * 2); F.nll_loss(x, t); F.kl_div(x, p);
    F.poisson_nll_loss(x, p); F.gaussian_nll_loss(x, p, p); F.multilabel_soft_margin_loss(x, p);
    nn.Conv1d(3, 2, 2).double()(x[None]); nn.Conv2d(1, 2, 2).double()(y);
    nn.Conv2d(1, 2, 2).double()(y[0]); nn.ConvTranspose2d(1, 2, 2).double()(y);
    nn.BatchNorm1d(3).double()(x); nn.BatchNorm1d(3).double().eval()(x);
    nn.BatchNorm2d(1).double()(y); nn.LayerNorm(3).double()(x);
    nn.InstanceNorm2d(1).double()(y); nn.Embedding(4, 3)(i); nn.PReLU().double()(x);
    nn.Flatten()(y); nn.Softmax(1)(x); nn.MaxPool2d(2)(y); nn.Identity()(x * 1);
    nn.Dropout().eval()(x * 2)
"""

#: Whose last node is PyTorch's; what leads to it is one op here, or others.
LAST = """
    x[0, 1]; x[0, None]; x[0, 1:2]; z.real; z.imag; x.nanmean(); 2**x; L.outer(x[0], x[0]);
    L.inner(x, x); L.lerp(x, x * 2, 0.5); x.fmod(2); x%2; x.remainder(2);
    L.cartesian_prod(x[0], x[0]); L.cov(x); L.corrcoef(x); L.vander(x[0]); L.combinations(x[0]);
    F.prelu(x, x[0, :1]); F.normalize(x); F.cosine_similarity(x, x * 2);
    F.max_pool1d(x[None], 2); F.avg_pool1d(x[None], 2); F.local_response_norm(y, 2);
    F.l1_loss(x, x * 2); F.cross_entropy(x, t); F.binary_cross_entropy(x.sigmoid(), p);
    F.binary_cross_entropy_with_logits(x, p);
    F.cross_entropy(y, L.zeros(1, 4, 4, dtype=L.int64)); F.hinge_embedding_loss(x, p.sign());
    F.margin_ranking_loss(x, x * 2, p); F.triplet_margin_loss(x, x * 2, x * 3);
    F.cosine_embedding_loss(x, x * 2, p[0].sign());
    F.ctc_loss(x[:, None].log_softmax(2), L.tensor([[1]]), L.tensor([3]), L.tensor([1]));
    nn.Linear(3, 2).double()(x); nn.Linear(3, 2, bias=False).double()(x);
    nn.Linear(3, 2).double()(x[0]); nn.Linear(3, 2).double()(x[None]);
    nn.Linear(3, 2, bias=False).double()(x[None]); nn.Linear(3, 2, bias=False).double()(x[0]);
    nn.RNN(3, 2).double()(x)[0]; nn.LSTM(3, 2).double()(x)[0]; nn.LSTM(3, 2).double()(x)[1][0];
    nn.GRU(3, 2).double()(x)[0]; nn.MultiheadAttention(3, 1).double()(x, x, x)[0];
    nn.MultiheadAttention(3, 1).double()(x[None], x[None], x[None])[0];
    nn.MultiheadAttention(3, 1).double()(x[None], x[None], x[None])[1];
    nn.MultiheadAttention(3, 1).double()(x, x, x, need_weights=False)[0];
    nn.TransformerEncoderLayer(3, 1, 4).double()(x[None]); nn.Bilinear(3, 3, 2).double()(x, x);
    nn.CosineSimilarity()(x, x * 2);
    nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1)).double()(x)
"""


def given(L: Any) -> dict[str, Any]:
    """What stands in the expressions."""
    x = L.tensor(
        [[0.5, -1.2, 2.0], [1.0, 0.3, 0.7], [0.1, 0.9, -0.4]], dtype=L.float64, requires_grad=True
    )

    def put(x: Any, index: Any) -> Any:
        y = x * 1
        y[index] = 0.0
        return y

    def putv(x: Any, index: Any) -> Any:
        y = x * 1
        y[index] = (x[index] * 3).detach().requires_grad_()
        return y

    return {
        "L": L, "F": L.nn.functional, "nn": L.nn, "x": x, "put": put, "putv": putv,
        "i": L.tensor([0, 2]), "m": L.tensor([True, False, True]),
        "m2": L.tensor([[True, False, True]] * 3), "d0": L.tensor(1),
        "z": L.tensor([1 + 2j, 3j, 1], dtype=L.complex128, requires_grad=True),
        "g": L.tensor([[0, 1, 2], [1, 0, 2], [2, 1, 0]]), "t": L.tensor([0, 2, 1]),
        "y": L.arange(16, dtype=L.float64).reshape(1, 1, 4, 4).requires_grad_(),
        "p": L.tensor([[0.2, 0.3, 0.5]] * 3, dtype=L.float64),
    }  # fmt: skip


def node_of(L: Any, expression: str) -> Any:
    return eval(expression, given(L)).grad_fn


def walked(node: Any, depth: int = 6) -> Any:
    """The names from a node to the leaves."""
    if node is None:
        return None
    name = node.name().replace("torch::autograd::", "")
    assert node.name().endswith(type(node).__name__)
    return name, [(walked(n, depth - 1), nr) for n, nr in node.next_functions] if depth else []


def split(table: str) -> list[str]:
    return " ".join(table.split()).split("; ")


@pytest.mark.parametrize("expression", split(GRAPHS))
def test_graphs(expression: str) -> None:
    assert walked(node_of(ad, expression)) == walked(node_of(torch, expression))


@pytest.mark.parametrize("expression", split(LAST))
def test_last_nodes(expression: str) -> None:
    assert node_of(ad, expression).name() == node_of(torch, expression).name()


def test_a_name_stays_after_a_backward() -> None:
    x = ad.ones(3, 3, requires_grad=True)
    y = x[0]
    z = y.sum(0)
    z.backward()
    assert (y.grad_fn.name(), z.grad_fn.name()) == ("SelectBackward0", "SumBackward1")
    assert "grad_fn=<SelectBackward0>" in repr(y)


def test_a_name_that_what_is_saved_tells_while_hooks_hold_it() -> None:
    x = ad.ones(3, requires_grad=True)
    with ad.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t):
        y = x.prod(0)
        z = 2**x
    assert (y.grad_fn.name(), z.grad_fn.name()) == ("ProdBackward1", "PowBackward2")


def test_a_node_that_was_seen_in_a_checkpoint_is_the_same_op() -> None:
    x = ad.ones(3, 3, requires_grad=True)
    seen = []

    def segment(x: Any) -> Any:
        y = (x * x).prod(0)
        seen.append(y.grad_fn.name())
        return y * y

    ad.utils.checkpoint.checkpoint(segment, x, use_reentrant=False).sum().backward()
    assert len(seen) == 2
    assert seen[1] == "ProdBackward1"
    assert x.grad.tolist() == [[4.0] * 3] * 3


def test_a_name_depends_on_what_is_saved_only() -> None:
    with pytest.raises(ad.errors.DeclarationError, match="depends on 'x', which no rule saves"):
        ad.op("named_wrongly", lambda xp, x: x + 1, x=lambda g: g, named=lambda x: "X")
