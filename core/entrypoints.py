"""entrypoints: the entry points of one group, read from the installed distributions' own files.

``importlib.metadata`` answers the same question, but importing it (with the parsers of e-mail and
zip files that it needs) takes as long as importing half of anadrome. So ordinary folders of
``sys.path`` are read here, and it is asked where there is anything else: archives, or finders that
know distributions of their own.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

_KINDS = (".dist-info", ".egg-info")


class EntryPoint(NamedTuple):
    """A name, what it stands for (``package.module:attribute``), and who says so."""

    name: str
    value: str
    distribution: str
    version: str

    def load(self) -> Any:
        """Import what it stands for."""
        module, _, attribute = self.value.partition(":")
        found = importlib.import_module(module.strip())
        for part in filter(None, attribute.strip().split(".")):
            found = getattr(found, part)
        return found


def entry_points(group: str) -> list[EntryPoint]:
    """Those of ``group``; of a distribution that is there twice, the first on the path counts."""
    if _is_unusual():
        return _asked(group)
    found: list[EntryPoint] = []
    seen: set[str] = set()
    for folder in sys.path:
        for name, path in _distributions(folder or os.curdir):
            if name not in seen:
                seen.add(name)
                pairs = _section(path, group)
                if pairs:
                    said = _name_and_version(path)
                    found += [EntryPoint(n, v, *said) for n, v in pairs]
    return found


def _is_unusual() -> bool:
    """Whether distributions may be elsewhere than in the folders of ``sys.path``."""
    if any(path.endswith((".egg", ".whl", ".pyz")) for path in sys.path):
        return True
    finders = [f for f in sys.meta_path if hasattr(f, "find_distributions")]
    return any(getattr(f, "__name__", "") != "PathFinder" for f in finders)


def _distributions(folder: str) -> Iterator[tuple[str, str]]:
    """(name, path) of each distribution with metadata in a folder; names in one spelling."""
    try:
        entries = sorted(entry for entry in os.listdir(folder) if entry.endswith(_KINDS))
    except OSError:  # not there, or no folder
        return
    for entry in entries:
        name = entry.rpartition(".")[0].partition("-")[0]
        yield name.lower().replace(".", "_"), os.path.join(folder, entry)


def _name_and_version(path: str) -> tuple[str, str]:
    """As the distribution itself writes them; ``?`` where it does not."""
    said = {"Name": "?", "Version": "?"}
    for file_name in ("METADATA", "PKG-INFO"):
        try:
            with open(os.path.join(path, file_name), encoding="utf-8") as file:
                for line in file:
                    field, _, value = line.partition(":")
                    if not line.strip():  # the description follows
                        break
                    if field in said:
                        said[field] = value.strip()
        except OSError:  # it is in the other one
            continue
    return said["Name"], said["Version"]


def _section(path: str, group: str) -> list[tuple[str, str]]:
    """(name, value) of each line in a section of ``entry_points.txt``."""
    try:
        with open(os.path.join(path, "entry_points.txt"), encoding="utf-8") as file:
            lines = file.read().splitlines()
    except OSError:  # it has none
        return []
    pairs = []
    inside = False
    for line in map(str.strip, lines):
        if line.startswith("["):
            inside = line == f"[{group}]"
        elif inside and "=" in line and not line.startswith(("#", ";")):
            name, _, value = line.partition("=")
            pairs.append((name.strip(), value.partition("[")[0].strip()))
    return pairs


def _asked(group: str) -> list[EntryPoint]:
    from importlib import metadata

    found = []
    for point in metadata.entry_points(group=group):
        dist = point.dist
        name, version = (dist.name, dist.version) if dist is not None else ("?", "?")
        found.append(EntryPoint(point.name, point.value, name, version))
    return found
