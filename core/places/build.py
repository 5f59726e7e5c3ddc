"""build: how the program was built (``torch.__config__``): of Python, on an array library."""

from __future__ import annotations

import platform

from .. import settings, version


def show() -> str:
    """What runs here, in lines (``torch.__config__.show``)."""
    lines = [
        "anadrome built with:",
        f"anadrome {version.anadrome}, names of PyTorch {version.torch}",
        f"Python {platform.python_version()}",
    ]
    return "".join(f"{line}\n" for line in lines)


def parallel_info() -> str:
    """The threads of the array library, in lines (``torch.__config__.parallel_info``)."""
    return (
        f"at::get_num_threads() : {settings.get_num_threads()}\n"
        f"at::get_num_interop_threads() : {settings.get_num_interop_threads()}\n"
    )
