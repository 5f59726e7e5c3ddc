"""A hook of the documentation build: the lists in ``coverage.md``, of names there and not there."""

from __future__ import annotations

from typing import Any

MARKER = "<!-- the coverage of torch -->"


def on_page_markdown(markdown: str, **others: Any) -> str:
    """Put the lists where a page asks for them."""
    return markdown.replace(MARKER, coverage()) if MARKER in markdown else markdown


def coverage() -> str:
    """How much of each namespace there is, then each namespace's names."""
    from anadrome.plugins.run.coverage import names, summary, table

    lines = [*summary(), ""]
    for namespace in names():
        lines += table(namespace)
    return "\n".join(lines)
