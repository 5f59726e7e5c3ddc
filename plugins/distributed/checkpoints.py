"""checkpoints: state dicts to a folder and back into the Tensors that are there.

PyTorch: ``torch.distributed.checkpoint``, of one process. What is written are values, never
pickles: see ``checkpoint_files``.
"""

from __future__ import annotations

import contextlib
import copy
import traceback
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol, runtime_checkable

import anadrome as ad
from anadrome import Tensor, serialization, sites

from .checkpoint_files import (
    FileSystemReader,
    FileSystemWriter,
    Metadata,
    StorageReader,
    StorageWriter,
    TensorStorageMetadata,
)


@runtime_checkable
class Stateful(Protocol):
    """What has a ``state_dict`` and takes one back (PyTorch's name)."""

    def state_dict(self) -> dict[str, Any]:
        """The state, to be written, or to be read into."""
        ...

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the state that was read."""
        ...


class CheckpointException(BaseException):
    """A checkpoint that could not be written or read; ``failures``: the error, by process."""

    def __init__(self, msg: str, failures: dict[int, Any]) -> None:
        super().__init__(msg, failures)
        self._failures = failures

    @property
    def failures(self) -> dict[int, Any]:
        """Each process' error, and where it was raised; the one process is 0."""
        return self._failures

    def __str__(self) -> str:
        parts = [f"CheckpointException ranks:{self._failures.keys()}\n"]
        for rank, (error, place) in self._failures.items():
            parts.append(f"Traceback (most recent call last): (RANK {rank})\n")
            parts += traceback.format_list(place)
            parts += traceback.format_exception_only(type(error), error)
        return "".join(parts)


class _Planner:
    """What can be said about how state is written or read."""

    def __init__(self, flatten_state_dict: bool = True, flatten_sharded_tensors: bool = True):
        self.flatten_state_dict = flatten_state_dict
        self.flatten_sharded_tensors = flatten_sharded_tensors


class SavePlanner:
    """What decides what is written: ``DefaultSavePlanner`` (PyTorch's name)."""


class LoadPlanner:
    """What decides what is read: ``DefaultLoadPlanner`` (PyTorch's name)."""


class DefaultSavePlanner(_Planner, SavePlanner):
    """Everything is written; other options than these change nothing in one process."""

    def __init__(
        self,
        flatten_state_dict: bool = True,
        flatten_sharded_tensors: bool = True,
        dedup_replicated_tensors: bool | None = None,
        dedup_save_to_lowest_rank: bool = False,
        enable_plan_caching: bool = False,
    ) -> None:
        super().__init__(flatten_state_dict, flatten_sharded_tensors)


class DefaultLoadPlanner(_Planner, LoadPlanner):
    """``allow_partial_load``: what the checkpoint lacks stays as it is, instead of an error."""

    def __init__(
        self,
        flatten_state_dict: bool = True,
        flatten_sharded_tensors: bool = True,
        allow_partial_load: bool = False,
    ) -> None:
        super().__init__(flatten_state_dict, flatten_sharded_tensors)
        self.allow_partial_load = allow_partial_load


def _check(given: Any, kind: type, role: type, name: str) -> None:
    """Refuse what is not of this kind: one's own of that role would not be asked."""
    if given is None or isinstance(given, kind):
        return
    own = " of your own is not asked here; write" if isinstance(given, role) else " is not"
    raise TypeError(f"{name}: a {type(given).__name__}{own} a {kind.__name__}")


@contextlib.contextmanager
def _failing(step: str) -> Iterator[None]:
    """An error as that of process 0."""
    try:
        yield
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)
        raise CheckpointException(step, {0: (error, place)}) from error


def flattened(state: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, tuple[Any, ...]]]:
    """Each value by its dotted name, and the keys that lead to it.

    Dicts are entered, and lists that hold a Tensor or a dict.
    """
    values: dict[str, Any] = {}
    paths: dict[str, tuple[Any, ...]] = {}

    def enter(path: tuple[Any, ...], value: Any) -> None:
        if isinstance(value, Mapping):
            for key, entry in value.items():
                enter((*path, key), entry)
        elif isinstance(value, list) and _holds(value):
            for number, entry in enumerate(value):
                enter((*path, number), entry)
        else:
            name = ".".join(map(str, path))
            if name in values:
                raise ValueError(f"duplicated flatten key {name}")
            values[name], paths[name] = value, path

    for key, entry in state.items():
        enter((key,), entry)
    return values, paths


def _holds(values: list[Any]) -> bool:
    return any(
        isinstance(v, (Tensor, Mapping)) or (isinstance(v, list) and _holds(v)) for v in values
    )


def _put(state: MutableMapping[str, Any], path: tuple[Any, ...], value: Any) -> None:
    place: Any = state
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value


def _states(state: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v.state_dict() if isinstance(v, Stateful) else v for k, v in state.items()}


def _writer(given: Any, checkpoint_id: Any, planner: Any) -> FileSystemWriter:
    _check(given, FileSystemWriter, StorageWriter, "storage_writer")
    _check(planner, DefaultSavePlanner, SavePlanner, "planner")
    if given is None:
        return FileSystemWriter(_named(checkpoint_id))
    given.reset(checkpoint_id)
    return given


def _named(checkpoint_id: Any) -> Any:
    if not checkpoint_id:
        raise RuntimeError(
            "`checkpoint_id` must be specified if storage_reader/storage_writer is None."
        )
    return checkpoint_id


def save(
    state_dict: Mapping[str, Any],
    *,
    checkpoint_id: Any = None,
    storage_writer: StorageWriter | None = None,
    planner: SavePlanner | None = None,
    process_group: Any = None,
    no_dist: bool = False,
    use_collectives: bool = True,
) -> Metadata:
    """Write a state dict to a folder (``torch.distributed.checkpoint.save``).

    ``state_dict``: Tensors, numbers, strings, booleans, None, in dicts, lists and tuples; and
    objects with ``state_dict`` and ``load_state_dict`` (Modules, optimizers). ``checkpoint_id``:
    the folder. It has the old checkpoint or the new one at any moment. The files are safetensors
    and JSON, not those of PyTorch. Raises ``CheckpointException``.

    >>> import anadrome as ad, tempfile
    >>> from anadrome.distributed import checkpoint as dcp
    >>> folder = tempfile.mkdtemp()
    >>> _ = dcp.save({"w": ad.ones(2), "epoch": 3}, checkpoint_id=folder)
    >>> state = {"w": ad.zeros(2), "epoch": 0}
    >>> dcp.load(state, checkpoint_id=folder)
    >>> state
    {'w': tensor([1., 1.]), 'epoch': 3}
    """
    writer = _writer(storage_writer, checkpoint_id, planner)
    return _write(_states(state_dict), writer)


def _write(state: dict[str, Any], writer: FileSystemWriter) -> Metadata:
    with _failing("write"):
        return writer.write(*flattened(state))


def async_save(
    state_dict: Mapping[str, Any],
    *,
    checkpoint_id: Any = None,
    storage_writer: StorageWriter | None = None,
    planner: SavePlanner | None = None,
    process_group: Any = None,
    async_checkpointer_type: Any = None,
    async_stager: Any = None,
    no_dist: bool = False,
    use_collectives: bool = True,
) -> Future[Metadata]:
    """``save`` in a thread: the values are those of now. Wait with ``result()``.

    ``async_checkpointer_type`` and ``async_stager`` are accepted, without effect.
    """
    writer = _writer(storage_writer, checkpoint_id, planner)
    with _failing("stage"):
        state = _copied(_states(state_dict))
    thread = ThreadPoolExecutor(1, "checkpoint")
    try:
        return thread.submit(_write, state, writer)
    finally:
        thread.shutdown(wait=False)


def _copied(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, Mapping):
        return {k: _copied(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_copied(v) for v in value]
    return copy.deepcopy(value)


def load(
    state_dict: dict[str, Any],
    *,
    checkpoint_id: Any = None,
    storage_reader: StorageReader | None = None,
    planner: LoadPlanner | None = None,
    process_group: Any = None,
    no_dist: bool = False,
) -> None:
    """Read what ``save`` wrote into a state dict (``torch.distributed.checkpoint.load``).

    Tensors are written in place, with their own dtypes and devices; other values are replaced;
    objects with ``load_state_dict`` take what was read. Raises ``CheckpointException`` for a name
    that the checkpoint lacks (RuntimeError), and for another shape (ValueError).
    """
    _check(storage_reader, FileSystemReader, StorageReader, "storage_reader")
    _check(planner, DefaultLoadPlanner, LoadPlanner, "planner")
    reader: Any = storage_reader
    if reader is None:
        reader = FileSystemReader(_named(checkpoint_id))
    else:
        reader.reset(checkpoint_id)
    state = _states(state_dict)
    with _failing("plan"):
        _read(state, reader, getattr(planner, "allow_partial_load", False))
    for key in sorted(state):
        if isinstance(state_dict[key], Stateful):
            state_dict[key].load_state_dict(state[key])
        else:
            state_dict[key] = state[key]


def _read(state: dict[str, Any], reader: FileSystemReader, partial: bool) -> None:
    wanted, paths = flattened(state)
    metadata = reader.read_metadata()
    known = metadata.state_dict_metadata
    for name, value in wanted.items():
        if name not in known:
            if partial:
                continue
            raise RuntimeError(f"Missing key in checkpoint state_dict: {name}.")
        saved = known[name]
        if not isinstance(saved, TensorStorageMetadata):
            continue
        if not isinstance(value, Tensor):
            raise ValueError(
                f"Invalid checkpoint metadata for {name}, expected BytesStorageMetadata but "
                "found <class 'TensorStorageMetadata'>"
            )
        if tuple(saved.size) != tuple(value.shape):
            raise ValueError(
                f"Size mismatch between saved {saved.size} and current: {value.shape} for {name}"
            )
    found = reader.read(metadata, [name for name in wanted if name in known])
    with ad.no_grad():
        for name, new in found.items():
            if isinstance(known[name], TensorStorageMetadata):
                wanted[name].detach().copy_(new)
            else:
                _put(state, paths[name], new)


def _deprecated(name: str, better: str) -> None:
    sites.warn(
        f"`{name}` is deprecated and will be removed in future versions."
        f"Please use `{better}` instead.",
        FutureWarning,
    )


def save_state_dict(
    state_dict: dict[str, Any], storage_writer: StorageWriter, process_group: Any = None,
    coordinator_rank: int = 0, no_dist: bool = False, planner: SavePlanner | None = None,
) -> Metadata:  # fmt: skip
    """``save``, by its older name; no object is asked for its ``state_dict``."""
    _deprecated("save_state_dict", "save")
    return _write(dict(state_dict), _writer(storage_writer, None, planner))


def load_state_dict(
    state_dict: dict[str, Any], storage_reader: StorageReader, process_group: Any = None,
    coordinator_rank: int = 0, no_dist: bool = False, planner: LoadPlanner | None = None,
) -> None:  # fmt: skip
    """``load``, by its older name."""
    _deprecated("load_state_dict", "load")
    load(state_dict, storage_reader=storage_reader, planner=planner)


def dcp_to_torch_save(dcp_checkpoint_dir: Any, torch_save_path: Any) -> None:
    """A folder of ``save`` as one file of ``torch.save`` (``format_utils.dcp_to_torch_save``)."""
    reader = FileSystemReader(dcp_checkpoint_dir)
    metadata = reader.read_metadata()
    state: dict[str, Any] = {}
    for name, value in reader.read(metadata, list(metadata.state_dict_metadata)).items():
        _grow(state, metadata.planner_data[name], value)
    serialization.save(state, torch_save_path)


def torch_save_to_dcp(torch_save_path: Any, dcp_checkpoint_dir: Any) -> None:
    """A file of ``torch.save`` as a folder of ``save`` (``format_utils.torch_save_to_dcp``)."""
    save(serialization.load(torch_save_path), checkpoint_id=dcp_checkpoint_dir)


def _grow(state: dict[str, Any], path: tuple[Any, ...], value: Any) -> None:
    """Put a value where its keys lead, and make what is not there: a number is a list's."""
    place: Any = state
    for number, key in enumerate(path):
        last = number == len(path) - 1
        below: Callable[[], Any] = list if not last and type(path[number + 1]) is int else dict
        new = value if last else below()
        if isinstance(place, list):
            while len(place) <= key:
                place.append(None)
            if last or place[key] is None:
                place[key] = new
        elif last or key not in place:
            place[key] = new
        place = place[key]
