"""fx: PyTorch's tensors without values and numbers without one; no value is one here."""

from __future__ import annotations

from typing import Any

from .missing import EAGER
from .nothing import nothing

FakeTensor, FakeTensorMode = (nothing(name, EAGER) for name in ("FakeTensor", "FakeTensorMode"))
SymBool, SymFloat, SymInt = (nothing(name, EAGER) for name in ("SymBool", "SymFloat", "SymInt"))


def is_fake(x: Any) -> bool:
    """False: every Tensor has numbers (``torch._subclasses.fake_tensor.is_fake``)."""
    return False


def get_proxy_mode() -> None:
    """None: nothing is traced below functions (``fx.experimental.proxy_tensor``)."""
