"""manager: finds plugins, loads them, and keeps a broken one from breaking the framework.

Bundled plugins come through the very entry points that third parties use. (The module is not called
``plugins`` because ``anadrome.plugins`` is the package of the bundled ones.)
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import pluggy

from . import backend, engine, hookspecs
from .autograd import entry
from .entrypoints import EntryPoint, entry_points
from .errors import PluginError
from .listening import Listening, awake
from .op import declared_by, table, withdraw
from .places import is_place
from .places.missing import advice, missing
from .unfinished import note

GROUP = "anadrome"


class Plugin:
    """What ``anadrome plugins`` shows of one."""

    def __init__(self, name: str, module: Any = None, point: EntryPoint | None = None):
        self.name = name
        self.module = module
        self.error: str | None = None
        self.adds: list[str] = []
        self._point = point

    @property
    def loaded(self) -> bool:
        """Whether it takes part."""
        return self.error is None

    @property
    def version(self) -> str:
        """The version of the distribution it comes from, ``?`` if that is unknown."""
        return (
            getattr(self.module, "__version__", "?") if self._point is None else self._point.version
        )

    @property
    def source(self) -> str:
        """The distribution and module it comes from."""
        if self._point is None:
            return "registered by hand"
        return f"{self._point.distribution} ({self._point.value})"


class _Manager(pluggy.PluginManager):
    """Looks at a module's functions only: pluggy's own search takes a tenth of our import."""

    def parse_hookimpl_opts(self, plugin: Any, name: str) -> Any:
        if isinstance(plugin, types.ModuleType):
            found = vars(plugin).get(name)
            if not (isinstance(found, types.FunctionType) and hasattr(found, "anadrome_impl")):
                return None
        return super().parse_hookimpl_opts(plugin, name)


plugins: dict[str, Plugin] = {}
_pluggy = _Manager("anadrome")
_pluggy.add_hookspecs(hookspecs)
#: Public dotted names that plugins gave, and who.
exports: dict[str, tuple[str, Any]] = {}

#: Hooks of optimizer steps, or None if no plugin has any: then a step pays one test.
before_step: Callable[[Any], None] | None = None
before_update: Callable[[list[Any]], None] | None = None
after_step: Callable[[Any], None] | None = None


def load_all() -> None:
    """Load every installed plugin that is not disabled, by priority and then by name."""
    disabled = {
        n.strip() for n in os.environ.get("ANADROME_DISABLE_PLUGINS", "").split(",") if n.strip()
    }
    for point in sorted(entry_points(GROUP), key=lambda p: p.name):
        if point.name in plugins:
            continue
        plugin = plugins[point.name] = Plugin(point.name, point=point)
        if point.name in disabled:
            plugin.error = "disabled by ANADROME_DISABLE_PLUGINS"
            continue
        try:
            plugin.module = point.load()
        except (Exception, SystemExit) as error:
            plugin.error = f"{type(error).__name__}: {error}"
    order = sorted(
        (p for p in plugins.values() if p.loaded),
        key=lambda p: (-getattr(p.module, "ANADROME_PRIORITY", 0), p.name),
    )
    for plugin in order:
        _admit(plugin)
    _connect()


def register(module: Any, name: str | None = None) -> Plugin:
    """Add a plugin by hand: a module or object with hooks (tests, notebooks, single scripts).

    Raises ``PluginError`` if it cannot take part.
    """
    name = name or str(getattr(module, "__name__", repr(module)))
    if name in plugins and plugins[name].loaded:
        raise PluginError(f"a plugin named {name!r} is loaded already")
    plugin = plugins[name] = Plugin(name, module)
    _admit(plugin)
    _connect()
    if plugin.error is not None:
        raise PluginError(f"plugin {name!r}: {plugin.error}")
    return plugin


def unregister(name: str) -> None:
    """Take a plugin's hooks out again; the names, ops and backends that it gave remain."""
    plugin = plugins.pop(name, None)
    if plugin is None:
        raise PluginError(f"no plugin named {name!r}; there are {', '.join(plugins)}")
    if plugin.loaded:
        _pluggy.unregister(plugin.module)
        _connect()


def _admit(plugin: Plugin) -> None:
    """Let one plugin register what it adds; on an error it is left out, and named."""
    module = plugin.module
    low, high = getattr(module, "ANADROME_API", (1, 1))
    if not low <= hookspecs.API_VERSION <= high:
        plugin.error = (
            f"made for hook API {low} to {high}, this anadrome has {hookspecs.API_VERSION}; "
            "install a version of the plugin that matches"
        )
        return
    known = set(_hook_names())
    hooks = [n for n in known if hasattr(module, n) and _is_hookimpl(getattr(module, n))]
    before = set(table)
    try:
        _check_plain(module, hooks)
        with declared_by(plugin.name):
            given = _asked(plugin, hooks)
        _pluggy.register(module, plugin.name)
        _pluggy.check_pending()
        _admitted(plugin, given)
    except Exception as error:
        plugin.error = plugin.error or f"{type(error).__name__}: {error}"
        if _pluggy.is_registered(module):
            _pluggy.unregister(module)
        for name in set(table) - before:
            withdraw(name)
        for name in [n for n, (owner, _) in exports.items() if owner == plugin.name]:
            del exports[name]
        return
    plugin.adds += [f"op {n}" for n in table if n not in before]
    plugin.adds += [f"hook {n}" for n in sorted(hooks) if not n.startswith("register_")]


def _is_hookimpl(function: Any) -> bool:
    return getattr(function, "anadrome_impl", None) is not None


def _check_plain(module: Any, hooks: list[str]) -> None:
    """Hooks that fire at work are called as they are, so pluggy's wrappers have no place there."""
    for name in hooks:
        options = getattr(module, name).anadrome_impl
        if options["hookwrapper"] or options["wrapper"]:
            raise PluginError(f"wraps the hook {name!r}; hooks of anadrome are plain functions")


def _hook_names() -> list[str]:
    return [n for n, v in vars(hookspecs).items() if getattr(v, "anadrome_spec", None) is not None]


#: What a hook that registers gives: its name, and that as a plain container.
_PLAIN: dict[str, Callable[[Any], Any]] = {
    "register_backends": list,
    "register_kernels": dict,
    "register_ops": lambda nothing: None,
    "register_exports": dict,
    "register_commands": list,
}


def _asked(plugin: Plugin, hooks: list[str]) -> dict[str, Any]:
    """What a plugin has to add, all of it, before any of that is made known."""
    given = {}
    for hook, plain in _PLAIN.items():
        if hook in hooks:
            try:
                given[hook] = plain(getattr(plugin.module, hook)())
            except Exception as error:
                plugin.error = f"{hook}(): {type(error).__name__}: {error}"
                raise
    for name in given.get("register_exports", ()):
        if name in exports:
            owner = exports[name][0]
            raise PluginError(f"gives {name!r}, which plugin {owner!r} gives already")
    return given


def _admitted(plugin: Plugin, given: dict[str, Any]) -> None:
    for lazy in given.get("register_backends", ()):
        backend.register(lazy)
        plugin.adds.append(f"backend {lazy.name}")
    for name, extension in given.get("register_kernels", {}).items():
        backend.extend(name, extension)
        plugin.adds.append(f"kernels for {name}")
    for name, target in given.get("register_exports", {}).items():
        exports[name] = (plugin.name, target)
        _publish(name, target)
        plugin.adds.append(name)
    plugin.adds += [f"command {c.name}" for c in given.get("register_commands", ())]


# -- public names -----------------------------------------------------------------------------
_lazy: dict[str, dict[str, str]] = {}
#: The modules that are there for such names only.
_made: set[str] = set()


def publish(names: dict[str, str]) -> None:
    """Names of the core that are imported when first used: the plugins' way is theirs too."""
    for name, target in names.items():
        _publish(name, target)


def _publish(name: str, target: Any) -> None:
    """Make ``anadrome.<name>`` resolve to the target, importing it when first used."""
    parts = name.split(".")
    module = sys.modules["anadrome"]
    for part in parts[:-1]:
        module = _submodule(module, part)
    if module.__name__ in _made:
        module.__all__.append(parts[-1])
    if isinstance(target, str):
        waiting = _lazy.setdefault(module.__name__, {})
        waiting[parts[-1]] = target
        if not hasattr(module, "_anadrome_lazy"):
            _make_lazy(module, waiting)
    else:
        setattr(module, parts[-1], target)


def _submodule(parent: Any, part: str) -> Any:
    name = f"{parent.__name__}.{part}"
    if name not in sys.modules:
        if parent.__name__ in _made and not is_place(name):
            _make(name)  # it has no folder to look into, which takes long
        else:
            try:
                importlib.import_module(name)
            except ModuleNotFoundError as error:
                if error.name != name:
                    raise
                _make(name)
    module = sys.modules[name]
    setattr(parent, part, module)
    return module


def _make(name: str) -> None:
    made: Any = types.ModuleType(name, f"{name}: names that plugins gave.")
    made.__path__ = []
    made.__all__ = []
    _made.add(name)
    sys.modules[name] = made


def _make_lazy(module: Any, waiting: dict[str, str]) -> None:
    inherited = getattr(module, "__getattr__", None)

    def __getattr__(name: str) -> Any:
        target = waiting.get(name)
        if target is not None:
            path, _, attribute = target.partition(":")
            value = importlib.import_module(path)
            for part in filter(None, attribute.split(".")):
                value = getattr(value, part)
            setattr(module, name, value)
            return value
        if inherited is not None and advice(f"{module.__name__}.{name}") is None:
            return inherited(name)
        raise missing(module.__name__, name)

    def __dir__() -> list[str]:
        return sorted({*vars(module), *waiting})

    module.__getattr__ = __getattr__
    module.__dir__ = __dir__
    module._anadrome_lazy = True


# -- hooks that fire at work ------------------------------------------------------------------
def _connect() -> None:
    """Give engine and optimizers direct calls to the hooks that somebody implements."""
    global before_step, before_update, after_step
    entry.around = _surrounding()
    engine.grad_ready = _caller("grad_ready")
    before_step = _caller("before_step")
    before_update = _caller("before_update")
    after_step = _caller("after_step")


Listening.changed = staticmethod(_connect)


def _functions(name: str) -> list[Callable[[Any], Any]]:
    """The plugins' functions for a hook of one argument, in pluggy's order (last come, first).

    Those that are asleep are left out.
    """
    functions = []
    for found in reversed(getattr(_pluggy.hook, name).get_hookimpls()):
        function = found.function
        if awake(function):
            functions.append(function if found.argnames else lambda value, call=function: call())
    return functions


def _caller(name: str) -> Callable[[Any], None] | None:
    functions = _functions(name)
    if len(functions) < 2:
        return functions[0] if functions else None

    def call(value: Any) -> None:
        for function in functions:
            function(value)

    return call


def blame(error: Exception, hook: str) -> None:
    """Something was raised out of ``hook``: say which plugin's it was."""
    codes = {
        getattr(found.function, "__code__", None): found.plugin_name
        for found in getattr(_pluggy.hook, hook).get_hookimpls()
    }
    traceback = error.__traceback__
    while traceback is not None:
        name = codes.get(traceback.tb_frame.f_code)
        if name is not None:
            note(
                error,
                f"raised by the plugin {name!r} in its hook {hook}; "
                f"ANADROME_DISABLE_PLUGINS={name} leaves it out",
            )
            return
        traceback = traceback.tb_next


_NOTHING = contextlib.nullcontext()


def _surrounding() -> Callable[[Any], contextlib.AbstractContextManager[Any]] | None:
    functions = _functions("around_backward")
    if not functions:
        return None

    def around(tensors: Any) -> contextlib.AbstractContextManager[Any]:
        try:
            managers = [m for function in functions if (m := function(tensors)) is not None]
        except Exception as error:
            blame(error, "around_backward")
            raise
        if len(managers) < 2:
            return managers[0] if managers else _NOTHING
        return _entered(managers)

    return around


@contextlib.contextmanager
def _entered(managers: list[Any]) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for manager in managers:
            stack.enter_context(manager)
        yield


def commands() -> dict[str, Any]:
    """All subcommands that plugins give, by name."""
    found: dict[str, Any] = {}
    for group in _pluggy.hook.register_commands():
        for command in group:
            found.setdefault(command.name, command)
    return found
