"""NumPy and CuPy side by side on what hypothesis thinks of, and the examples on a GPU.

On the stand-in and, where there is one, on a GPU.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_backend_cupy import fake  # noqa: F401  (the fixture)
from test_cupy_table import NAMES
from test_cupy_training import gpu  # noqa: F401  (the fixture)
from test_examples import EXAMPLES, run
from test_table_hypothesis import BINARY, FINITE, UNARY, arrays, values

import anadrome as ad
from anadrome import testing
from anadrome.op import table
from anadrome.testing import checks

# ruff: noqa: F811

KINDS = ["float64", "float32", "float16", "bfloat16"]
SETTINGS = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
SHAPES = st.sampled_from([(), (0,), (3,), (2, 3), (4, 1, 3), (2, 0), (33,)])
#: Of NaN and infinity they say what the library does.
OWN = {"round", "floor_divide", "remainder"}


@pytest.fixture(autouse=True)
def _at_once(gpu: str, monkeypatch: Any) -> None:
    from anadrome.backends.cupy import pending

    monkeypatch.setattr(pending, "strict", True)


def close(there: Any, here: Any) -> None:
    """By the tolerance of the type; NaN where there is NaN."""
    assert there.dtype is here.dtype and there.shape == here.shape
    assert there.device.type == "cuda"
    rtol, atol = testing.tolerance_of(here.dtype)
    rtol, atol = (1e-10, 1e-10) if here.dtype is ad.float64 else (rtol, atol)
    a, b = there.cpu(), here
    if not here.dtype.is_floating_point:
        assert a.equal(b)
        return
    np.testing.assert_allclose(a.double().numpy(), b.double().numpy(), rtol=rtol, atol=atol)


def both(function: Any, plain: list[Any], kind: str) -> None:
    """Values, and gradients where there are some, of the same call here and there."""
    results = []
    for device in ("cuda", "cpu"):
        args = [ad.tensor(np.ascontiguousarray(a), dtype=getattr(ad, kind)).to(device)
                for a in plain]  # fmt: skip
        args = [a.requires_grad_() for a in args]
        out = function(*args)
        grads: list[Any] = []
        if out.grad_fn is not None and all(np.isfinite(a).all() for a in plain):
            out.backward(ad.ones_like(out))
            grads = [a.grad for a in args]
        results.append((out.detach(), grads))
    (there, theirs), (here, ours) = results
    close(there, here)
    assert len(theirs) == len(ours)
    for a, b in zip(theirs, ours):
        assert (a is None) == (b is None)
        if a is not None:
            close(a, b)


@pytest.mark.parametrize("kind", KINDS)
@SETTINGS
@given(st.data())
def test_elementwise(gpu: str, kind: str, data: Any) -> None:
    name = data.draw(st.sampled_from(sorted(UNARY)))
    # Half precision has no room for what `exp` makes of large values.
    low, high = UNARY[name][1]
    if kind == "float16":
        low, high = max(low, -6), min(high, 6)
    drawn = arrays(data.draw(SHAPES), values(low, high, special=name not in OWN))
    both(getattr(ad, name), [data.draw(drawn)], kind)


@pytest.mark.parametrize("kind", KINDS)
@SETTINGS
@given(st.data())
def test_of_two(gpu: str, kind: str, data: Any) -> None:
    name = data.draw(st.sampled_from(sorted(set(BINARY) - OWN)))
    shapes = data.draw(
        st.sampled_from(
            [((3,), (3,)), ((2, 3), (3,)), ((), (2, 2)), ((2, 1), (1, 3)), ((0, 3), (3,))]
        )
    )
    low, high = BINARY[name][1]
    plain = [data.draw(arrays(s, values(low, high, special=name not in FINITE))) for s in shapes]
    both(getattr(ad, name), plain, kind)


@SETTINGS
@given(st.data())
def test_any_op_of_the_table(gpu: str, data: Any) -> None:
    """Its samples, with other numbers than those of the table's own checks."""
    # What is drawn is another generator's here.
    name = data.draw(st.sampled_from([n for n in NAMES if n != "dropout"]))
    op = table[name]
    samples = list(op.samples)
    sample = samples[data.draw(st.integers(0, len(samples) - 1))]
    kind = getattr(ad, data.draw(st.sampled_from(KINDS)))
    seed = data.draw(st.integers(0, 2**31))
    checks.check_value(op, sample, "cupy", kind, seed)
    checks.check_gradient(op, sample, "cupy", kind, seed)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_examples_on_the_device(gpu: str, path: Any) -> None:
    """With the GPU as the default device, and nothing else changed."""
    ad.set_default_device(gpu)
    try:
        shown = run(path.name[:2])
    finally:
        ad.set_default_device(None)
    assert isinstance(shown, dict) and shown


def test_a_scaled_training_goes_on_on_the_cpu(gpu: str, tmp_path: Any) -> None:
    """The optimizer's count of steps was on the device, and one of them was skipped."""

    def made(device: str) -> Any:
        ad.manual_seed(0)
        model = ad.nn.Sequential(ad.nn.Linear(4, 8), ad.nn.Tanh(), ad.nn.Linear(8, 1)).to(device)
        optimizer = ad.optim.AdamW(model.parameters(), lr=1e-2)
        return model, optimizer, ad.amp.GradScaler(device, init_scale=64.0, growth_interval=2)

    def iterate(parts: Any, device: str, factor: float = 1.0) -> float:
        model, optimizer, scaler = parts
        x = ad.linspace(-1, 1, 12).reshape(3, 4).to(device)
        optimizer.zero_grad()
        loss = (model(x) ** 2).sum() * factor
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        return float(loss)

    whole, there = made("cpu"), made(gpu)
    factors = (1.0, float("inf"), 1.0)
    assert [iterate(there, gpu, f) for f in factors] == pytest.approx(
        [iterate(whole, "cpu", f) for f in factors], rel=1e-5
    )
    assert there[1].state[there[0][0].weight]["step"].device.type == "cuda"
    ad.save([part.state_dict() for part in there], tmp_path / "all.pt")
    here = made("cpu")
    for part, state in zip(here, ad.load(tmp_path / "all.pt", map_location="cpu")):
        part.load_state_dict(state)
    for _ in range(3):
        assert iterate(here, "cpu") == pytest.approx(iterate(whole, "cpu"), rel=1e-4)
    assert here[2].get_scale() == whole[2].get_scale()
    assert here[1].state[here[0][0].weight]["step"].item() == 5.0


def test_steps_with_a_scaler_and_without(gpu: str) -> None:
    """The count of steps goes to the device and comes back."""

    def course(device: str) -> list[Any]:
        w = ad.tensor([1.0, -2.0, 3.0], device=device, requires_grad=True)
        b = ad.tensor([0.5], device=device, requires_grad=True)
        optimizer = ad.optim.Adam([w, b], lr=0.1)
        scaler = ad.amp.GradScaler(device, init_scale=8.0)
        found = []
        for factor in (1.0, float("inf"), 1.0, None, None, 1.0, float("inf"), None):
            optimizer.zero_grad()
            loss = (w**2).sum() + (b * (1.0 if factor is None else factor)).sum()
            if factor is None:
                loss.backward()
                optimizer.step()
            else:
                scaler.scale(loss).backward()
                scaler.step(optimizer)
                scaler.update()
            counts = [s["step"].item() for s in optimizer.state.values()]
            found.append([*w.tolist(), *b.tolist(), *counts])
        return found

    for there, here in zip(course(gpu), course("cpu")):
        np.testing.assert_allclose(there, here, rtol=2e-5, atol=1e-6)
