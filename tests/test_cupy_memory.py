"""What a GPU holds, what happens when it is full, its streams and its settings, on the stand-in."""

from __future__ import annotations

import sys
from typing import Any

import fake_cupy
import ml_dtypes
import numpy as np
import pytest
from test_backend_cupy import fake  # noqa: F401  (the fixture)

import anadrome as ad
from anadrome import cuda, nn
from anadrome.errors import OutOfMemoryError

# ruff: noqa: F811


def pool() -> Any:
    return sys.modules["cupy"].get_default_memory_pool()


def allocate(size: int) -> Any:
    return sys.modules["cupy"].cuda.get_allocator()(size)


# -- what is held -------------------------------------------------------------------------------
def test_without_a_gpu_nothing_is_held() -> None:
    if cuda.is_available():
        pytest.skip("there is one")
    assert cuda.memory_allocated() == cuda.max_memory_allocated() == cuda.memory_reserved() == 0
    assert cuda.mem_get_info() == (0, 0)
    cuda.empty_cache()
    cuda.reset_peak_memory_stats()
    assert not cuda.is_bf16_supported()


def test_peaks_are_counted_from_the_reset(fake: Any) -> None:
    first = allocate(300)
    assert cuda.max_memory_allocated() == 300  # from here on they are watched
    second = allocate(400)
    pool().free(second)
    assert cuda.memory_allocated() == 300 and cuda.memory_reserved() == 700
    assert cuda.max_memory_allocated() == cuda.max_memory_reserved() == 700
    cuda.reset_peak_memory_stats()
    assert cuda.max_memory_allocated() == 300 and cuda.max_memory_reserved() == 700
    pool().free(first)
    allocate(500)
    assert cuda.max_memory_allocated() == 500
    assert cuda.mem_get_info() == (300, 1000)
    cuda.empty_cache()
    assert cuda.memory_reserved() == 500 and pool().freed == 1
    assert cuda.memory_stats()["allocated_bytes.all.peak"] == 500


def test_the_summary_names_who_holds_what(fake: Any) -> None:
    model = nn.Linear(8, 4).to("cuda")
    optimizer = ad.optim.Adam(model.parameters())
    model(ad.ones(2, 8, device="cuda")).sum().backward()
    optimizer.step()
    cuda.reset_peak_memory_stats()
    told = cuda.memory_summary()
    assert "Linear's parameters" in told and "144 bytes" in told  # (8 * 4 + 4) * 4
    assert "Linear's gradients" in told and "Adam's state" in told
    assert "Linear" not in cuda.memory_summary(abbreviated=True)


# -- when it is full ----------------------------------------------------------------------------
def test_cached_blocks_are_freed_and_it_is_tried_again(fake: Any) -> None:
    pool().free(allocate(600))
    assert allocate(900) == 900  # the 600 that were cached had to go
    assert pool().freed == 1


def test_out_of_memory_says_who_holds_it_and_is_pytorchs_error(fake: Any) -> None:
    model = nn.Linear(8, 4).to("cuda")
    allocate(700)
    with pytest.raises(OutOfMemoryError) as caught:
        allocate(500)
    text = str(caught.value)
    assert text.startswith("CUDA out of memory. Tried to allocate 500 bytes. GPU 0 has a total")
    assert "total capacity of 1000 bytes of which 300 bytes is free" in text
    assert "Linear's parameters 144 bytes" in text
    assert "values saved for backward, and temporaries" in text
    assert isinstance(caught.value, (MemoryError, RuntimeError))
    assert cuda.OutOfMemoryError is OutOfMemoryError is ad.OutOfMemoryError
    assert allocate(300) == 300  # what was there before still is
    del model


def test_an_allocator_of_the_users_is_kept(fake: Any) -> None:
    from anadrome.backends.cupy import memory

    asked = []

    def own(size: int) -> int:
        asked.append(size)
        return size

    sys.modules["cupy"].cuda.set_allocator(own)
    memory.install()
    memory.install()  # a second time changes nothing
    assert allocate(5) == 5 and asked == [5]


# -- streams ------------------------------------------------------------------------------------
def test_streams_and_events(fake: Any) -> None:
    main, side = cuda.current_stream(), cuda.Stream()
    assert main == cuda.default_stream() != side and side.query()
    with cuda.stream(side):
        assert cuda.current_stream() == side
    with cuda.stream(None):
        assert cuda.current_stream() == main
    main.wait_stream(side)
    assert main.native.waited_for[-1].stream is side.native
    a, b = cuda.Event(enable_timing=True), cuda.Event(enable_timing=True)
    a.record()
    b.record(side)
    b.wait()
    assert a.elapsed_time(b) == 1.5 and a.query()
    with pytest.raises(ValueError, match="enable_timing=True"):
        a.elapsed_time(cuda.Event())
    with pytest.raises(NotImplementedError, match="interprocess"):
        cuda.Event(interprocess=True)
    other = cuda.Stream("cuda:1")
    with cuda.stream(other):
        assert cuda.current_device() == 1
    assert cuda.current_device() == 0 and other.device.index == 1


def test_properties(fake: Any) -> None:
    facts = cuda.get_device_properties("cuda:1")
    assert facts.total_memory == 8 * 2**30 and facts.multi_processor_count == 132
    assert cuda.get_device_capability() == (9, 0) and cuda.is_bf16_supported()
    assert "name='Imagined GPU', major=9, minor=0, total_memory=8192MB" in repr(facts)


# -- settings -----------------------------------------------------------------------------------
@pytest.fixture
def settings() -> Any:
    yield
    ad.use_deterministic_algorithms(False)
    ad.set_float32_matmul_precision("highest")


def test_tf32_is_off_until_it_is_allowed(fake: Any, settings: Any) -> None:
    chosen = sys.modules["cupy._core._routines_linalg"].chosen
    assert chosen.get("float32", 1) == 1 and not ad.backends.cuda.matmul.allow_tf32
    ad.backends.cuda.matmul.allow_tf32 = True
    assert chosen["float32"] == 5 and ad.get_float32_matmul_precision() == "high"
    ad.set_float32_matmul_precision("highest")
    assert chosen["float32"] == 1 and not ad.backends.cuda.matmul.allow_tf32


@pytest.mark.parametrize("kind", ["float32", "float64", "float16", "bfloat16", "int64"])
def test_deterministic_sums_are_in_order(fake: Any, settings: Any, kind: str) -> None:
    ad.use_deterministic_algorithms(True)
    dtype = np.dtype(ml_dtypes.bfloat16 if kind == "bfloat16" else kind)
    rng = np.random.default_rng(0)
    target = fake_cupy.dressed(rng.normal(size=(5, 3)).astype(dtype))
    before = np.array(target)
    rows = rng.integers(-5, 5, 40)
    source = rng.normal(size=(40, 3)).astype(dtype)
    fake.scatter_add(target, (fake_cupy.dressed(rows),), fake_cupy.dressed(source))
    wide = np.int64 if kind == "int64" else np.float64 if kind == "float64" else np.float32
    want = before.astype(wide)
    for row, line in zip(rows, source.astype(wide)):
        want[row] = want[row] + line
    assert np.array_equal(np.array(target), want.astype(dtype))


@pytest.mark.parametrize("index", [
    "idx", "(idx, slice(None))", "(slice(None), idx % 3)", "(idx, idx % 3)", "(idx, 1)",
    "(1, idx % 3)", "(idx[:, None], idx % 3)", "mask", "2", "(idx, None)", "(..., idx % 3)",
    "(mask, 1)",
])  # fmt: skip
@pytest.mark.parametrize("kind", ["float32", "bfloat16", "int64", "bool", "complex64"])
def test_the_last_of_several_assigned_values_stays(
    fake: Any, settings: Any, monkeypatch: Any, index: str, kind: str
) -> None:
    """As on the CPU; where CuPy's threads write in the other order."""

    def backwards(self: Any, where: Any, value: Any) -> None:
        plain = self.view(np.ndarray)
        places = np.arange(plain.size).reshape(plain.shape)[where]
        values = np.broadcast_to(np.asarray(value, plain.dtype), places.shape).reshape(-1)[::-1]
        for place, one in zip(places.reshape(-1)[::-1], values):
            plain[np.unravel_index(int(place), plain.shape)] = one

    rng = np.random.default_rng(0)
    rows, truth = ad.tensor(rng.integers(-5, 5, 9)), ad.tensor(rng.random(5) < 0.5)
    start = ad.tensor(rng.integers(0, 2, (5, 3))).to(getattr(ad, kind))

    def written(device: str) -> Any:
        x = start.to(device, copy=True)
        names = {"idx": rows.to(device), "mask": truth.to(device)}
        where = eval(index, names)
        fill = ad.tensor(np.random.default_rng(1).integers(0, 99, start[eval(index, {
            "idx": rows, "mask": truth})].shape)).to(getattr(ad, kind)).to(device)  # fmt: skip
        x[where] = fill
        again = start.to(device, copy=True).index_put(
            (names["idx"],), ad.arange(9, device=device)[:, None].expand(9, 3).to(x.dtype)
        )
        return x.cpu(), again.cpu()

    want = written("cpu")
    with monkeypatch.context() as other_order:
        other_order.setattr(fake_cupy.Array, "__setitem__", backwards)
        if index == "idx" and kind == "int64":
            assert not all(a.equal(b) for a, b in zip(written("cuda"), want))
        ad.use_deterministic_algorithms(True)
        got = written("cuda")
    assert all(a.equal(b) for a, b in zip(got, want))


def test_a_captured_assignment_is_in_order_too(fake: Any, settings: Any) -> None:
    ad.use_deterministic_algorithms(True)
    rows = ad.tensor([0, 2, 0], device="cuda")

    def step(x: Any, value: Any) -> Any:
        x = x * 1.0
        x[rows] = value
        return x

    captured = ad.capture(step)
    for n in range(3):
        out = captured(ad.zeros(3, device="cuda"), ad.arange(3, device="cuda").float() + n)
        assert out.tolist() == [2.0 + n, 0.0, 1.0 + n]


def test_deterministic_embedding_has_the_same_gradient(fake: Any, settings: Any) -> None:
    weight, index = ad.randn(6, 4).to("cuda"), ad.randint(0, 6, (9,)).to("cuda")
    grads = []
    for mode in (False, True):
        ad.use_deterministic_algorithms(mode)
        w = weight.clone().requires_grad_()
        (nn.functional.embedding(index, w) ** 2).sum().backward()
        grads.append(w.grad.cpu().numpy())
    np.testing.assert_allclose(*grads, rtol=1e-6)


def test_strict_checks_raise_where_they_are_made(fake: Any, monkeypatch: Any) -> None:
    from anadrome.backends.cupy import pending

    x, index = ad.ones(3, device="cuda"), ad.tensor([0, 7], device="cuda")
    late = x.index_select(0, index)
    with pytest.raises(IndexError, match=r"range.*test_cupy_memory.py:\d+, `late = .*STRICT"):
        late.sum().item()
    monkeypatch.setattr(pending, "strict", True)
    with pytest.raises(IndexError, match="out of range in self$"):
        x.index_select(0, index)
