"""explained: calls that one library takes and the other refuses, and why that is as it should be.

A reason is for a kind of call: by the words of the library that refuses (so that another refusal is
not covered), and, where those say too little, by the function's name and by what was given. What no
reason covers is a finding.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Reason(NamedTuple):
    """``words``, ``names``, ``given``: searched in the refusal, the dotted name and the call."""

    why: str
    words: str = ""
    names: str = ""
    given: str = ""

    def covers(self, name: str, words: str, given: str) -> bool:
        """Whether a call is of this kind."""
        return bool(
            re.search(self.words, words)
            and re.search(self.names, name)
            and re.search(self.given, given)
        )


def reason(table: tuple[Reason, ...], name: str, words: str, given: str) -> Reason | None:
    """The first reason that covers a call."""
    return next((r for r in table if r.covers(name, words, given)), None)
