"""Checkpointing: what a segment writes in place happens once, and what it reads is as it was."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Any

import interrupting
import pytest

import anadrome as ad
from anadrome import nn
from anadrome.errors import ModifiedInPlaceError
from anadrome.utils.checkpoint import checkpoint

OPTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"early_stop": False},
    {"policy": "cheap_ops"},
    {"memory_budget": 1 << 20},
    {"determinism_check": "values"},
    {"use_reentrant": True},
)


def bits(x: Any) -> Any:
    return x.detach().numpy().tobytes() if isinstance(x, ad.Tensor) else x


def state(model: nn.Module) -> dict[str, Any]:
    return {k: bits(v) for k, v in model.state_dict().items()}


class Counts(nn.Module):
    """Writes its buffers in every way: an op, a view, an alias, a new Tensor; and reads them."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("steps", ad.tensor(0))
        self.register_buffer("mean", ad.zeros(4))
        self.register_buffer("bound", ad.zeros(4))
        self.register_buffer("table", ad.zeros(3, 4))
        self.weight = nn.Parameter(ad.ones(4))

    def forward(self, x: ad.Tensor) -> ad.Tensor:
        with ad.no_grad():
            self.steps += 1
            self.mean.mul_(0.9).add_(x.mean(0), alpha=0.1)
            self.bound = self.bound * 0.5 + x.abs().amax(0)
            self.table[self.steps.item() % 3] = x[0]
            self.table.detach()[0, 1:3].add_(1.0)
        return (x * self.weight + self.mean + self.table.sum(0)).tanh() / self.steps + self.bound


def spectral() -> nn.Module:
    return nn.utils.spectral_norm(nn.Linear(4, 4))


def parametrized() -> nn.Module:
    return nn.utils.parametrizations.spectral_norm(nn.Linear(4, 4))


MODULES: dict[str, Callable[[], nn.Module]] = {
    "BatchNorm1d": lambda: nn.BatchNorm1d(4),
    "BatchNorm1d of half the batches": lambda: nn.BatchNorm1d(4, momentum=0.5, affine=False),
    "BatchNorm1d, plain mean": lambda: nn.BatchNorm1d(4, momentum=None),
    "BatchNorm1d without statistics": lambda: nn.BatchNorm1d(4, track_running_stats=False),
    "SyncBatchNorm": lambda: nn.SyncBatchNorm(4),
    "InstanceNorm1d": lambda: nn.InstanceNorm1d(4, track_running_stats=True),
    "spectral_norm": spectral,
    "parametrized spectral_norm": parametrized,
    "Embedding of bounded norm": lambda: Looked(),
    "buffers of all kinds": Counts,
}


class Looked(nn.Module):
    """A table whose rows are shortened in place when they are used."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(5, 4, max_norm=0.5)
        self.row = ad.tensor([0, 3, 3, 1, 4, 2])

    def forward(self, x: ad.Tensor) -> ad.Tensor:
        return self.table(self.row) * x


def inputs(name: str) -> list[ad.Tensor]:
    shape = (6, 4, 5) if name.startswith("Instance") else (6, 4)
    return [ad.randn(*shape, generator=ad.Generator().manual_seed(i)) for i in range(3)]


def run(name: str, options: dict[str, Any] | None, *, together: bool) -> Any:
    """Three steps of a small model: losses, gradients, and the state after each."""
    ad.manual_seed(0)
    model = nn.Sequential(nn.Identity(), MODULES[name](), nn.Tanh())
    out: list[Any] = []
    losses = []
    for x in inputs(name):
        x = x.clone().requires_grad_()
        if options is None:
            y = model(x * 2.0)
        else:
            y = checkpoint(model, x * 2.0, **options)
        losses.append(y.square().sum())
        if not together:
            losses.pop().backward()
        out += [bits(y), state(model), bits(x.grad), [bits(p.grad) for p in model.parameters()]]
    for loss in reversed(losses):
        loss.backward()
    return [*out, state(model), [bits(p.grad) for p in model.parameters()]]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("name", MODULES)
def test_buffers_are_updated_once(name: str, options: Any) -> None:
    assert run(name, options, together=False) == run(name, None, together=False)


@pytest.mark.parametrize("name", [name for name in MODULES if not name.startswith("Embedding")])
def test_each_call_reads_the_buffers_that_it_read_first(name: str) -> None:
    """Three forwards, then the backwards: the buffers have moved on in between.

    Not for a table that shortens its rows, which is a weight that changes before backward.
    """
    assert run(name, {}, together=True) == run(name, None, together=True)


def test_input_that_the_segment_writes_is_as_it_was() -> None:
    """The second run starts from the values that the first one found."""

    def segment(x: ad.Tensor) -> ad.Tensor:
        h = x.mul_(2.0).exp()
        x[:, 1] = h[:, 0]
        return x.sin() * h  # saves x

    w = ad.randn(3, 4, generator=ad.Generator().manual_seed(1)).requires_grad_()
    for later in (False, True):
        results = []
        for around in (lambda f, x: f(x), checkpoint):
            w.grad = None
            given = w * 1.0
            out = around(segment, given)
            seen = bits(given)
            if later and around is checkpoint:
                given.zero_()  # memory of the segment's input: it is written back before it runs
            out.sum().backward()
            results.append([bits(out), bits(w.grad), seen])
            if not later:
                assert bits(given) == seen
        assert results[0] == results[1]


def test_cache_with_a_history_keeps_it() -> None:
    """A buffer that is written with values that require a gradient, as a cache of keys is."""

    def run(around: Callable[..., Any]) -> list[Any]:
        w = ad.ones(3, requires_grad=True)
        cache = ad.zeros(2, 3)

        def segment(x: ad.Tensor, t: int) -> ad.Tensor:
            cache[t] = x * w
            return (cache.sum(0) * x).sin()

        first = around(segment, ad.tensor([1.0, 2.0, 3.0]), 0)
        second = around(segment, ad.tensor([4.0, 5.0, 6.0]), 1)
        maker = cache.grad_fn
        loss = (first * second).sum() + (cache * cache).sum()
        loss.backward()
        assert cache.grad_fn is maker
        return [bits(w.grad), bits(cache), bits(first)]

    assert run(checkpoint) == run(lambda f, *args: f(*args))


def test_memory_of_the_segment_itself_is_not_kept() -> None:
    """What it makes, writes and drops is no state; what it makes and returns is none either."""

    def segment(x: ad.Tensor) -> ad.Tensor:
        mask = ad.zeros(3)
        mask[1] = 1.0
        h = x * 2.0
        h[0] = 0.0
        return (h * mask).exp()

    from anadrome.plugins.checkpoint import segment as module

    made: list[Any] = []

    class Spied(module.Segment):
        def finish(self) -> None:
            super().finish()
            made.append(self)

    patch = pytest.MonkeyPatch()
    patch.setattr("anadrome.plugins.checkpoint.checkpointing.Segment", Spied)
    try:
        x = ad.ones(3, requires_grad=True)
        checkpoint(segment, x).sum().backward()
    finally:
        patch.undo()
    assert not made[0].overwritten
    assert x.grad is not None


def test_temporaries_without_a_graph_are_not_held() -> None:
    """A frozen part that works in place: the first run needs no more memory for it."""
    alive: list[int] = []
    made: list[Any] = []

    def segment(x: ad.Tensor) -> ad.Tensor:
        h = ad.ones(4)
        for _ in range(100):
            h = h * 1.0
            made.append(weakref.ref(h._data))
            h.relu_().add_(1.0)
        alive.append(sum(ref() is not None for ref in made))
        return (x * h).sin().exp()

    x = ad.ones(4, requires_grad=True)
    out = checkpoint(segment, x)
    assert alive[0] <= 8
    assert sum(ref() is not None for ref in made) == 0
    out.sum().backward()


@pytest.mark.parametrize("name", ["weight", "bias", "buffer", "view of the buffer"])
def test_what_is_read_and_was_changed_in_place_is_reported(name: str) -> None:
    """Also a bias and a buffer, which no rule saves: the values would silently be others."""
    layer = nn.Linear(3, 3)
    layer.register_buffer("shift", ad.ones(3))
    x = ad.randn(2, 3, requires_grad=True)
    loss = checkpoint(lambda x: (layer(x) + layer.shift).tanh().sin(), x).sum()
    with ad.no_grad():
        if name == "view of the buffer":
            layer.shift[1:].add_(1.0)
        else:
            getattr(layer, "shift" if name == "buffer" else name).add_(1.0)
    with pytest.raises(ModifiedInPlaceError) as caught:
        loss.backward()
    text = str(caught.value)
    assert text.startswith("one of the variables needed for gradient computation has been modified")
    assert "add_(1.0)`, between the checkpointed function's first run and its second" in text
    assert ("`add` reads it" if "buffer" in name else "`linear` reads it") in text


def test_number_that_was_read_out_and_has_changed_is_reported() -> None:
    limit = ad.tensor(2.0)
    x = ad.randn(3, requires_grad=True)
    loss = checkpoint(lambda x: (x * limit.item()).sin().exp(), x).sum()
    limit.fill_(3.0)
    with pytest.raises(ModifiedInPlaceError, match=r"changed in place at .*limit\.fill_\(3\.0\)"):
        loss.backward()


def test_what_is_written_back_is_not_a_write() -> None:
    """Values saved by other nodes stay good, and `_version` stays where the first run left it."""
    norm = nn.BatchNorm1d(4)
    x = ad.randn(6, 4, requires_grad=True)
    y = checkpoint(norm, x * 1.0)
    reads = (norm.running_var * x.mean()).sin()
    versions = [b._version for b in norm.buffers()]
    (y.sum() * reads.sum()).backward()
    assert [b._version for b in norm.buffers()] == versions
    assert x.grad is not None


def test_error_in_the_second_run_leaves_the_state_as_it_was() -> None:
    norm = nn.BatchNorm1d(4)
    fails: list[Exception] = []

    def segment(x: ad.Tensor) -> ad.Tensor:
        out = norm(x)
        if fails:
            raise fails[0]
        return out.exp().sin()

    x = ad.randn(6, 4, requires_grad=True)
    loss = checkpoint(segment, x).sum()
    checkpoint(norm, x)
    before = state(norm)
    fails.append(MemoryError("none left"))
    with pytest.raises(MemoryError, match="none left"):
        loss.backward()
    assert state(norm) == before
    fails.clear()
    loss.backward()  # nothing was used up
    assert state(norm) == before
    assert x.grad is not None


def test_nested_segments_write_once() -> None:
    def run(around: Callable[..., Any]) -> list[Any]:
        ad.manual_seed(0)
        inner, outer = nn.BatchNorm1d(4), nn.BatchNorm1d(4, momentum=None)
        model = nn.Linear(4, 4)

        def whole(x: ad.Tensor) -> ad.Tensor:
            return outer(around(lambda h: inner(model(h)).tanh(), x.sin())).exp()

        x = ad.randn(6, 4, generator=ad.Generator().manual_seed(3)).requires_grad_()
        losses = [around(whole, x * k).square().mean() for k in (1.0, 2.0)]
        for loss in losses:
            loss.backward()
        return [bits(x.grad), state(inner), state(outer), bits(model.weight.grad)]

    assert run(checkpoint) == run(lambda f, *args: f(*args))


def test_nested_segment_that_reads_what_the_outer_one_writes_is_reported() -> None:
    count = ad.zeros(3)

    def outer(x: ad.Tensor) -> ad.Tensor:
        h = checkpoint(lambda x: (x + count).sin().exp(), x)
        count.add_(1.0)
        return h.exp()

    x = ad.randn(3, requires_grad=True)
    with pytest.raises(ModifiedInPlaceError, match=r"at .*count\.add_\(1\.0\)`, between the check"):
        checkpoint(outer, x).sum().backward()


def test_threads_with_statistics_of_their_own() -> None:
    results: dict[int, Any] = {}

    def train(number: int, around: Callable[..., Any]) -> list[Any]:
        model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))
        generator = ad.Generator().manual_seed(number)
        with ad.no_grad():
            for p in model.parameters():
                p.copy_(ad.randn(*p.shape, generator=generator))
        x = ad.randn(8, 4, generator=generator).requires_grad_()
        model[2].eval()
        for _ in range(4):
            around(model, x).square().sum().backward()
        return [bits(x.grad), state(model)]

    def work(number: int) -> None:
        results[number] = train(number, checkpoint)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for number in range(4):
        assert results[number] == train(number, lambda f, *args: f(*args))


class Where(interrupting.At):
    """Notes at which of the lines memory is put back."""

    def __init__(self) -> None:
        super().__init__()
        self.there: list[int] = []

    def __call__(self, frame: Any, event: str, argument: Any) -> Any:
        before = self.lines
        out = super().__call__(frame, event, argument)
        if self.lines > before and frame.f_code.co_filename.endswith("rerun.py"):
            self.there.append(self.lines)
        return out


def test_ctrl_c_at_any_line_of_the_backward_leaves_the_state(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also while memory is put back to what it was, and while it is put back to what it is."""
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), Counts(), nn.Tanh())
    x = ad.randn(6, 4, requires_grad=True)

    def begun() -> tuple[ad.Tensor, dict[str, Any]]:
        loss = checkpoint(model, x, determinism_check="none").sum()
        checkpoint(model, x)
        return loss, state(model)

    for _ in range(2):
        loss, _ = begun()
        where = Where()
        monkeypatch.setattr(interrupting, "At", lambda number: where)
        interrupting.run(loss.backward)
        monkeypatch.undo()
    places = set()
    for number in [*where.there, *range(1, where.lines, where.lines // 40)]:
        loss, before = begun()
        at, raised = interrupting.run(loss.backward, number)
        assert raised
        assert state(model) == before, at.place
        places.add(at.place[1])
    assert {"undone", "put_back", "rebind"} <= places
