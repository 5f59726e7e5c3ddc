"""Faults: no memory, at every allocation of a backward and of an optimizer's step.

The arrays are those of the strict backend: each one made goes through one function, so "the k-th
allocation fails" can be had for every k there is. What a real limit does is tried in a process that
has one.
"""

from __future__ import annotations

import collections
import contextlib
import copy
import gc
import re
import subprocess
import sys
import weakref

import numpy as np
import pytest
import strict_backend

import anadrome as ad
from anadrome import modes, sites
from anadrome.errors import AlreadyFreedError

STRICT = strict_backend.load()
F = ad.nn.functional


class Allocations:
    """Counts the strict arrays that are made, and lets the ``failing``-th of them fail."""

    def __init__(self, failing=0):
        self.failing = failing
        self.count = 0

    @contextlib.contextmanager
    def watched(self):
        true = vars(strict_backend.Array)["_new"]

        def new(cls, *args, **keywords):
            self.count += 1
            if self.count == self.failing:
                raise MemoryError("Unable to allocate it")
            return true.__func__(cls, *args, **keywords)

        strict_backend.Array._new = classmethod(new)
        try:
            yield self
        finally:
            strict_backend.Array._new = true


def leaves(*shapes):
    ad.manual_seed(0)
    return [ad.randn(*shape).to(STRICT).requires_grad_() for shape in shapes]


def layers(w, b, v):
    x = ad.ones(2, 3).to(STRICT)
    return ad.tanh(x @ w + b) @ v


def shared(w, b, v):
    """Leaves used twice, broadcast, and a sum of three ways at one node."""
    h = w * b
    return (h * h + h.exp() + h @ w.mT @ h).sum(0) * b + v.sum()


def slices(w, b, v):
    rows = [w[i] * b for i in range(3)]
    return ad.cat([ad.stack(rows), w[1:] * 2.0]) * v[0, 0]


def functions(w, b, v):
    class Product(ad.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            ctx.save_for_backward(x, y)
            return x * y

        @staticmethod
        def backward(ctx, g):
            x, y = ctx.saved_tensors
            return g * y, (g * x).sum(0)

    return Product.apply(w, b) @ v


PROGRAMS = {f.__name__: f for f in (layers, shared, slices, functions)}
SHAPES = ((3, 4), (4,), (4, 2))


def loss_of(name, params):
    return (PROGRAMS[name](*params) ** 2).mean()


def numbers(params):
    return [None if p.grad is None else p.grad._data._array.copy() for p in params]


def equal(a, b):
    return all(
        (x is None and y is None) or (x is not None and y is not None and np.array_equal(x, y))
        for x, y in zip(a, b, strict=True)
    )


def living():
    return sum(type(o) is strict_backend.Array for o in gc.get_objects())


def backward_allocations(name, earlier):
    loss_of(name, leaves(*SHAPES)).backward()  # the seed of a loss is made once
    params = leaves(*SHAPES)
    if earlier:
        loss_of(name, params).backward()
    loss = loss_of(name, params)
    with Allocations().watched() as allocations:
        loss.backward()
    return allocations.count, numbers(params)


@pytest.mark.parametrize("retain", [False, True], ids=["freed", "retained"])
@pytest.mark.parametrize("earlier", [False, True], ids=["first", "second"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_no_memory_at_each_allocation_of_a_backward(name, earlier, retain, monkeypatch):
    """``.grad`` is whole, the graph says what it is good for, and nothing is held."""
    monkeypatch.setitem(sites.known, strict_backend.__file__, True)  # as a bundled backend
    gc.collect()
    gc.freeze()  # what there is already need not be looked at again and again
    try:
        each_allocation(name, earlier, retain)
    finally:
        gc.unfreeze()


def each_allocation(name, earlier, retain):
    count, after = backward_allocations(name, earlier)
    assert count > 10
    for k in range(1, count + 1):
        params = leaves(*SHAPES)
        if earlier:
            loss_of(name, params).backward()
        before = numbers(params)
        loss = loss_of(name, params)
        gc.collect()
        gc.disable()
        there = living()
        try:
            with Allocations(k).watched():
                loss.backward(retain_graph=retain)
            raise AssertionError(f"allocation {k} did not fail")
        except MemoryError as error:
            # In the handler: the traceback is alive, and holds none of our arrays.
            left = living()
            notes = "\n".join(getattr(error, "__notes__", ()))
        finally:
            gc.enable()
        grads = numbers(params)
        of_grads = sum(g is not None for g in grads) - sum(g is not None for g in before)
        assert left <= there + of_grads + HELD.get(name, 0), (k, left - there)
        if not earlier:
            assert grads == [None] * 3
            assert "had a gradient already" not in notes
        added = [not equal([g], [b]) for g, b in zip(grads, before, strict=True)]
        for g, old, new in zip(grads, before, after, strict=True):
            assert equal([g], [old]) or equal([g], [new]), k
        told = re.search(r"(\d) of the leaves had a gradient already", notes)
        assert sum(added) <= (int(told[1]) if told else 0), k
        assert "while the backward was at" in notes
        assert modes.current() is modes.EAGER
        for p in params:  # what the note says to do
            p.grad = None
        if earlier:
            loss_of(name, params).backward()
        if retain:
            loss.backward()
            assert equal(numbers(params), after), k
            continue
        try:
            loss.backward()
        except AlreadyFreedError as error:
            assert "which did not finish (MemoryError at " in str(error)
            for p in params:
                p.grad = None
            if earlier:
                loss_of(name, params).backward()
            loss_of(name, params).backward()
        assert equal(numbers(params), after), k


#: What may be kept while the error is seen: by frames of the user's own (here of a Function's
#: backward), and what an inner function of the very rule that failed has closed over.
HELD = {"functions": 6, "slices": 1}


def test_second_derivatives_without_memory():
    def run(failing=0):
        (w,) = leaves((3,))
        (g,) = ad.autograd.grad((w**3).sum(), w, create_graph=True)
        with Allocations(failing).watched() as allocations:
            try:
                (g * g).sum().backward()
            except MemoryError:
                assert w.grad is None
                (g,) = ad.autograd.grad((w**3).sum(), w, create_graph=True)
                (g * g).sum().backward()
        return allocations.count, w.grad._data._array

    count, expected = run()
    for k in range(1, count + 1):
        assert np.array_equal(run(k)[1], expected)


def test_another_thread_has_added_meanwhile():
    """What one backward gave is not taken back when another has been added to it."""
    (w,) = leaves((3,))
    other = (w * 5.0).sum()

    def meanwhile(leaf):
        handle.remove()
        other.backward()
        raise ValueError("after both")

    handle = w.register_post_accumulate_grad_hook(meanwhile)
    with pytest.raises(ValueError, match="after both"):
        (w * 2.0).sum().backward()
    assert w.grad.tolist() == [7.0] * 3


OPTIMIZERS = {
    "SGD": {"lr": 0.1},
    "SGD momentum": {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1, "nesterov": True},
    "Adam": {"amsgrad": True, "weight_decay": 0.1},
    "AdamW": {},
    "NAdam": {},
    "RAdam": {},
    "Adamax": {},
    "Adagrad": {},
    "Adadelta": {},
    "RMSprop": {"momentum": 0.9, "centered": True},
    "Rprop": {},
    "ASGD": {},
}


def trained(name, steps):
    params = leaves((3, 4), (4,))
    others = leaves((2, 2))
    groups = [{"params": params}, {"params": others}]
    optimizer = getattr(ad.optim, name.split()[0])(groups, **OPTIMIZERS[name])
    params += others
    for _ in range(steps):
        one_step(params, optimizer)
    return params, optimizer


def gradients(params):
    for i, p in enumerate(params):
        p.grad = (p.detach() * (i + 1.0)).sin()


def one_step(params, optimizer):
    gradients(params)
    optimizer.step()


def everything(params, optimizer):
    held = [optimizer.state.get(p, {}) for p in params]
    return [p.tolist() for p in params] + [
        {k: v.tolist() if isinstance(v, ad.Tensor) else v for k, v in sorted(h.items())}
        for h in held
    ]


@pytest.mark.parametrize("steps", [0, 2], ids=["first", "later"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_no_memory_at_each_allocation_of_a_step(name, steps):
    """Nothing was written, and the step can be made again; or the error says what was."""
    params, optimizer = trained(name, steps)
    before = everything(params, optimizer)
    gradients(params)
    with Allocations().watched() as allocations:
        optimizer.step()
    after = everything(params, optimizer)
    silent = 0
    for k in range(1, allocations.count + 1):
        params, optimizer = trained(name, steps)
        gradients(params)
        with Allocations(k).watched(), pytest.raises(MemoryError) as caught:
            optimizer.step()
        notes = "\n".join(getattr(caught.value, "__notes__", ()))
        assert all(np.isfinite(p._data._array).all() for p in params)
        if "updates of this step were made" not in notes:
            silent += 1
            now = everything(params, optimizer)
            assert now[:3] == before[:3], k
            if steps:
                assert now == before, k
            optimizer.step()
            assert everything(params, optimizer) == after, k
            continue
        made, of = re.search(r"(\d) of (\d) updates of this step were made", notes).groups()
        assert 0 <= int(made) <= int(of) == 2
        if "one was left in the middle" not in notes:  # each unit is of before or of after
            now = everything(params, optimizer)
            units = [slice(0, 2), slice(2, 3)]
            assert all(now[u] in (before[u], after[u]) for u in units), k
            assert [now[u] == after[u] for u in units].count(True) == int(made), k
        assert "load a saved state to be at one step again" in notes
        # And what is left can be stepped on, or be loaded over.
        other_params, other = trained(name, steps)
        optimizer.load_state_dict(copy.deepcopy(other.state_dict()))
        with ad.no_grad():
            for p, q in zip(params, other_params, strict=True):
                p.copy_(q)
        one_step(params, optimizer)
        assert everything(params, optimizer) == after, k
    assert silent >= 2


CHILD = """
import gc, resource, sys
import numpy as np
import anadrome as ad

def resident():
    return int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()

def loss(w, n):
    x = ad.ones(n, 1000)
    h = x
    for _ in range(6):
        h = ad.tanh(h * w)
    return h.sum()

w = ad.full((1000,), 0.5).requires_grad_()
loss(w, 10).backward()
small = w.grad.clone()
w.grad = None
room = 320 * 2**20
rows = 8000  # 32 MB an array
big = loss(w, rows)
limit = resident() + 8 * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
there = resident()
try:
    big.backward()
except MemoryError as error:
    assert "while the backward was at" in "".join(error.__notes__), error.__notes__
    assert resident() <= there, (resident(), there)
    assert w.grad is None
else:
    sys.exit("there was memory enough")
del big
loss(w, 10).backward()
assert bool((w.grad == small).all())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a limit of the address space, and /proc")
def test_a_real_limit_of_memory():
    done = subprocess.run(
        [sys.executable, "-c", CHILD], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_an_error_of_the_array_library_makes_no_cycle():
    """It would keep the arrays of its traceback until the collector comes."""
    x = ad.ones(2, 3)
    gc.collect()
    gc.disable()
    try:
        for error, call in (
            (ad.errors.ShapeError, lambda: x + ad.ones(5)),
            (MemoryError, lambda: ad.ones(1).expand(2**50) * 2.0),
        ):
            held = collections.deque(maxlen=1)

            def fails(call=call, held=held):
                marker = ad.ones(3)
                held.append(weakref.ref(marker))
                call()

            with contextlib.suppress(error):
                fails()
            assert held[0]() is None, error
    finally:
        gc.enable()
