"""rebuilding: what PyTorch's pickles of tensors call, and the names of ``torch._tensor``.

Python's pickle looks functions up by name: ``torch._utils._rebuild_tensor_v2`` and kin make, of
``torch.storage._load_from_bytes``, the tensors of a ``pickle.dump`` that PyTorch made.
"""

from __future__ import annotations

from typing import Any

from .. import tensor
from ..errors import SerializationError


def called_by_pickles(here: str, module: str, name: str) -> Any:
    """The function that a pickle means by a private name; AttributeError for any other."""
    if name.startswith("_rebuild_"):
        from ..torch_files.objects import called

        try:
            return called(module, name)
        except SerializationError:
            pass
    raise AttributeError(f"module {here!r} has no attribute {name!r}")


def __getattr__(name: str) -> Any:
    if hasattr(tensor, name):
        return getattr(tensor, name)
    return called_by_pickles(__name__, "torch._tensor", name)


def __dir__() -> list[str]:
    return dir(tensor)
