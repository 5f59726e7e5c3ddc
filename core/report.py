"""report: ``anadrome info`` and ``anadrome plugins``, for bug reports and for plugin authors."""

from __future__ import annotations

import argparse
import platform
import sys
from importlib import metadata

from . import __version__, backend, later
from .command import Command
from .manager import plugins
from .op import table

_PACKAGES = ("numpy", "ml_dtypes", "pluggy", "safetensors", "cupy-cuda12x", "cupy-cuda13x")


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
    return 0


def _plugins(args: argparse.Namespace) -> int:
    broken = 0
    for plugin in sorted(plugins.values(), key=lambda p: p.name):
        state = "loaded" if plugin.loaded else f"NOT LOADED: {plugin.error}"
        print(f"{plugin.name} {plugin.version}  from {plugin.source}  {state}")
        if plugin.adds:
            print(f"    adds {', '.join(plugin.adds)}")
        broken += not plugin.loaded
    if broken:
        print(f"{broken} of {len(plugins)} plugins are not loaded", file=sys.stderr)
    return 0


INFO = Command("info", "versions, devices, BLAS and threads", _nothing, _info)
PLUGINS = Command("plugins", "every plugin and backend, and what it adds", _nothing, _plugins)
