"""report: ``anadrome info`` and ``anadrome plugins``, for bug reports and for plugin authors."""

from __future__ import annotations

import argparse
import platform
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator
from importlib import metadata

from . import __version__, backend, later
from .command import Command
from .manager import plugins
from .op import table

_PACKAGES = ("numpy", "ml_dtypes", "pluggy", "safetensors", "cupy-cuda12x", "cupy-cuda13x",
             "nvmath-python", "nvidia-cudnn-frontend")  # fmt: skip


def _nothing(parser: argparse.ArgumentParser) -> None:
    """No arguments."""


def _info(args: argparse.Namespace) -> int:
    later.everything()  # the count is of the whole table
    print(f"anadrome {__version__} ({len(table)} ops), Python {platform.python_version()}")
    print(f"platform: {platform.platform()} on {platform.machine()}")
    for package in _PACKAGES:
        try:
            print(f"  {package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            print(f"  {package}: not installed")
    for name in backend.names():
        try:
            loaded = backend.get(name)
        except Exception as error:
            print(f"backend {name}: not available: {error}")
            continue
        print(f"backend {name}: devices {', '.join(loaded.device_types)}, "
              f"{len(loaded.kernels)} kernels")  # fmt: skip
        for key, value in loaded.describe().items():
            print(f"  {key}: {value}")
        for package, families in sorted(_families(loaded).items()):
            told = ", ".join(f"{family} {count}" for family, count in sorted(families.items()))
            print(f"  kernels, {package}: {told}")
    return 0


def _families(loaded: backend.Backend) -> dict[str, Counter[str]]:
    """How many kernels there are, by package and then by file: a file is a family."""
    found: dict[str, Counter[str]] = {}
    for kernel in loaded.kernels.values():
        module = getattr(kernel, "__module__", None) or type(kernel).__module__
        package, _, family = module.rpartition(".")
        if not package.startswith("anadrome"):
            package, family = loaded.name, "functions of its own"
        found.setdefault(package, Counter())[family] += 1
    return found


def _plugins(args: argparse.Namespace) -> int:
    broken = 0
    for plugin in sorted(plugins.values(), key=lambda p: p.name):
        state = "loaded" if plugin.loaded else f"NOT LOADED: {plugin.error}"
        print(f"{plugin.name} {plugin.version}  from {plugin.source}  {state}")
        for line in _grouped(plugin.adds):
            print(line)
        broken += not plugin.loaded
    if broken:
        print(f"{broken} of {len(plugins)} plugins are not loaded", file=sys.stderr)
    return 0


def _grouped(adds: list[str]) -> Iterator[str]:
    """What a plugin adds, in lines: its ops, its hooks, and its names by where they are."""
    groups: dict[str, list[str]] = {}
    for added in adds:
        if " " in added:  # such as "op tanh" and "kernels for numpy"
            kind, _, name = added.rpartition(" ")
        else:
            kind, _, name = f"anadrome.{added}".rpartition(".")
        groups.setdefault(kind, []).append(name)
    for kind, names in groups.items():
        text = f"{kind}: {', '.join(names)}"
        yield from textwrap.wrap(
            text, 100, initial_indent="    ", subsequent_indent="        ", break_on_hyphens=False
        )


INFO = Command("info", "versions, devices, BLAS and threads", _nothing, _info)
PLUGINS = Command("plugins", "every plugin and backend, and what it adds", _nothing, _plugins)
