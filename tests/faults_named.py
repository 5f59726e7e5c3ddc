"""What the sentinel's tests share: the error of a step, and the line that it has to name."""

from __future__ import annotations

import inspect
import os
from typing import Any

import pytest

import anadrome as ad


def line_of(mark: str) -> str:
    """``tests/test_x.py:123,``: the line of the calling test that ends in ``# mark``."""
    frame = inspect.currentframe()
    assert frame is not None and frame.f_back is not None
    code = frame.f_back.f_code
    lines, start = inspect.getsourcelines(code)
    (number,) = [i for i, text in enumerate(lines) if text.rstrip().endswith(f"# {mark}")]
    return f"{os.path.relpath(code.co_filename)}:{start + number},"


def error_of(step: Any, *args: Any, **kwargs: Any) -> Any:
    """The error of a step that is under watch."""
    with pytest.raises(ad.NonFiniteError) as caught:
        step(*args, **kwargs)
    return caught.value


def found(step: Any, *args: Any, **kwargs: Any) -> Any:
    """The error of a step, put under watch."""
    return error_of(ad.sentinel(file=None)(step), *args, **kwargs)
