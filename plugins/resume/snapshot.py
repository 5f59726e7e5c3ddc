"""snapshot: a whole training at one moment, as arrays and a note that says what they are."""

from __future__ import annotations

from typing import Any, NamedTuple

import anadrome as ad
from anadrome import randomness
from anadrome.errors import SerializationError
from anadrome.structures import DAMAGED, describe, rebuild
from anadrome.tensor_file import library, on_host, parse, pieces

from . import parts

#: Of the layout below. A later one gets the next number; this code then still reads the former.
VERSION = 1


class Snapshot(NamedTuple):
    """What is to be written."""

    arrays: dict[str, Any]
    note: dict[str, Any]

    def pieces(self) -> list[Any]:
        """The file's content."""
        return pieces(self.arrays, self.note)


def take(given: dict[str, Any], step: Any, generators: Any, extra: Any, *, copy: bool) -> Snapshot:
    """All of it as it is now. ``given``: objects by role; ``copy``: as values of their own.

    Raises ``SerializationError`` that names the entry that cannot be kept.
    """
    library()  # which the load will need: said at the first save, and not days later
    arrays: dict[str, Any] = {}
    described: dict[str, Any] = {}
    for role in parts.ROLES:
        for name, part in parts.named(role, given.get(role)).items():
            described[name] = describe(parts.kept(part), arrays, name)
    training = {
        "version": VERSION,
        "anadrome": ad.__version__,
        "step": _step(step),
        "parts": described,
        "extra": describe(extra, arrays, "extra"),
        "random": describe(_states(randomness.shared()), arrays, "random"),
        "generators": describe(_states(of_generators(generators)), arrays, "generators"),
    }
    hosts = {name: on_host(name, value, copy=copy) for name, value in arrays.items()}
    return Snapshot(hosts, {"training": training})


class Saved(NamedTuple):
    """What was written."""

    name: str
    version: str
    step: int | None
    parts: dict[str, Any]
    extra: Any
    random: dict[str, Any]
    generators: dict[str, Any]


def read(name: str, data: bytes) -> Saved:
    """The content of a file.

    Raises ``SerializationError`` that names it: damaged, of another kind, or of a later version.
    """
    tensors, note = parse(name, data)
    training = note.get("training")
    if not isinstance(training, dict):
        raise SerializationError(
            f"{name!r} is a file of tensors, and not one of save_training; read it with ad.load"
        )
    version = training.get("version")
    if isinstance(version, int) and version > VERSION:
        raise LaterVersionError(
            f"{name!r} was written by anadrome {training.get('anadrome')} in version {version} of "
            f"the format; this is anadrome {ad.__version__}, which reads up to version {VERSION}: "
            "upgrade it"
        )
    try:
        if version != VERSION:
            raise ValueError(f"there is no version {version!r}")
        saved = Saved(
            name,
            str(training["anadrome"]),
            training["step"],
            {key: rebuild(value, tensors) for key, value in training["parts"].items()},
            rebuild(training["extra"], tensors),
            dict(rebuild(training["random"], tensors)),
            dict(rebuild(training["generators"], tensors)),
        )
        for part in saved.parts.values():
            part["class"], part["state"]
        if not isinstance(saved.step, (int, type(None))):
            raise ValueError("its step is not a number")
    except DAMAGED as error:
        raise SerializationError(f"{name!r}: its structure is damaged: {error}") from error
    return saved


class LaterVersionError(SerializationError):
    """A file that only a later release can read."""


def of_generators(given: Any) -> dict[str, Any]:
    """The user's own generators by name: one, or a dict or list of them."""
    if given is None:
        return {}
    if isinstance(given, dict):
        several = {f"generators[{key!r}]": value for key, value in given.items()}
    elif isinstance(given, (list, tuple)):
        several = {f"generators[{i}]": value for i, value in enumerate(given)}
    else:
        several = {"generators": given}
    return several


def _states(sources: dict[str, Any]) -> dict[str, Any]:
    out = {}
    for name, source in sources.items():
        try:
            out[name] = randomness.state_of(source)
        except TypeError as error:
            raise TypeError(f"{name}: {error}") from None
    return out


def _step(step: Any) -> int | None:
    if step is None:
        return None
    if isinstance(step, bool) or not hasattr(step, "__index__"):
        raise TypeError(f"step is an int, not {type(step).__name__}")
    return int(step)
