"""What calls drawn by ``tests/fuzz`` showed after that; continues ``test_torch_fuzzed_later``."""

from __future__ import annotations

from typing import Any

import pytest
from test_torch_fuzzed_later import REFUSED, evaluated

import anadrome as ad

torch = pytest.importorskip("torch")

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]


def quantized(axis: str, zero_point: str) -> str:
    return (f"L.fake_quantize_per_channel_affine(L.arange(6.0).reshape(2, 3) / 2, L.ones(2), "
            f"{zero_point}, {axis}, 0, 9)")  # fmt: skip


@pytest.mark.parametrize("text", [
    *(f"L.fake_quantize_per_tensor_affine(x, 0.1, {zero}, 0, 7)" for zero in ("8", "-1", "0.5")),
    quantized("0", "L.tensor([0, 300], dtype=L.int32)"), quantized("0", "L.zeros(3)"),
    # a truth value is no dimension
    *(f"x.{call}" for call in ("transpose(False, 1)", "transpose(0, True)", "flatten(False)",
      "flatten(0, True)", "squeeze((False,))", "unsqueeze(True)", "movedim(False, 1)",
      "movedim((0,), (True,))", "permute((True, 0))", "flip(True)", "roll(1, True)", "max(True)",
      "min(False)", "unflatten(True, (3,))", "swapaxes(False, True)")),
    "L.stack([x], True)", "L.tensor(1.0).flatten(False)",
    "g.sum().backward(inputs=1)", "g.sum().backward(inputs=[1])",
    "F.max_unpool2d(L.ones(1, 1, 1), L.zeros(1, 1, 1).long(), 2, None, 2)",
    "L.nn.init.trunc_normal_(x, a=i)",
    *(f"L.profiler.profile(activities={given})" for given in ("x", "[]", "'CPU'", "[1]",
      "[L.profiler.ProfilerActivity.CPU, 3]", "L.profiler.ProfilerActivity.CPU")),
    "L.abs(x, out=L.zeros(2, 3).double())", "L.abs(x.cfloat(), out=L.zeros(2, 3).int())",
])  # fmt: skip
def test_both_refuse(text: str) -> None:
    for L in (ad, torch):
        with pytest.raises((*REFUSED, AssertionError) if L is torch else REFUSED) as caught:
            evaluated(text, L)
        assert "has no attribute" not in str(caught.value)


@pytest.mark.parametrize("text", [
    # the input's half is rounded to even before an integer is added, and after a fraction is
    *(quantized("0", f"L.tensor([1, 3], dtype=L.{kind})")
      for kind in ("int32", "float32", "float16")),
    quantized("0", "L.tensor([-0.5, 0.25])"), quantized("0", "L.tensor([300.0, -7.0])"),
    *(f"L.fake_quantize_per_tensor_affine(L.arange(6.0) / 2, L.ones(1), {zero}, 0, 9)"
      for zero in ("L.tensor([1.7])", "L.tensor([300])", "L.tensor([-2], dtype=L.int32)")),
    *(f"F.max_unpool{n}d(L.ones({'1, ' * (n + 1)}), L.zeros({'1, ' * (n + 1)}).long(), 2, None, 1)"
      for n in (1, 2, 3)),
    *(f"L.abs(L.tensor([3 + 4j]).to(L.{kind}), out=L.zeros(1, dtype=L.{to}))"
      for kind in ("complex64", "complex128")
      for to in ("float32", "float64", "float16", "bfloat16")),
    *(f"L.nn.init.trunc_normal_(x, a={bound}).shape == x.shape"
      for bound in ("-L.ones(1, 1, 1, 1)", "-L.ones(1)", "-L.ones(())")),
    "L.nn.init.trunc_normal_(x, b=L.ones(1, 1, 1, requires_grad=True)).requires_grad",
    "x.transpose(i[0], 0)", "x.movedim(L.tensor(0), 1)",
])  # fmt: skip
def test_both_give_the_same(text: str) -> None:
    ours: Any = evaluated(text, ad)
    assert ours == evaluated(text, torch)


def test_values_that_find_no_place_have_a_gradient_of_zero() -> None:
    x = ad.ones(1, 2, 2, requires_grad=True)
    at = ad.zeros(1, 2, 2, dtype=ad.int64)
    ad.nn.functional.max_unpool2d(x, at, 2, 2, (2, 1)).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[[0, 0], [0, 0]]]


def make(L: Any) -> dict[str, Any]:
    class Dirty(L.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.mark_dirty(x)
            return x.mul_(3)

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 3

    class Same(L.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 3

    class Writing(Same):
        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g.mul_(3)

    x = L.tensor([[0.25, 0.5, 0.75], [1.0, 1.25, 1.5]], requires_grad=True)
    return {"L": L, "x": x, "y": x * 2, "z": x.sum(), "w": L.tensor(0.5, requires_grad=True),
            "Dirty": Dirty, "Same": Same, "Writing": Writing}  # fmt: skip


def run(text: str, L: Any) -> Any:
    names = make(L)
    *before, last = text.split("; ")
    for line in before:
        exec(line, names)
    value = eval(last, names)
    seen = (value.is_leaf, value.is_inference()) if hasattr(value, "is_leaf") else ()
    return seen, value.tolist() if hasattr(value, "tolist") else value


@pytest.mark.parametrize("text", [
    # what is done to a gradient that was handed out stays there: no other backward starts from it
    *(f"{write}; v = L.ones(3, requires_grad=True); v.sum().backward(); v.grad" for write in (
        "z.register_hook(lambda g: g.mul_(2)); z.backward()",
        "z.view(1).view(()).register_hook(lambda g: g.mul_(2)); z.backward()",
        "z.retain_grad(); z.backward(); z.grad.mul_(5)",
        "L.autograd.grad(z, z)[0].mul_(7)", "L.autograd.grad(z + 0, z)[0].zero_()",
        "Writing.apply(z).backward()", "w.view(1).view(()).backward(); w.grad.mul_(7)",
        "z.grad_fn.register_prehook(lambda g: [g[0].mul_(3), None][1]); z.backward()")),
    "Writing.apply(z).backward(); x.grad",
    "z.register_hook(lambda g: g.mul_(2)); z.backward(); x.grad",
    # nor do gradients that carry a graph, or are retained, share memory, or repeat a number
    "z.backward(create_graph=True); z.backward(); x.grad",
    "z.backward(create_graph=True); x.grad.mul_(3); x.grad",
    "v = w * 1; L.autograd.backward([w + v], create_graph=True); w.grad.mul_(3); w.grad",
    "v = L.ones(2, 3, requires_grad=True); (x + v).sum().backward(create_graph=True); "
    "x.grad.mul_(3); v.grad",
    "y.retain_grad(); y.sum().backward(); y.grad.mul_(3); y.grad",
    "y.retain_grad(); v = y.view(-1); v.retain_grad(); v.sum().backward(); v.grad.mul_(3); y.grad",
    # a gradient is of the type of what was written, not of what was computed
    "v = y.half(); v.sub_(x); str(L.autograd.grad(v.sum(), v)[0].dtype)[-7:]",
    "v = y.half(); v.sub_(x); v.retain_grad(); v.sum().backward(); str(v.grad.dtype)[-7:]",
    "v = y.half(); v.sub_(x); v.sum().backward(); x.grad",
    # of Tensors without dimensions
    "w.movedim(0, -1)", "w.mT", "w.mH", "L.broadcast_tensors(w, w)[0] is w",
    "L.broadcast_tensors(x, x[0])[0] is x", "L.broadcast_tensors(x, x[0])[1]",
    "L.chain_matmul(L.eye(2, requires_grad=True))",
    # what a Function returns while nothing is recorded
    *(f"with L.{mode}: r = {name}.apply({given})\nr.requires_grad, r.is_leaf, r is {given}"
      .replace("\n", "; ") for mode in ("no_grad()", "inference_mode()")
      for name in ("Dirty", "Same") for given in ("x", "y")),
    "v = L.ones(2); r = Dirty.apply(v); r is v, v.tolist()",
    "v = L.ones(2); r = Same.apply(v); v.mul_(2); r is v, r.tolist(), r._version",
    "r = Same.apply(x); v = r._version; L.no_grad().__enter__(); x.mul_(2); r._version - v",
    # places in the graph, in place
    "z.backward(); del x.grad; x.grad", "del x.grad; x.grad", "z.requires_grad_(True).is_leaf",
    "L.set_grad_enabled(False); x.set_(L.zeros(2)); x",
    "L.set_grad_enabled(False); y.set_(L.zeros(3)); y",
    "with L.inference_mode(): v = x * 2; v.data", "with L.inference_mode(): v = x.data; v",
    "with L.inference_mode(): v = x * 2; y.data = v; y",
])  # fmt: skip
def test_a_graph_is_that_of_pytorch(text: str) -> None:
    with ad.set_grad_enabled(True):
        ours = run(text, ad)
    with torch.set_grad_enabled(True):
        assert ours == run(text, torch)


@pytest.mark.parametrize("text", [
    "y.requires_grad = True", "y.requires_grad = False", "z.requires_grad = True", "x.set_(x * 1)",
    "Dirty.apply(x)", "Dirty.apply(x.view(-1))", "Dirty.apply(x[0])",
    "x.register_post_accumulate_grad_hook(lambda p: p.grad); z.backward()",
])  # fmt: skip
def test_both_refuse_what_a_graph_has_no_place_for(text: str) -> None:
    for L in (ad, torch):
        with pytest.raises(RuntimeError):
            exec(text, make(L))
