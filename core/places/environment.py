"""environment: versions and devices, for a report (``torch.utils.collect_env``)."""

from __future__ import annotations

import argparse
import contextlib
import io

from .. import report

__all__ = ["get_pretty_env_info", "main"]


def get_pretty_env_info() -> str:
    """What ``anadrome info`` prints."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        report.INFO.run(argparse.Namespace())
    return text.getvalue()


def main() -> None:
    """Print it."""
    print(get_pretty_env_info())
