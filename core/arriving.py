"""arriving: single values on their way from a device that runs ahead of Python.

To read a value waits until the device has come that far. Who can do with knowing it later asks for
it here, and looks whether it has arrived.
"""

from __future__ import annotations

from typing import Any


class Arriving:
    """A value that is there already; a backend whose device runs ahead has a class of its own."""

    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        self._value = value

    @property
    def done(self) -> bool:
        """Whether ``read`` gives it without waiting."""
        return True

    def read(self) -> Any:
        """The value, as Python's own; waits for it if need be."""
        return self._value


def arriving(tensor: Any) -> Arriving:
    """The value of a Tensor of one element, as it is now, to be read when it has arrived.

    Nothing may be written to the Tensor before it was read.

    >>> import anadrome as ad
    >>> from anadrome.arriving import arriving
    >>> value = arriving(ad.tensor(3) > 2)
    >>> value.done, value.read()
    (True, True)
    """
    found: Arriving = tensor._backend.arriving(tensor._data)
    return found
