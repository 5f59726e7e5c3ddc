"""versions: a version that is compared as one (``torch.torch_version.TorchVersion``).

By `PEP 440 <https://peps.python.org/pep-0440/>`_: "2.13" is above "2.4", and "2.0rc1" below "2.0".
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any

_FORM = re.compile(
    r"\s*v?(?:(?P<epoch>\d+)!)?(?P<release>\d+(?:\.\d+)*)"
    r"(?:[-_.]?(?P<pre>alpha|a|beta|b|preview|pre|c|rc)[-_.]?(?P<pre_n>\d*))?"
    r"(?P<post>-(?P<post_1>\d+)|[-_.]?(?:post|rev|r)[-_.]?(?P<post_n>\d*))?"
    r"(?P<dev>[-_.]?dev[-_.]?(?P<dev_n>\d*))?"
    r"(?:\+(?P<local>[a-z0-9]+(?:[-_.][a-z0-9]+)*))?\s*",
    re.IGNORECASE,
)
_PRE = {"alpha": "a", "beta": "b", "c": "rc", "pre": "rc", "preview": "rc"}


def _key(given: Any) -> tuple[Any, ...] | None:
    """What orders a version: a text, or its numbers; None for what is none."""
    if not isinstance(given, str):
        if not isinstance(given, Iterable):
            return None
        given = ".".join(str(part) for part in given)
    found = _FORM.fullmatch(given)
    if found is None:
        return None
    release = [int(part) for part in found["release"].split(".")]
    while release and release[-1] == 0:
        release.pop()
    pre: tuple[Any, ...] = (1,)
    if found["pre"] is not None:
        name = found["pre"].lower()
        pre = (0, _PRE.get(name, name), int(found["pre_n"] or 0))
    elif found["dev"] is not None and found["post"] is None:
        pre = (-1,)
    post = 1 + int(found["post_1"] or found["post_n"] or 0) if found["post"] is not None else 0
    dev = int(found["dev_n"] or 0) if found["dev"] is not None else math.inf
    parts = re.split(r"[-_.]", (found["local"] or "").lower()) if found["local"] else []
    local = tuple((1, int(p), "") if p.isdigit() else (0, 0, p) for p in parts)
    return int(found["epoch"] or 0), tuple(release), pre, post, dev, local


class TorchVersion(str):
    """A version: a text that is compared with others, and with tuples of numbers, as one.

    >>> from anadrome.torch_version import TorchVersion
    >>> TorchVersion("2.13.0") >= "2.4", TorchVersion("2.13.0") < (2, 4)
    (True, False)
    """

    def _ordered(self, other: Any, name: str) -> Any:
        ours, theirs = _key(str(self)), _key(other)
        if ours is None or theirs is None:
            return getattr(str(self), name)(other)
        return getattr(ours, name)(theirs)

    def __lt__(self, other: Any) -> bool:
        return self._ordered(other, "__lt__")

    def __le__(self, other: Any) -> bool:
        return self._ordered(other, "__le__")

    def __gt__(self, other: Any) -> bool:
        return self._ordered(other, "__gt__")

    def __ge__(self, other: Any) -> bool:
        return self._ordered(other, "__ge__")

    def __eq__(self, other: object) -> bool:
        return self._ordered(other, "__eq__") is True

    __ne__ = str.__ne__  # as PyTorch's: of the text
    __hash__ = str.__hash__
