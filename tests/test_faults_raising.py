"""Faults: an exception in a user's hook or Function, and in a plugin, wherever one may raise."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import types

import pytest

import anadrome as ad
from anadrome import LazyBackend, manager, modes, op
from anadrome.op import table

F = ad.nn.functional


class Ours(Exception):
    """Raised on purpose."""


def breaks(*seen):
    raise Ours("on purpose")


class Twice(ad.autograd.Function):
    fails_in = None

    @staticmethod
    def forward(ctx, x):
        if Twice.fails_in == "forward":
            breaks()
        ctx.save_for_backward(x)
        return x * 2

    @staticmethod
    def backward(ctx, g):
        if Twice.fails_in == "backward":
            breaks()
        return g * 2


class Training:
    def __init__(self):
        ad.manual_seed(0)
        self.net = ad.nn.Sequential(ad.nn.Linear(3, 4), ad.nn.Tanh(), ad.nn.Linear(4, 1))
        self.optimizer = ad.optim.Adam(self.net.parameters())
        self.x = ad.ones(2, 3)
        self.attach = None

    def step(self):
        self.optimizer.zero_grad()
        hidden = Twice.apply(self.net[1](self.net[0](self.x)))
        out = self.net[2](hidden)
        if self.attach is not None:
            self.attach(self, hidden, out)
        out.sum().backward()
        self.optimizer.step()

    def values(self):
        return [p.tolist() for p in self.net.parameters()]


def on_tensor(t, hidden, out):
    hidden.register_hook(breaks)


def on_leaf(t, hidden, out):
    return t.net[0].weight.register_hook(breaks)


def after_accumulation(t, hidden, out):
    return t.net[0].weight.register_post_accumulate_grad_hook(breaks)


def before_node(t, hidden, out):
    hidden.grad_fn.register_prehook(breaks)


def after_node(t, hidden, out):
    hidden.grad_fn.register_hook(breaks)


def of_module_forward(t):
    return t.net[0].register_forward_hook(breaks)


def of_module_forward_first(t):
    return t.net[0].register_forward_pre_hook(breaks)


def of_module_backward(t):
    return t.net[0].register_full_backward_hook(breaks)


def of_module_backward_first(t):
    return t.net[0].register_full_backward_pre_hook(breaks)


def of_step_first(t):
    return t.optimizer.register_step_pre_hook(breaks)


def of_step(t):
    return t.optimizer.register_step_post_hook(breaks)


DURING = {
    on_tensor: "while the backward was at `TwiceBackward` (",
    on_leaf: "while the backward was at the leaf of shape (4, 3)",
    after_accumulation: "while the backward was at the leaf of shape (4, 3)",
    before_node: "while the backward was at `TwiceBackward` (",
    after_node: "while the backward was at `TwiceBackward` (",
}
BEFORE = {
    of_module_forward: "in a forward hook of Linear",
    of_module_forward_first: "in a forward pre-hook of Linear",
    of_module_backward: "while the backward was at ",
    of_module_backward_first: "while the backward was at ",
    of_step_first: "in a step pre-hook of Adam",
    of_step: "in a step post-hook of Adam",
}
FUNCTION = {"forward": "", "backward": "while the backward was at `TwiceBackward` ("}


def told(error):
    return "\n".join(getattr(error, "__notes__", ()))


@pytest.mark.parametrize(
    "where", [*DURING, *BEFORE, *FUNCTION], ids=lambda w: w if isinstance(w, str) else w.__name__
)
def test_a_hook_or_function_of_the_user_that_raises(where, monkeypatch):
    training, twin = Training(), Training()
    training.step()
    twin.step()
    before = training.values()
    handle = None
    if where in DURING:
        handles = []
        training.attach = lambda *seen: handles.append(where(*seen))
        expected = DURING[where]
    elif where in BEFORE:
        handle = where(training)
        expected = BEFORE[where]
    else:
        monkeypatch.setattr(Twice, "fails_in", where)
        expected = FUNCTION[where]
    with pytest.raises(Ours) as caught:
        training.step()
    notes = told(caught.value)
    assert expected in notes
    if expected:  # and the user's line
        assert "raised by `" in notes
        assert "test_faults_raising.py:" in notes
        assert notes.count("while the backward was at") <= 1
    stepped = where is of_step
    assert (training.values() == before) is not stepped
    if where in DURING or where == "backward":
        assert all(p.grad is None for p in training.net.parameters())
    assert modes.current() is modes.EAGER
    # The next step is as if nothing had been.
    training.attach = None
    if where in DURING and handles[0] is not None:
        handles[0].remove()
    if handle is not None:
        handle.remove()
    monkeypatch.setattr(Twice, "fails_in", None)
    training.step()
    twin.step()
    if stepped:
        twin.step()
    assert training.values() == twin.values()


def test_what_a_hook_did_to_its_leaf_stays_its():
    """Only a gradient that the backward itself gave is taken back."""
    a, b = ad.ones(2, requires_grad=True), ad.ones(2, requires_grad=True)
    mine = ad.full((2,), 9.0)
    b.register_post_accumulate_grad_hook(lambda leaf: setattr(leaf, "grad", mine))
    a.register_hook(breaks)
    with pytest.raises(Ours):
        (a * 1.0 + b).sum().backward()
    assert a.grad is None
    assert b.grad is None or b.grad is mine


def test_it_is_found_which_leaves_had_a_gradient_already():
    a, b = ad.ones(2, requires_grad=True), ad.ones(2, requires_grad=True)
    b.grad = ad.ones(2)
    made = (a * 3.0).exp()  # older than what b is in, so it is reached later
    made.register_hook(breaks)
    with pytest.raises(Ours) as caught:
        (made + b * 2.0).sum().backward()
    assert a.grad is None
    assert b.grad.tolist() == [3.0, 3.0]
    assert "1 of the leaves had a gradient already" in told(caught.value)
    assert "call zero_grad() before you go on" in told(caught.value)


def test_two_threads_one_of_which_fails():
    """What it gave is taken back, unless the other one has added to it meanwhile."""
    w, alone = ad.ones(4, requires_grad=True), ad.ones(4, requires_grad=True)
    given, go_on = threading.Event(), threading.Event()

    def fails():
        with contextlib.suppress(Ours):
            (w * 2.0 + alone).sum().backward()

    thread = threading.Thread(target=fails)

    def wait(leaf):
        if threading.current_thread() is thread and not given.is_set():
            given.set()
            go_on.wait(10)
            raise Ours

    alone.register_hook(lambda g: None)
    w.register_post_accumulate_grad_hook(wait)
    thread.start()
    assert given.wait(10)
    assert w.grad.tolist() == [2.0] * 4
    (w * 5.0).sum().backward()
    go_on.set()
    thread.join()
    assert w.grad.tolist() == [7.0] * 4
    assert alone.grad is None


# -- plugins ----------------------------------------------------------------------------------
def plugin(**hooks):
    module = types.ModuleType("a_bad_plugin")
    for name, function in hooks.items():
        setattr(module, name, ad.hookimpl(function))
    return module


@pytest.fixture
def registered():
    names = []

    def register(module):
        names.append(manager.register(module, name="bad").name)

    yield register
    for name in names:
        if name in manager.plugins:
            manager.unregister(name)


def before_step(optimizer):
    breaks()


def before_update(gradients):
    breaks()


def after_step(optimizer):
    breaks()


def grad_ready(tensor):
    breaks()


def around_backward(tensors):
    breaks()


@pytest.mark.parametrize(
    "hook",
    [before_step, before_update, after_step, grad_ready, around_backward],
    ids=lambda h: h.__name__,
)
def test_a_plugin_that_raises_at_work(hook, registered):
    training, twin = Training(), Training()
    registered(plugin(**{hook.__name__: hook}))
    with pytest.raises(Ours) as caught:
        training.step()
    assert (
        f"raised by the plugin 'bad' in its hook {hook.__name__}; ANADROME_DISABLE_PLUGINS=bad "
        "leaves it out" in told(caught.value)
    )
    manager.unregister("bad")
    if hook is not after_step:
        assert training.values() == twin.values()
        if hook not in (before_step, before_update):
            assert all(p.grad is None for p in training.net.parameters())
        training.step()
    twin.step()
    assert training.values() == twin.values()
    assert modes.current() is modes.EAGER


def register_backends():
    return [LazyBackend("never", ("never",), breaks)]


def register_kernels():
    return {"numpy": breaks}


def register_ops():
    op("never_declared", lambda xp, x: x, x=lambda g: g, inplace=True)


def register_exports():
    return {"never_exported": "math:sin"}


def register_commands():
    return []


REGISTERING = [
    register_backends, register_kernels, register_ops, register_exports, register_commands,
]  # fmt: skip


@pytest.mark.parametrize("failing", range(len(REGISTERING)),
                         ids=[h.__name__ for h in REGISTERING])  # fmt: skip
def test_a_plugin_that_raises_when_it_registers(failing):
    """It is left out, wholly, and the report names the hook."""
    hooks = {h.__name__: h for h in REGISTERING}
    name = REGISTERING[failing].__name__
    hooks[name] = lambda: breaks()
    with pytest.raises(ad.errors.PluginError, match=rf"'bad': {name}\(\): Ours: on purpose"):
        manager.register(plugin(**hooks), name="bad")
    left = manager.plugins.pop("bad")
    assert not left.loaded
    assert left.adds == []
    assert "never" not in ad.backend.names()
    assert "never_declared" not in table
    assert not hasattr(ad.Tensor, "never_declared")
    assert not hasattr(ad.Tensor, "never_declared_")
    assert not hasattr(ad, "never_exported")
    assert "never_exported" not in manager.exports
    Training().step()


@pytest.mark.parametrize(
    ("text", "told_of"),
    [
        ("raise RuntimeError('no start')", "RuntimeError: no start"),
        ("import a_module_that_is_not_there", "ModuleNotFoundError: No module named"),
        ("this is no python", "SyntaxError: "),
        ("def register_ops(: pass", "SyntaxError: "),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
    ],
    ids=["raises", "misses a module", "no python", "no syntax", "exits"],
)
def test_a_plugin_that_raises_when_it_is_imported(tmp_path, text, told_of):
    (tmp_path / "a_bad_plugin.py").write_text(text)
    info = tmp_path / "a_bad_plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: a-bad-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[anadrome]\nworst = a_bad_plugin\n")
    code = (
        "import anadrome as ad\n"
        "from anadrome import manager\n"
        "print(manager.plugins['worst'].error)\n"
        "x = ad.ones(2, requires_grad=True)\n"
        "(x * x).sum().backward()\n"
        "assert x.grad.tolist() == [2.0, 2.0]\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{code}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.startswith(told_of)
