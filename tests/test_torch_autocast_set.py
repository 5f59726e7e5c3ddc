"""Autocast asked about, and set without a region, as in PyTorch; and regions inside regions."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

import anadrome as ad

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:.*deprecated")]


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """PyTorch's settings outlive a test; ours may as well."""
    yield
    for L in (ad, torch):
        L.set_autocast_enabled("cpu", False)
        L.set_autocast_enabled("cuda", False)
        L.set_autocast_dtype("cpu", L.bfloat16)
        L.set_autocast_dtype("cuda", L.float16)
        L.set_autocast_cache_enabled(True)


def both(story: Any) -> list[list[str]]:
    """What a program notes with either library."""
    out = []
    for L in (ad, torch):
        notes: list[str] = []

        def note(*values: Any, notes: list[str] = notes) -> None:
            notes.append(" ".join(str(v).replace("anadrome.", "torch.") for v in values))

        story(L, note)
        out.append(notes)
    return out


def same(story: Any) -> None:
    ours, theirs = both(story)
    assert ours == theirs
    assert theirs


def test_switched_on_and_off() -> None:
    def story(L: Any, note: Any) -> None:
        a = L.ones(2, 2)
        L.set_autocast_enabled("cpu", True)
        note((a @ a).dtype, L.is_autocast_enabled("cpu"), L.is_autocast_cpu_enabled())
        L.set_autocast_dtype("cpu", L.float16)
        note((a @ a).dtype, L.get_autocast_cpu_dtype())
        with L.autocast("cpu"):
            note((a @ a).dtype, L.get_autocast_dtype("cpu"))
        with L.autocast("cpu", dtype=L.bfloat16):
            note((a @ a).dtype, L.get_autocast_dtype("cpu"))
            L.set_autocast_enabled("cpu", False)
            note((a @ a).dtype)
        note((a @ a).dtype, L.get_autocast_dtype("cpu"))
        with L.autocast("cpu", enabled=False):
            note((a @ a).dtype, L.is_autocast_enabled("cpu"))
        seen = []
        thread = threading.Thread(
            target=lambda: seen.append((L.is_autocast_enabled("cpu"), L.get_autocast_dtype("cpu")))
        )
        thread.start()
        thread.join()
        note(*seen[0])
        L.set_autocast_cpu_enabled(False)
        note((a @ a).dtype, L.is_autocast_enabled("cpu"), L.get_autocast_dtype("cpu"))

    same(story)


def test_other_devices_and_older_names() -> None:
    def story(L: Any, note: Any) -> None:
        L.set_autocast_enabled(True)
        note(L.is_autocast_enabled(), L.is_autocast_enabled("cuda"), L.is_autocast_enabled("cpu"))
        L.set_autocast_enabled(False)
        note(L.is_autocast_enabled())
        L.set_autocast_gpu_dtype(L.bfloat16)
        note(L.get_autocast_gpu_dtype(), L.get_autocast_dtype("cuda"))
        for device in ("ipu", "xla", "mps", "hpu", "xpu"):
            note(device, L.is_autocast_enabled(device), L.get_autocast_dtype(device))
        L.set_autocast_xla_enabled(True)
        note(L.is_autocast_xla_enabled(), L.is_autocast_ipu_enabled(), L.get_autocast_xla_dtype())
        L.set_autocast_xla_enabled(False)
        L.set_autocast_ipu_dtype(L.bfloat16)
        note(L.get_autocast_ipu_dtype())
        L.set_autocast_ipu_dtype(L.float16)

    same(story)


def test_regions_inside_regions() -> None:
    def story(L: Any, note: Any) -> None:
        a = L.ones(2, 2)
        with L.autocast("cpu"):
            with L.autocast("cpu", dtype=L.float16):
                with L.autocast("cpu", enabled=False):
                    note((a @ a).dtype, L.get_autocast_dtype("cpu"))
                    with L.autocast("cpu"):
                        note((a @ a).dtype)
                with L.autocast("cpu"):
                    note((a @ a).dtype)
            note((a @ a).dtype, L.get_autocast_dtype("cpu"))
            with L.autocast("cpu", cache_enabled=False):
                note(L.is_autocast_cache_enabled())
                with L.autocast("cpu") as inner:
                    note(L.is_autocast_cache_enabled(), inner._cache_enabled)
            note(L.is_autocast_cache_enabled())
        note((a @ a).dtype, L.get_autocast_dtype("cpu"))
        region = L.autocast("cpu", dtype=L.float16)
        note(region.device, region.fast_dtype, region._enabled, region._cache_enabled)

    same(story)


def test_nesting_and_the_cache() -> None:
    def story(L: Any, note: Any) -> None:
        note(*(L.autocast_increment_nesting() for _ in range(2)))
        note(*(L.autocast_decrement_nesting() for _ in range(2)))
        w, x = L.ones(2, 2, requires_grad=True), L.ones(2, 2)

        def cast() -> Any:
            return x.mm(w).grad_fn.next_functions[1][0]

        with L.autocast("cpu"):
            first = cast()
            note(cast() is first)
            L.clear_autocast_cache()
            note(cast() is first)
        L.set_autocast_cache_enabled(False)
        with L.autocast("cpu"):
            note(L.is_autocast_cache_enabled(), cast() is cast())
        L.set_autocast_cache_enabled(True)
        L.set_autocast_enabled("cpu", True)
        L.autocast_increment_nesting()
        L.set_autocast_enabled("cpu", True)
        first = cast()
        note(cast() is first)
        if L.autocast_decrement_nesting() == 0:
            L.clear_autocast_cache()
        L.set_autocast_enabled("cpu", False)

    same(story)


def test_functions_of_ones_own_and_checkpoints() -> None:
    def story(L: Any, note: Any) -> None:
        class Narrow(L.autograd.Function):  # type: ignore[name-defined]
            @staticmethod
            @L.amp.custom_fwd(device_type="cpu", cast_inputs=L.float16)
            def forward(ctx: Any, x: Any, y: Any) -> Any:
                ctx.save_for_backward(x, y)
                note(x.dtype, y.dtype, L.is_autocast_enabled("cpu"), ctx._fwd_used_autocast)
                return x @ y

            @staticmethod
            @L.amp.custom_bwd(device_type="cpu")
            def backward(ctx: Any, grad: Any) -> Any:
                x, y = ctx.saved_tensors
                note(grad.dtype, L.is_autocast_enabled("cpu"), (grad @ y.to(grad.dtype)).dtype)
                return grad @ y.t().to(grad.dtype), x.t().to(grad.dtype) @ grad

        w = L.ones(2, 2, requires_grad=True)
        for on in (True, False):
            with L.autocast("cpu", enabled=on):
                out = Narrow.apply(w, w * 1.0)
            out.sum().backward()
            note(out.dtype, w.grad.dtype)
            w.grad = None

        def segment(x: Any) -> Any:
            note((x @ x).dtype, L.is_autocast_enabled("cpu"), L.get_autocast_dtype("cpu"))
            with L.autocast("cpu", enabled=False):
                note((x @ x).dtype)
            return L.nn.functional.mse_loss(x @ x, x)

        for reentrant in (False, True):
            with L.autocast("cpu", dtype=L.float16):
                out = L.utils.checkpoint.checkpoint(segment, w, use_reentrant=reentrant)
            out.backward()
            note(out.dtype, w.grad.dtype)
            w.grad = None

    import anadrome.utils.checkpoint  # noqa: F401

    same(story)


@pytest.mark.parametrize(
    "call",
    [
        lambda L: L.set_autocast_enabled("cpu", "yes"),
        lambda L: L.set_autocast_enabled("cpu"),
        lambda L: L.set_autocast_dtype("cpu", "half"),
        lambda L: L.set_autocast_cache_enabled("no"),
        lambda L: L.is_autocast_enabled(3),
        lambda L: L.set_autocast_enabled("toaster", True),
        lambda L: L.get_autocast_dtype("toaster"),
    ],
)
def test_what_is_refused(call: Any) -> None:
    with pytest.raises((TypeError, RuntimeError)) as caught:
        call(torch)
    kind = TypeError if isinstance(caught.value, TypeError) else RuntimeError
    with pytest.raises(kind):
        call(ad)
