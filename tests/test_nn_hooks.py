"""Hooks of modules: their order, what they see and change, and when they run."""

from __future__ import annotations

from typing import Any

import pytest

import anadrome as ad
from anadrome import nn


def hooked(fw: Any) -> list[Any]:
    """What happens, in order, when a module with every kind of hook is used."""
    seen: list[Any] = []

    class Two(fw.nn.Module):
        def forward(self, x: Any, factor: Any = 1.0) -> Any:
            seen.append("forward")
            return x * 2.0 * factor, x + 1.0

    m = Two()

    def note(name: str, result: Any = None) -> Any:
        def hook(module: Any, *args: Any) -> Any:
            assert module is m
            seen.append((name, *(_shape(a) for a in args)))
            return result

        return hook

    m.register_forward_pre_hook(note("pre"))
    m.register_forward_pre_hook(note("pre first"), prepend=True)
    m.register_forward_pre_hook(note("pre kwargs"), with_kwargs=True)
    m.register_forward_hook(note("after"))
    m.register_forward_hook(note("after kwargs"), with_kwargs=True)
    m.register_forward_hook(note("after first"), prepend=True)
    m.register_full_backward_hook(note("backward"))
    m.register_full_backward_hook(note("backward first"), prepend=True)
    m.register_full_backward_pre_hook(note("backward pre"))
    removed = m.register_forward_hook(note("removed"))
    removed.remove()
    removed.remove()
    x = fw.ones(3, requires_grad=True)
    a, b = m(x, factor=3.0)
    (a.sum() + b.sum() * 2.0).backward()
    seen.append(x.grad.tolist())
    return seen


def _shape(a: Any) -> Any:
    if isinstance(a, tuple):
        return tuple(_shape(x) for x in a)
    if isinstance(a, dict):
        return {k: _shape(v) for k, v in a.items()}
    return a.tolist() if hasattr(a, "tolist") else a


@pytest.mark.torch
def test_hooks_run_in_pytorchs_order_on_pytorchs_values() -> None:
    torch = pytest.importorskip("torch")
    assert hooked(ad) == hooked(torch)


def changing(fw: Any) -> list[Any]:
    """Hooks that return something else."""
    m = fw.nn.Identity()
    x = fw.ones(2, requires_grad=True)
    m.register_forward_pre_hook(lambda m, args: args[0] * 3.0)
    m.register_forward_hook(lambda m, args, out: out + 1.0)
    m.register_full_backward_pre_hook(lambda m, grads: (grads[0] * 5.0,))
    m.register_full_backward_hook(lambda m, gi, go: (gi[0] * 7.0,))
    out = m(x)
    out.sum().backward()
    kwargs = fw.nn.Identity()
    kwargs.register_forward_pre_hook(
        lambda m, args, kw: ((kw["input"] * 2.0,), {}), with_kwargs=True
    )
    return [out.tolist(), x.grad.tolist(), kwargs(input=fw.ones(1)).tolist()]


@pytest.mark.torch
def test_hooks_change_values_and_gradients() -> None:
    torch = pytest.importorskip("torch")
    assert changing(ad) == changing(torch) == [[4.0, 4.0], [105.0, 105.0], [2.0]]


def test_a_module_without_hooks_goes_straight_to_forward() -> None:
    m = nn.Identity()
    assert not m._hooked
    handle = m.register_forward_hook(lambda *a: None)
    assert m._hooked
    assert not nn.Identity()._hooked
    handle.remove()
    assert m(3) == 3


def test_always_called_hooks_run_when_forward_raises() -> None:
    class Broken(nn.Module):
        def forward(self) -> None:
            raise ZeroDivisionError("forward")

    m = Broken()
    seen: list[str] = []
    m.register_forward_hook(lambda *a: seen.append("plain"))
    m.register_forward_hook(lambda *a: seen.append("always"), always_call=True)
    with pytest.raises(ZeroDivisionError, match=r"forward"):
        m()
    assert seen == ["always"]

    def broken(*args: Any) -> None:
        raise ValueError("hook")

    m.register_forward_hook(broken, always_call=True)
    with pytest.warns(UserWarning, match=r"silenced"), pytest.raises(ZeroDivisionError):
        m()


def test_hooks_that_return_the_wrong_thing() -> None:
    m = nn.Identity()
    m.register_forward_pre_hook(lambda m, a, k: 3, with_kwargs=True)
    with pytest.raises(RuntimeError, match=r"forward pre-hook must return None or a tuple of"):
        m(1)
    for register, text in (
        ("register_full_backward_hook", "Backward hook returned an invalid number of grad_input"),
        ("register_full_backward_pre_hook", "Backward pre hook returned an invalid number"),
    ):
        m = nn.Identity()
        getattr(m, register)(lambda *a: (None, None))
        with pytest.raises(RuntimeError, match=text):
            m(ad.ones(1, requires_grad=True)).sum().backward()


def test_backward_hook_where_no_input_has_a_gradient() -> None:
    m = nn.Linear(2, 1)
    seen: list[Any] = []
    m.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go[0].tolist())))
    m(ad.ones(1, 2)).sum().backward()
    assert seen == [((None,), [[1.0]])]


def test_hooks_of_every_module() -> None:
    from anadrome.nn.modules import hooks

    seen: list[str] = []
    handles = [
        hooks.register_module_forward_pre_hook(lambda m, a: seen.append(f"pre {type(m).__name__}")),
        hooks.register_module_forward_hook(lambda m, a, o: seen.append(type(m).__name__)),
        hooks.register_module_full_backward_hook(
            lambda m, gi, go: seen.append(f"back {type(m).__name__}")
        ),
    ]
    try:
        nn.Sequential(nn.Linear(2, 2), nn.ReLU())(
            ad.ones(1, 2, requires_grad=True)
        ).sum().backward()
    finally:
        for handle in handles:
            handle.remove()
        nn.Module._hooked = False
    assert seen == [
        "pre Sequential", "pre Linear", "Linear", "pre ReLU", "ReLU", "Sequential",
        "back ReLU", "back Linear", "back Sequential",
    ]  # fmt: skip
    nn.ReLU()(ad.ones(1))
    assert len(seen) == 9
