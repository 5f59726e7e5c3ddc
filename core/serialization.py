"""serialization: tensors and state dicts to files and back: PyTorch's own files, and safetensors.

A kill at any moment leaves the old file or the new one (``atomic``). Reading runs no code, unless
``weights_only=False`` asks for it: of a PyTorch file's pickle, ``torch_files`` plays what makes
tensors and plain containers; a safetensors file is a JSON header and raw bytes (``tensor_file``),
with what is not a Tensor as JSON (``nested``).
"""

from __future__ import annotations

import os
import pickle
from collections import OrderedDict
from operator import index
from typing import Any

from .atomic import write_atomically
from .border import enclose_functions
from .dtypes import complex128
from .errors import ArgumentError, SerializationError
from .structures import DAMAGED, check_storable, describe, rebuild
from .tensor import Tensor
from .tensor_file import library, on_host, parse, pieces
from .torch_files.safe import add_safe_globals as add_safe_globals
from .torch_files.safe import clear_safe_globals as clear_safe_globals
from .torch_files.safe import get_safe_globals as get_safe_globals
from .torch_files.safe import safe_globals as safe_globals

#: What ``load`` takes as ``map_location``.
MAP_LOCATION = Any

#: The version of pickle in files that ``save`` writes, as in PyTorch.
DEFAULT_PROTOCOL = 2


def save(
    obj: Any,
    f: Any,
    pickle_module: Any = pickle,
    pickle_protocol: int | None = DEFAULT_PROTOCOL,
    _use_new_zipfile_serialization: bool = True,
    _disable_byteorder_record: bool = False,
) -> None:
    """Write tensors, and containers of them, to a file (``torch.save``).

    ``obj``: a Tensor, or dicts, lists, tuples and sets of Tensors, numbers, strings, bytes,
    booleans and None: a state dict, a checkpoint. Anything else that can be pickled, such as a
    whole Module, is read back by ``load(f, weights_only=False)`` alone. ``f``: a path, or a
    binary file object. A path that ends in ``.safetensors`` gives a safetensors file (``obj`` is
    then a dict), any other a file that ``torch.load`` reads. The path is replaced atomically.
    PyTorch's further arguments are accepted, and change nothing.

    >>> import anadrome as ad, tempfile, os
    >>> path = os.path.join(tempfile.mkdtemp(), "weights.pt")
    >>> ad.save({"w": ad.ones(2), "epoch": 3}, path)
    >>> ad.load(path)
    {'w': tensor([1., 1.]), 'epoch': 3}
    """
    _pickles(pickle_module, "Pickler")
    if pickle_protocol is not None and not index(pickle_protocol) <= pickle.HIGHEST_PROTOCOL:
        raise ValueError(f"pickle protocol must be <= {pickle.HIGHEST_PROTOCOL}")
    if hasattr(f, "write"):
        f.write(_as_torch_file(obj))
        return
    path = os.fspath(f)
    as_text = os.fsdecode(path)
    data = _as_safetensors(obj) if as_text.endswith(".safetensors") else [_as_torch_file(obj)]
    write_atomically(path, data)


def _pickles(module: Any, name: str) -> None:
    """The error for what is no module of Python's pickle or like it."""
    if not (hasattr(module, "__name__") and hasattr(module, name)):
        raise ArgumentError(
            f"pickle_module is a module with a {name}, such as pickle, not {type(module).__name__}"
        )


def _as_torch_file(obj: Any) -> bytes:
    from .torch_files.writing import write

    return write(obj)


def _as_safetensors(obj: Any) -> list[Any]:
    if not isinstance(obj, dict):
        raise SerializationError(
            f"a safetensors file holds a state_dict, not a {type(obj).__name__}; for a Module "
            "write `save(model.state_dict(), path)`"
        )
    library()  # which reading will need
    tensors: dict[str, Any] = {}
    structure = None
    if all(isinstance(k, str) and _has_a_code(v) for k, v in obj.items()):
        tensors = dict(obj)
        for tensor in tensors.values():
            check_storable(tensor)
    else:
        structure = describe(obj, tensors, "state")
    arrays = {name: on_host(name, value) for name, value in tensors.items()}
    return pieces(arrays, {"structure": structure})


def _has_a_code(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dtype is not complex128


def load(
    f: Any,
    map_location: Any = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **options: Any,
) -> Any:
    """What ``save`` wrote, or any file of PyTorch's or safetensors' (``torch.load``).

    ``map_location``: the device to put Tensors on. No code of the file is run: tensors and plain
    containers are read, and anything else is refused by name. With ``weights_only=False`` any
    object is made, as Python's pickle does it, which may run code that the file names: only for a
    file that you trust. PyTorch's further arguments are accepted, and change nothing. Raises
    ``SerializationError`` (a RuntimeError and ValueError) that names the file if it is truncated,
    corrupt, or of another format.
    """
    if pickle_module is not None:
        if weights_only:
            raise RuntimeError(
                "Can not safely load weights when explicit pickle_module is specified; leave it out"
            )
        _pickles(pickle_module, "Unpickler")
    if hasattr(f, "read"):
        name, data = getattr(f, "name", "the file object"), f.read()
    else:
        name = os.fspath(f)
        with open(name, "rb") as file:
            data = file.read()
    # A safetensors file has its JSON header at byte 8; the eight before it may be any number.
    if data[8:9] != b"{":
        from .torch_files.legacy import is_stream, read_stream
        from .torch_files.reading import is_archive, read

        if is_archive(data):
            return read(name, data, map_location, weights_only is False)
        if is_stream(data):
            return read_stream(name, data, map_location, weights_only is False)
        if data[:1] == b"\x80":
            raise SerializationError(
                f"{name!r} is a bare pickle, which is not read; write it again with "
                "torch.save(pickle.load(file), path)"
            )
    tensors, note = parse(name, data, map_location)
    if note.get("structure") is None:
        return OrderedDict(tensors)
    try:
        state = rebuild(note["structure"], tensors)
        if not isinstance(state, dict):
            raise ValueError(f"a state is a dict, not a {type(state).__name__}")
    except DAMAGED as error:
        raise SerializationError(f"{name!r}: its structure is damaged: {error}") from error
    return state


def get_unsafe_globals_in_checkpoint(f: Any) -> list[str]:
    """What a file of ``save`` names that ``load`` would refuse, as ``module.name``.

    ``f``: a path or a binary file object. PyTorch:
    ``torch.serialization.get_unsafe_globals_in_checkpoint``.
    """
    from .torch_files.reading import unsafe_names

    if hasattr(f, "read"):
        return unsafe_names(f.read())
    with open(f, "rb") as file:
        return unsafe_names(file.read())


enclose_functions(globals())
