"""version: of what (PyTorch: ``torch.version``).

``torch``: the PyTorch whose names and semantics these are; ``anadrome``: of this package.
"""

from __future__ import annotations

from . import __version__ as anadrome
from .versions import TorchVersion as TorchVersion

torch = "2.13.0"
__version__ = TorchVersion(f"{torch}+anadrome{anadrome}")
cuda: str | None = None
hip: str | None = None
xpu: str | None = None
debug = False
git_version = "unknown"
