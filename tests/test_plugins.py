"""The plugin manager: what plugins give arrives, and a bad one is left out, named, without harm."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import textwrap
import types

import pytest

import anadrome as ad
from anadrome import backend, manager
from anadrome.errors import PluginError
from anadrome.op import table


def module(name: str, **members) -> types.ModuleType:
    made = types.ModuleType(name)
    made.__dict__.update(members)
    return made


@pytest.fixture
def plugin():
    names = []

    def add(made):
        names.append(made.__name__)
        return manager.register(made)

    yield add
    for name in names:
        if name in manager.plugins:
            manager.unregister(name)


def hook(name, function):
    function.__name__ = name
    return ad.hookimpl(function)


def test_bundled_plugins_are_loaded():
    assert {n for n, p in manager.plugins.items() if p.loaded} >= {
        "adam", "amp", "checkpoint", "clip", "cupy", "demo", "numpy",
    }  # fmt: skip


def test_hooks_are_called_while_somebody_listens(plugin):
    """In every thread, until each start has had its stop; and not at all before or after."""
    listening = ad.Listening()
    seen = []
    hooks = {
        name: hook(name, listening(function))
        for name, function in {
            "around_backward": lambda tensors: seen.append("around"),
            "grad_ready": lambda tensor: seen.append("ready"),
            "before_step": lambda optimizer: seen.append("before"),
            "before_update": lambda gradients: seen.append("update"),
            "after_step": lambda optimizer: seen.append("after"),
        }.items()
    }
    plugin(module("listener", **hooks))
    w = ad.ones(2, requires_grad=True)
    optimizer = ad.optim.SGD([w], lr=0.1)

    def step():
        seen.clear()
        w.sum().backward()
        optimizer.step()
        return list(seen)

    everything = ["around", "ready", "before", "update", "after"]
    assert step() == []
    with listening:
        assert step() == everything
        listening.start()
    assert step() == everything
    listening.stop()
    assert step() == []


def test_a_hook_that_ends_the_listening_does_not_break_the_step(plugin):
    """Another thread may do so at any moment; here the hooks before and around do it."""
    listening = ad.Listening()
    seen = []

    def stop(kind):
        seen.append(kind)
        listening.stop()

    plugin(
        module(
            "stopper",
            around_backward=hook("around_backward", listening(lambda tensors: stop("around"))),
            grad_ready=hook("grad_ready", listening(lambda tensor: seen.append("ready"))),
            before_step=hook("before_step", listening(lambda optimizer: stop("before"))),
            after_step=hook("after_step", listening(lambda optimizer: seen.append("after"))),
        )
    )
    w = ad.ones(2, requires_grad=True)
    optimizer = ad.optim.SGD([w], lr=0.5)
    listening.start()
    w.sum().backward()
    assert seen == ["around"]
    listening.start()
    optimizer.step()
    assert seen == ["around", "before"]
    assert w.tolist() == [0.5, 0.5]


def test_exports_are_lazy_and_importable(plugin):
    target = module("lazy_target", answer=lambda: 42)
    sys.modules["lazy_target"] = target
    given = {"deep.down.answer": "lazy_target:answer", "shallow": "lazy_target:answer"}
    added = plugin(module("exporter", register_exports=hook("register_exports", lambda: given)))
    from anadrome.deep.down import answer

    assert answer() == 42
    assert ad.shallow() == 42
    assert "deep.down.answer" in dir(ad.deep.down) or "answer" in dir(ad.deep.down)
    assert set(added.adds) >= set(given)


def test_clashing_exports_leave_the_second_out(plugin):
    def exports():
        return {"clash_here": "os:sep"}

    plugin(module("first", register_exports=hook("register_exports", exports)))
    with pytest.raises(PluginError, match="'clash_here', which plugin 'first' gives already"):
        plugin(
            module("second", register_exports=hook("register_exports", lambda: {"clash_here": 1}))
        )
    assert ad.clash_here == os.sep
    assert not manager.plugins["second"].loaded


def test_a_failing_plugin_takes_its_ops_with_it(plugin):
    def declare():
        ad.op("half_declared", lambda xp, x: x, x=lambda g: g)
        raise ValueError("broken on purpose")

    with pytest.raises(PluginError, match="ValueError: broken on purpose"):
        plugin(module("broken", register_ops=hook("register_ops", declare)))
    from anadrome.op import table

    assert "half_declared" not in table


def test_ops_name_their_plugin(plugin):
    def declare():
        ad.op("unfinished", lambda xp, x: x + 0, x=ad.MISSING)

    plugin(module("drafts", register_ops=hook("register_ops", declare)))
    from anadrome.op import table

    try:
        x = ad.ones(2, requires_grad=True)
        y = table["unfinished"].call(x)
        with pytest.raises(
            NotImplementedError, match=r"derivative of 'unfinished' \(from drafts\)"
        ):
            y.sum().backward()
    finally:
        del table["unfinished"]


def test_too_new_plugin_says_what_to_do(plugin):
    with pytest.raises(PluginError, match="made for hook API 7 to 9, this anadrome has 1; install"):
        plugin(module("future", ANADROME_API=(7, 9)))


def test_kernels_take_the_place_of_the_backends(plugin, monkeypatch):
    numpy = backend.get("numpy")
    monkeypatch.setattr(numpy, "kernels", dict(numpy.kernels))
    monkeypatch.setattr(backend, "_extensions", {})
    ad.ones(2).cosh()  # whatever was learnt about the op is forgotten

    def kernels(of):
        before = of.kernels["cosh"]
        return {"cosh": lambda x: before(x) + 1}

    added = plugin(
        module("faster", register_kernels=hook("register_kernels", lambda: {"numpy": kernels}))
    )
    try:
        assert added.adds == ["kernels for numpy"]
        assert ad.zeros(2).cosh().tolist() == [2.0, 2.0]
    finally:
        table["cosh"].implementations.clear()


def test_a_misspelt_hook_is_an_error(plugin):
    wrong = hook("register_opps", lambda: None)
    with pytest.raises(PluginError, match="register_opps"):
        plugin(module("misspelt", register_opps=wrong))


def test_one_name_twice_is_an_error(plugin):
    plugin(module("twin"))
    with pytest.raises(PluginError, match="'twin' is loaded already"):
        manager.register(module("twin"))


def test_hooks_at_work_fire_and_stop_firing(plugin):
    seen = []

    @contextlib.contextmanager
    def around(tensors):
        seen.append(("in", len(tensors)))
        yield
        seen.append("out")

    watcher = module(
        "watcher",
        around_backward=hook("around_backward", lambda tensors: around(tensors)),
        grad_ready=hook("grad_ready", lambda tensor: seen.append(tensor)),
    )
    plugin(watcher)
    x = ad.ones(2, requires_grad=True)
    (x * 2).sum().backward()
    assert seen[0] == ("in", 1)
    assert seen[1] is x
    assert seen[2] == "out"
    manager.unregister("watcher")
    seen.clear()
    (x * 2).sum().backward()
    assert seen == []


def test_step_hooks_fire_around_the_step(plugin):
    from anadrome import optim

    x = ad.ones(2, requires_grad=True)
    values = []
    plugin(
        module(
            "steps",
            before_step=hook("before_step", lambda optimizer: values.append(x.tolist())),
            after_step=hook("after_step", lambda optimizer: values.append(x.tolist())),
        )
    )
    opt = optim.SGD([x], lr=0.5)
    x.sum().backward()
    opt.step()
    assert values == [[1.0, 1.0], [0.5, 0.5]]


def run(code: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )


def install(folder, name: str, code: str) -> None:
    """A distribution with one plugin, laid out as pip would."""
    (folder / f"{name}.py").write_text(textwrap.dedent(code))
    info = folder / f"{name}-9.9.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 9.9\n")
    (info / "entry_points.txt").write_text(f"[anadrome]\n{name} = {name}\n")


def test_third_party_plugins_good_and_broken(tmp_path):
    install(
        tmp_path,
        "goodplug",
        """
        from anadrome import hookimpl
        @hookimpl
        def register_exports():
            return {"good.news": "math:pi"}
        """,
    )
    install(tmp_path, "badplug", "import a_module_that_is_not_there\n")
    result = run(
        """
        import anadrome as ad
        print(ad.good.news, (ad.ones(2) + 1).tolist())
        from anadrome.__main__ import main
        main(["plugins"])
        """,
        PYTHONPATH=str(tmp_path),
    )
    assert result.returncode == 0, result.stderr
    assert "3.14159" in result.stdout
    lines = "goodplug 9.9  from goodplug (goodplug)  loaded\n    anadrome.good: news"
    assert lines in result.stdout
    assert "badplug 9.9  from badplug (badplug)  NOT LOADED: ModuleNotFoundError" in result.stdout


def test_plugins_can_be_disabled_by_name():
    result = run(
        """
        import anadrome as ad
        from anadrome import manager
        print(manager.plugins["adam"].error, hasattr(ad.optim, "Adam"))
        """,
        ANADROME_DISABLE_PLUGINS="adam, clip",
    )
    assert result.stdout == "disabled by ANADROME_DISABLE_PLUGINS False\n", result.stderr


def test_import_is_light():
    result = run(
        """
        import sys, anadrome
        heavy = "cupy scipy hypothesis matplotlib sklearn torch safetensors tqdm".split()
        print(sorted(set(heavy) & set(sys.modules)))
        """
    )
    assert result.stdout == "[]\n", result.stderr


def test_unknown_backend_is_named():
    result = run("import anadrome as ad; ad.ones(2)", ANADROME_BACKEND="abacus")
    assert "no backend named 'abacus'; there are" in result.stderr


def test_commands_of_plugins_run(plugin, capsys):
    from anadrome.__main__ import main

    greet = ad.Command(
        "greet",
        "say hello",
        lambda parser: parser.add_argument("name"),
        lambda args: print(f"hello {args.name}") or 3,
    )
    added = plugin(module("greeter", register_commands=hook("register_commands", lambda: [greet])))
    assert added.adds == ["command greet"]
    assert main(["greet", "you"]) == 3
    assert capsys.readouterr().out == "hello you\n"
    assert manager.commands()["greet"] is greet


def test_a_hook_that_wraps_others_is_an_error():
    class Wrapping:
        @ad.hookimpl(wrapper=True)
        def grad_ready(self, tensor):
            yield

    with pytest.raises(PluginError, match="wraps the hook 'grad_ready'; hooks of anadrome are pl"):
        manager.register(Wrapping(), "wrapping")


def test_a_hook_may_leave_its_argument_out():
    class Short:
        calls = 0

        @ad.hookimpl
        def grad_ready(self):
            Short.calls += 1

    manager.register(Short(), "short")
    try:
        ad.ones(1, requires_grad=True).sum().backward()
    finally:
        manager.unregister("short")
    assert Short.calls == 1
