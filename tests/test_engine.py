"""The engine: order, accumulation, memory, threads, and the errors that name the user's line."""

from __future__ import annotations

import gc
import sys
import threading
import tracemalloc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import anadrome as ad


class TestLongChains:
    def test_a_million_nodes(self) -> None:
        x = ad.tensor(1.0, requires_grad=True)
        y = x
        for _ in range(1_000_000):
            y = y + 1.0
        y.backward()
        assert x.grad.item() == 1.0 and y.item() == 1_000_001.0
        del y  # freed without recursion

    def test_freeing_a_graph_that_was_never_played(self) -> None:
        x = ad.tensor(1.0, requires_grad=True)
        y = x
        for _ in range(300_000):
            y = y * 1.0
        alive = watched(y * 1.0)
        del y
        assert alive() == []

    def test_two_deep_branches_share_their_stem(self) -> None:
        x = ad.tensor(2.0, requires_grad=True)
        stem = x
        for _ in range(20_000):
            stem = stem * 1.0
        a = b = stem
        for _ in range(20_000):
            a, b = a + 0.0, b * 1.0
        (a * b).backward()
        assert x.grad.item() == 4.0

    def test_memory_falls_while_it_walks(self) -> None:
        """Saved values go as their node is played, not at the end."""
        size = 20_000
        x = ad.ones(size, requires_grad=True)
        y = x
        seen: list[int] = []
        tracemalloc.start()
        try:
            for i in range(60):
                y = y.sin()
                if i % 10 == 0:
                    y.register_hook(lambda g: seen.append(tracemalloc.get_traced_memory()[0]))
            y = y.sum()
            full = tracemalloc.get_traced_memory()[0]
            y.backward()
            assert tracemalloc.get_traced_memory()[0] < full / 4
        finally:
            tracemalloc.stop()
        assert len(seen) == 6
        each_ten = 10 * size * 4
        for before, after in zip(seen, seen[1:]):
            assert before - after > each_ten / 2, f"memory did not fall: {seen}"

    def test_retained_memory_stays(self) -> None:
        x = ad.ones(10, requires_grad=True)
        y = x.exp().sum()
        y.backward(retain_graph=True)
        y.backward()
        np.testing.assert_allclose(x.grad.numpy(), 2 * np.e, rtol=1e-6)


class TestFreeing:
    """A graph is freed by reference counting the moment its last Tensor goes."""

    @pytest.fixture(autouse=True)
    def _no_collector(self) -> Iterator[None]:
        gc.collect()
        gc.disable()
        yield
        gc.enable()

    @pytest.mark.parametrize(
        "build",
        [
            lambda x: x.exp().sum(),
            lambda x: (x * x).tanh().mean(),
            lambda x: ad.softmax(x, 0).prod(),
            lambda x: x[1:].max(0)[0],
            lambda x: ad.cat([x, x * 2]).std(),
            lambda x: ad.stack([x, x]).var(),
            lambda x: x.clone().mul_(2.0).sum(),
            lambda x: _written(x),
            lambda x: _custom(x),
            lambda x: x.logsumexp(0) + x.norm() + x.cumsum(0).sum(),
            lambda x: (x.reshape(2, 2) @ x.reshape(2, 2)).amax(),
            lambda x: ad.nn.functional.layer_norm(x, (4,)).sum(),
        ],
    )
    @pytest.mark.parametrize("played", [False, True])
    def test_at_once(self, build: Callable[[Any], Any], played: bool) -> None:
        x = ad.ones(4, requires_grad=True)
        loss = build(x)
        alive = watched(loss)
        assert alive()
        if played:
            loss.backward()
        del loss
        assert alive() == [], f"a reference cycle holds {alive()}"

    def test_with_create_graph(self) -> None:
        x = ad.ones(3, requires_grad=True)
        y = x.exp().tanh().sum()
        (g,) = ad.autograd.grad(y, x, create_graph=True)
        alive = watched(g)
        del y, g
        assert alive() == []

    def test_under_saved_tensors_hooks(self) -> None:
        x = ad.ones(3, requires_grad=True)
        with ad.autograd.saved_tensors_hooks(lambda t: t, lambda t: t):
            y = x.exp().tanh().sum()
        alive = watched(y)
        del y
        assert alive() == []

    def test_leaf_and_its_accumulator(self) -> None:
        x = ad.ones(3, requires_grad=True)
        leaf = weakref.ref(x)
        y = (x * 2).sum()
        del x
        assert leaf() is not None
        del y
        assert leaf() is None


def _written(x: Any) -> Any:
    y = x * 2
    y[1:] = x[1:] * 3
    return y.sum()


class _Cube(ad.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        out = x * x * x
        ctx.save_for_backward(x, out)
        return out

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        x, _ = ctx.saved_tensors
        return g * 3 * x * x


def _custom(x: Any) -> Any:
    return _Cube.apply(x).sum()


class _Canary:
    """Lives in a node's notes, and dies with it."""


def watched(out: Any) -> Callable[[], list[str]]:
    """A function that tells the names of those nodes of a graph that are still alive."""
    canaries = []
    for node in _nodes(out.grad_fn, limit=50):
        if node.name() != "AccumulateGrad":
            canary = node.metadata["canary"] = _Canary()
            canaries.append((node.name(), weakref.ref(canary)))
    del node, canary
    return lambda: [name for name, ref in canaries if ref() is not None]


def _nodes(root: Any, limit: int) -> list[Any]:
    seen, stack = [], [root]
    while stack and len(seen) < limit:
        node = stack.pop()
        if node not in seen:
            seen.append(node)
            stack.extend(n for n, _ in node.next_functions if n is not None)
    return seen


class TestAccumulation:
    def test_diamonds(self) -> None:
        x = ad.tensor(1.5, dtype=ad.float64, requires_grad=True)
        y = x
        for _ in range(12):  # 4096 paths, 24 nodes
            y = y + y
        y.backward()
        assert x.grad.item() == 4096.0

    def test_each_node_is_played_once(self) -> None:
        calls: list[str] = []
        x = ad.tensor(2.0, requires_grad=True)
        a = x * 3
        b, c = a.exp(), a.sin()
        d = b * c + a
        for name, t in {"a": a, "b": b, "c": c, "d": d}.items():
            t.grad_fn.register_hook(lambda gi, go, name=name: calls.append(name))
        d.backward()
        assert sorted(calls) == ["a", "b", "c", "d"]
        assert calls[0] == "d" and calls[-1] == "a"

    def test_node_hooks_see_the_whole_sum(self) -> None:
        x = ad.tensor(2.0, requires_grad=True)
        a = x * 3
        seen = []
        a.register_hook(lambda g: seen.append(g.item()))
        (a * 2 + a * 5 + a).backward()
        assert seen == [8.0] and x.grad.item() == 24.0

    def test_into_grad(self) -> None:
        x = ad.ones(3, requires_grad=True)
        for i in range(1, 4):
            (x * i).sum().backward()
        assert x.grad.tolist() == [6.0, 6.0, 6.0]
        kept = x.grad
        (x * 1).sum().backward()
        assert x.grad is kept and kept.tolist() == [7.0, 7.0, 7.0]

    def test_gradients_are_not_shared_between_leaves(self) -> None:
        a, b = ad.ones(3, requires_grad=True), ad.ones(3, requires_grad=True)
        (a + b).backward(ad.ones(3))
        a.grad.mul_(5)
        assert b.grad.tolist() == [1.0, 1.0, 1.0]

    def test_the_given_gradient_is_not_taken(self) -> None:
        a = ad.ones(3, requires_grad=True)
        seed = ad.ones(3)
        (a + 0.0).backward(seed)
        (a + 0.0).backward(seed)
        assert seed.tolist() == [1.0] * 3 and a.grad.tolist() == [2.0] * 3

    def test_slices_of_one_tensor(self) -> None:
        x = ad.arange(10, dtype=ad.float64).requires_grad_()
        sum((x[i] * i).sum() + x[i : i + 2].sum() for i in range(9)).backward()
        wanted = [float(i if i < 9 else 0) + (1 if i in (0, 9) else 2) for i in range(10)]
        assert x.grad.tolist() == wanted

    def test_half_precision_is_summed_in_single(self) -> None:
        x = ad.tensor(1.0, dtype=ad.float16, requires_grad=True)
        y = sum([x * 1.0 for _ in range(300)], x * 2048.0)
        y.backward()
        assert x.grad.item() == 2348.0 and x.grad.dtype is ad.float16

    def test_outputs_of_one_node(self) -> None:
        x = ad.tensor([[1.0, 5.0], [7.0, 2.0]], requires_grad=True)
        values, indices = x.max(1)
        assert not indices.requires_grad
        (values * ad.tensor([2.0, 3.0])).sum().backward()
        assert x.grad.tolist() == [[0.0, 2.0], [3.0, 0.0]]


class TestThreads:
    @pytest.fixture(autouse=True)
    def _switch_often(self) -> Iterator[None]:
        before = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        yield
        sys.setswitchinterval(before)

    def run(self, *work: Callable[[], None]) -> None:
        errors: list[BaseException] = []
        gate = threading.Barrier(len(work))

        def guarded(function: Callable[[], None]) -> None:
            try:
                gate.wait()
                function()
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=guarded, args=(w,)) for w in work]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        if errors:
            raise errors[0]

    def test_no_accumulation_is_lost(self) -> None:
        shared = [ad.zeros(n, requires_grad=True) for n in (1, 3, 1000)]
        rounds, workers = 150, 4

        def work() -> None:
            for _ in range(rounds):
                sum((p * 1.0).sum() for p in shared).backward()

        self.run(*[work] * workers)
        for p in shared:
            assert set(p.grad.tolist()) == {float(rounds * workers)}

    def test_first_accumulation_is_not_lost(self) -> None:
        """The race for making ``.grad``, again and again."""
        for _ in range(100):
            p = ad.zeros(2, requires_grad=True)
            self.run(*[lambda: (p * 1.0).sum().backward()] * 3)
            assert p.grad.tolist() == [3.0, 3.0]

    def test_two_threads_one_graph(self) -> None:
        x = ad.ones(50, requires_grad=True)
        y = (x * 2).exp().sum()
        self.run(*[lambda: y.backward(retain_graph=True)] * 4)
        np.testing.assert_allclose(x.grad.numpy(), 8 * np.exp(2), rtol=1e-5)

    def test_two_models_train_apart(self) -> None:
        def trained(seed: int, into: dict[int, list[float]]) -> None:
            rng = np.random.default_rng(seed)
            x = ad.tensor(rng.standard_normal((16, 4)))
            y = ad.tensor(rng.standard_normal((16, 1)))
            w1 = ad.tensor(rng.standard_normal((4, 8)), requires_grad=True)
            w2 = ad.tensor(rng.standard_normal((8, 1)), requires_grad=True)
            losses = []
            for _ in range(40):
                loss = (((x @ w1).tanh() @ w2 - y) ** 2).mean()
                loss.backward()
                with ad.no_grad():
                    for w in (w1, w2):
                        w.sub_(w.grad * 0.05)
                        w.grad = None
                losses.append(loss.item())
            into[seed] = losses

        alone: dict[int, list[float]] = {}
        together: dict[int, list[float]] = {}
        for seed in (1, 2):
            trained(seed, alone)
        self.run(lambda: trained(1, together), lambda: trained(2, together))
        assert together == alone
        assert all(losses[-1] < losses[0] / 2 for losses in alone.values())

    def test_grad_mode_is_per_thread(self) -> None:
        seen = {}
        inside, done = threading.Event(), threading.Event()

        def off() -> None:
            with ad.no_grad():
                inside.set()
                done.wait()
                seen["off"] = ad.is_grad_enabled()

        def on() -> None:
            inside.wait()
            seen["on"] = ad.is_grad_enabled()
            done.set()

        self.run(off, on)
        assert seen == {"off": False, "on": True}

    def test_modes_are_per_thread(self) -> None:
        class Count(ad.Mode):
            calls = 0

            def intercept(self, op: Any, args: Any, kwargs: Any) -> Any:
                Count.calls += 1
                return op(*args, **kwargs)

        def counted() -> None:
            with Count():
                for _ in range(200):
                    ad.ones(1) + 1

        def plain() -> None:
            for _ in range(200):
                ad.ones(1) + 1

        self.run(counted, plain)
        assert Count.calls == 200
