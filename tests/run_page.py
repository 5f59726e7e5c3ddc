"""Runs the code of one documentation page: ``python tests/run_page.py docs/quickstart.md``.

A page is one program. In its order, and in one namespace:

- a ``python`` block is run; with ``title="train.py"`` errors name that file, and count lines from
  the block's first;
- a block whose title has a folder (``title="mine/ops.py"``), or is no Python, is written to the
  working directory first, where all blocks can import it;
- a ``text`` block right after a ``python`` block is what that block prints (``...`` stands for
  anything, line breaks may differ);
- a ``pycon`` block is run by doctest;
- a block with the class ``.no-run``, and any other language, is only shown.

Exit status 1, with the page's line, if something raises or prints something else.
"""

from __future__ import annotations  # blocks are compiled with it, so a signature is a block too

import contextlib
import doctest
import io
import linecache
import re
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
_FENCE = re.compile(r"^(?P<fence>`{3,})(?P<info>.*)$")
_TITLE = re.compile(r'title="([^"]*)"')


class Block(NamedTuple):
    """A fenced block; ``line`` is the number of its first line, ``ends`` of the closing fence."""

    language: str
    title: str
    shown_only: bool
    code: str
    line: int
    ends: int

    @property
    def is_file(self) -> bool:
        """Whether it is to be written, not run."""
        return "/" in self.title or (bool(self.title) and self.language != "python")


def blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of a page."""
    lines = text.split("\n")
    i = 0
    while i < len(lines):
        opening = _FENCE.match(lines[i])
        i += 1
        if opening is None:
            continue
        start = i
        while lines[i].rstrip() != opening["fence"]:
            i += 1
        info = opening["info"].strip()
        language = re.match(r"\{?\.?([\w-]*)", info)
        title = _TITLE.search(info)
        yield Block(
            language[1] if language else "",
            title[1] if title else "",
            ".no-run" in info,
            "\n".join(lines[start:i]) + "\n",
            start + 1,
            i + 1,
        )
        i += 1


def run(page: Path) -> list[str]:
    """Run a page; returns what is wrong with it."""
    text = page.read_text(encoding="utf-8")
    lines = text.split("\n")
    space: dict[str, Any] = {"__name__": "page"}
    found = list(blocks(text))
    problems = []
    for block in found:
        if block.is_file and not block.shown_only:
            path = Path(block.title)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.code, encoding="utf-8")
    for block, after in zip(found, [*found[1:], None]):
        if block.shown_only or block.is_file:
            continue
        place = f"{page}:{block.line}"
        if block.language == "python":
            wanted = None
            if after is not None and after.language == "text" and not after.title:
                between = "".join(lines[block.ends : after.line - 2]).strip()
                if between in ("", "prints"):
                    wanted = after.code
            problem = _run_python(block, space, str(page), wanted)
            if problem:
                problems.append(f"{place}: {problem}")
                break  # what follows builds on it
        elif block.language == "pycon":
            problem = _run_session(block, space, str(page))
            if problem:
                problems.append(f"{place}: {problem}")
    return problems


def _run_python(block: Block, space: dict[str, Any], page: str, wanted: str | None) -> str:
    name = block.title or page
    code = block.code if block.title else "\n" * (block.line - 1) + block.code
    # So that errors can quote the line.
    linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            exec(compile(code, name, "exec"), space)
    except BaseException:
        return f"raised\n{traceback.format_exc()}"
    got = printed.getvalue()
    if wanted is not None and not doctest.OutputChecker().check_output(wanted, got, FLAGS):
        return f"prints\n{got}\nwhere the page says\n{wanted}"
    return ""


def _run_session(block: Block, space: dict[str, Any], page: str) -> str:
    test = doctest.DocTestParser().get_doctest(block.code, space, page, page, block.line - 1)
    report = io.StringIO()
    test.globs = space  # doctest would work on a copy
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    runner.run(test, out=report.write, clear_globs=False)
    return report.getvalue()


if __name__ == "__main__":
    sys.path.insert(0, "")
    wrong = run(Path(sys.argv[1]))
    if wrong:
        print("\n".join(wrong))
    sys.exit(bool(wrong))
