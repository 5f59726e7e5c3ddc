"""What a checkpoint keeps, what it computes again, and what it does not compute again."""

from __future__ import annotations

import gc
import tracemalloc
from typing import Any

import pytest

import anadrome as ad
from anadrome.general import replayed
from anadrome.ops import extremes
from anadrome.utils.checkpoint import CheckpointError, checkpoint


def leaf(*shape: int) -> ad.Tensor:
    return ad.randn(*shape).requires_grad_()


class Computed:
    """Which ops are computed: their forwards are wrapped, so modes and graph are not asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *calls: Any) -> None:
        self.names: list[str] = []
        for call in calls:
            op = call.op
            cls = type(ad.ones(1)._data)
            monkeypatch.setitem(op.implementations, cls, self._counted(op, op.implementations[cls]))

    def _counted(self, op: Any, run: Any) -> Any:
        def counted(*args: Any, **kwargs: Any) -> Any:
            self.names.append(op.name)
            return run(*args, **kwargs)

        return counted

    def take(self) -> list[str]:
        names, self.names = self.names, []
        return names


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> Computed:
    from anadrome.ops.products import mm

    return Computed(monkeypatch, ad.exp, ad.sin, ad.tanh, mm)


def products(x: Any, v: Any, w: Any) -> Any:
    return (x.exp() @ v).tanh().sin() @ w


def test_replayed_records_a_node_around_a_given_result(computed: Computed) -> None:
    x = ad.tensor([1.0, 2.0], requires_grad=True)
    y = replayed(ad.exp.op, ad.tensor([5.0, 7.0]))(x)
    assert computed.take() == []
    assert (y.tolist(), y.grad_fn.name()) == ([5.0, 7.0], "ExpBackward0")
    y.sum().backward()
    assert x.grad.tolist() == [5.0, 7.0]
    values, indices = replayed(extremes.max_dim.op, (ad.tensor(9.0), ad.tensor(0)))(x, dim=0)
    assert (values.item(), indices.item()) == (9.0, 0)
    values.backward()
    assert x.grad.tolist() == [6.0, 7.0]


def test_whole_checkpoint_does_not_compute_the_last_op_again(computed: Computed) -> None:
    x, v, w = leaf(2, 3), leaf(3, 4), leaf(4, 2)
    loss = checkpoint(products, x, v, w).sum()
    assert computed.take() == ["exp", "mm", "tanh", "sin", "mm"]
    loss.backward()
    # The rule of sin takes the cosine; those of the products are mm's.
    assert computed.take() == ["exp", "mm", "tanh", "sin", "mm", "mm", "mm", "mm"]


def test_cheap_ops_computes_no_product_again(computed: Computed) -> None:
    x, v, w = leaf(2, 3), leaf(3, 4), leaf(4, 2)
    loss = checkpoint(products, x, v, w, policy="cheap_ops").sum()
    computed.take()
    loss.backward()
    assert computed.take() == ["exp", "tanh", "sin", "mm", "mm", "mm", "mm"]


def test_policy_of_ones_own(computed: Computed) -> None:
    asked = []

    def policy(op: Any, args: Any) -> bool:
        asked.append((op.name, op.amp, tuple(args[0].shape)))
        return op.name in ("exp", "tanh")

    x, v, w = leaf(2, 3), leaf(3, 4), leaf(4, 2)
    loss = checkpoint(products, x, v, w, policy=policy).sum()
    computed.take()
    loss.backward()
    assert computed.take()[:2] == ["mm", "sin"]
    assert asked == [
        ("exp", ad.FULL, (2, 3)),
        ("mm", ad.HALF, (2, 3)),
        ("tanh", None, (2, 4)),
        ("sin", None, (2, 4)),
        ("mm", ad.HALF, (2, 4)),
    ]
    with pytest.raises(ValueError, match="policy should be None, 'cheap_ops' or a function of"):
        checkpoint(products, x, v, w, policy="expensive_ops")


def test_products_and_convolutions_are_what_is_kept() -> None:
    from anadrome.op import table

    halves = {name for name, op in table.items() if op.amp is ad.HALF}
    assert {"mm", "bmm", "matmul", "addmm", "linear", "mv", "convolution"} <= halves
    assert not {"exp", "layer_norm", "softmax", "add", "gelu", "sum", "cat"} & halves


def test_kept_result_that_is_written_is_an_error() -> None:
    def segment(x: Any, w: Any) -> Any:
        h = x @ w
        h += 1.0
        return h.exp().sin()

    loss = checkpoint(segment, leaf(2, 2), leaf(2, 2), policy="cheap_ops").sum()
    with pytest.raises(
        RuntimeError, match="cached during selective activation checkpoint has been"
    ):
        loss.backward()


def test_other_op_where_a_result_was_kept() -> None:
    ways = [lambda x: x.exp().tanh().sin(), lambda x: x.sin().tanh().sin()]
    loss = checkpoint(
        lambda x: (ways.pop(0))(x * 1.0), leaf(2), policy=lambda op, args: op.name == "exp"
    ).sum()
    with pytest.raises(
        CheckpointError, match="the recomputation calls sin where the original forw"
    ):
        loss.backward()


def test_half_precision_results_are_kept_in_half() -> None:
    x, v, w = leaf(2, 3), leaf(3, 4), leaf(4, 2)

    def gradients(run: Any) -> Any:
        for t in (x, v, w):
            t.grad = None
        with ad.autocast("cpu"):
            loss = run().float().sum()
        loss.backward()
        return [t.grad.tolist() for t in (x, v, w)]

    assert gradients(lambda: checkpoint(products, x, v, w, policy="cheap_ops")) == gradients(
        lambda: products(x, v, w)
    )


def activation_peak(step: Any) -> int:
    step()
    gc.collect()
    tracemalloc.start()
    try:
        step()
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        step()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def test_memory_of_a_stack() -> None:
    x, v, w = ad.randn(128, 128), leaf(128, 128), leaf(128, 128)

    def block(x: Any) -> Any:
        return x + ((x.tanh().sin() @ v).tanh().sin().exp() @ w).tanh()

    def step(around: Any) -> Any:
        def run() -> None:
            h = x
            for _ in range(8):
                h = around(h)
            h.sum().backward()

        return run

    plain = activation_peak(step(block))
    whole = activation_peak(step(lambda h: checkpoint(block, h)))
    cheap = activation_peak(step(lambda h: checkpoint(block, h, policy="cheap_ops")))
    assert whole < 0.5 * plain
    assert whole < cheap < 0.8 * plain
