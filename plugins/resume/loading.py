"""loading: `load_training`: wholly, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from anadrome import randomness, sites
from anadrome.border import enclose_functions
from anadrome.errors import SerializationError
from anadrome.structures import DAMAGED

from . import parts, rotation, saving
from .snapshot import LaterVersionError, Saved, of_generators, read


class TrainingState(NamedTuple):
    """What ``load_training`` found: ``step``, ``extra``, the file's ``path``, and the ``version``
    of anadrome that wrote it."""

    step: int | None
    extra: Any
    path: str
    version: str


def load_training(
    path: Any,
    *,
    model: Any = None,
    optimizer: Any = None,
    scheduler: Any = None,
    scaler: Any = None,
    loader: Any = None,
    generators: Any = None,
    strict: bool = True,
    random: bool = True,
    missing_ok: bool = False,
) -> TrainingState | None:
    """Go on from what ``save_training`` saved; give it what was given there.

    Names, shapes, dtypes and classes are compared before anything is changed, and if a part then
    raises after all, every part is put back: a load applies wholly or not at all. Random numbers
    are set last (``random=False``: not at all), and the loader's next pass goes on from where it
    stood. A damaged file is left out with a warning, and the one before it taken (``path.1``).

    ``strict=False``: the file may hold more than was asked for. ``missing_ok``: returns None where
    there is no file yet, instead of a ``FileNotFoundError``. Raises ``SerializationError`` that
    names the file and what is wrong with it: damaged, of another model, of a later version. No
    code of a file is ever run.

    >>> import anadrome as ad
    >>> print(ad.load_training("no/run.safetensors", model=ad.nn.Linear(2, 1), missing_ok=True))
    None
    """
    given: dict[str, Any] = {}
    for role, objects in zip(parts.ROLES, (model, optimizer, scheduler, scaler, loader)):
        given.update(parts.named(role, objects))
    own = of_generators(generators)
    target = rotation.target_of(path)
    saving.settle(target)
    saved = _newest(target, missing_ok)
    if saved is None:
        return None
    _check(saved, given, own, strict)
    sources = _sources(saved, own, random)
    _commit(saved, given, sources)
    return TrainingState(saved.step, saved.extra, saved.name, saved.version)


def _newest(target: str, missing_ok: bool) -> Saved | None:
    """The newest file that is whole."""
    damaged: list[Exception] = []
    for name in rotation.candidates(target):
        try:
            with open(name, "rb") as file:
                data = file.read()
            saved = read(name, data)
        except LaterVersionError:
            raise
        except SerializationError as error:
            damaged.append(error)
        except FileNotFoundError:  # somebody is saving, and has renamed it
            continue
        except OSError as error:
            damaged.append(SerializationError(f"cannot read {name!r}: {error.strerror}"))
        else:
            if damaged:
                told = "; ".join(map(str, damaged))
                sites.warn(f"{told}; going on from {name!r}, step {saved.step}", saving.SaveWarning)
            return saved
    if damaged:
        raise SerializationError("; ".join(map(str, damaged))) from damaged[0]
    if missing_ok:
        return None
    raise FileNotFoundError(f"there is no file {target!r}, nor one before it")


def _check(saved: Saved, given: dict[str, Any], own: dict[str, Any], strict: bool) -> None:
    found = [f"{name} was not saved" for name in given if name not in saved.parts]
    found += [f"{name} was not saved" for name in own if name not in saved.generators]
    if strict:
        left = [name for name in saved.parts if name not in given]
        left += [name for name in saved.generators if name not in own]
        found += [f"it holds {name}: give it, or strict=False to leave it" for name in left]
    for name, part in given.items():
        if name in saved.parts:
            try:
                found += [f"{name}: {told}" for told in parts.problems(part, saved.parts[name])]
            except DAMAGED as error:
                found.append(f"{name}: its state is damaged: {error!r}")
    if found:
        lines = "\n\t".join(found)
        raise SerializationError(f"{saved.name!r} does not fit, and nothing was loaded:\n\t{lines}")


def _sources(saved: Saved, own: dict[str, Any], random: bool) -> list[tuple[Any, Any]]:
    """Generators with the states that they get."""
    out = [(source, saved.generators[name]) for name, source in own.items()]
    if random:
        shared = randomness.shared(numpy="numpy" in saved.random)
        out += [(shared[name], state) for name, state in saved.random.items() if name in shared]
    for source, state in out:
        try:
            randomness.check(source, state)
        except DAMAGED as error:
            raise SerializationError(f"{saved.name!r}: {error}") from error
    return out


def _commit(saved: Saved, given: dict[str, Any], sources: list[tuple[Any, Any]]) -> None:
    """Change all, or put all back."""
    undone: list[Callable[[], None]] = [_undo_source(source) for source, _ in sources]
    try:
        for name, part in given.items():
            undone.append(parts.undo(part))
            parts.put(part, saved.parts[name])
        for source, state in sources:
            randomness.put(source, state)
    except BaseException as error:
        for back in reversed(undone):
            back()
        if isinstance(error, Exception):
            raise SerializationError(
                f"{saved.name!r} could not be loaded, and all is as it was: "
                f"{type(error).__name__}: {error}"
            ) from error
        raise


def _undo_source(source: Any) -> Callable[[], None]:
    before = randomness.state_of(source)
    return lambda: randomness.put(source, before)


enclose_functions(globals())
