"""stores: keys and values that processes share; of one process, a dictionary or a file.

PyTorch's ``torch.distributed.Store`` and its kinds.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Sequence
from typing import Any

#: How long PyTorch's processes wait for a key. Here nobody else sets one, so none is waited for.
DEFAULT = datetime.timedelta(seconds=300)


class Store:
    """Keys and values (``torch.distributed.Store``): strings or bytes come back as bytes.

    ``get`` and ``wait`` of a key that is not there raise RuntimeError at once: there is no other
    process that could set it.
    """

    def __init__(self) -> None:
        self._values: dict[str, bytes] = {}
        self._timeout = DEFAULT

    # -- where the values are, for kinds that keep them elsewhere ------------------------------
    def _all(self) -> dict[str, bytes]:
        return self._values

    def _keep(self, values: dict[str, bytes]) -> None:
        self._values = values

    # -- what PyTorch's have -------------------------------------------------------------------
    def set(self, key: str, value: str | bytes) -> None:
        """Set a value.

        >>> import anadrome as ad
        >>> store = ad.distributed.HashStore()
        >>> store.set("name", "first")
        >>> store.get("name")
        b'first'
        """
        self._keep({**self._all(), key: _bytes(value)})

    def get(self, key: str) -> bytes:
        """The value of a key; RuntimeError without one."""
        self.wait([key])
        return self._all()[key]

    def add(self, key: str, amount: int) -> int:
        """Add to a number, which is 0 at first; returns it."""
        total = int(self._all().get(key, b"0")) + amount
        self.set(key, str(total))
        return total

    def append(self, key: str, value: str | bytes) -> None:
        """Set a value behind the one that is there."""
        self.set(key, self._all().get(key, b"") + _bytes(value))

    def compare_set(self, key: str, expected_value: str, desired_value: str) -> bytes:
        """Set a value if the key has ``expected_value``, or is new and that is empty."""
        found, expected = self._all().get(key), _bytes(expected_value)
        if found == expected or (found is None and not expected):
            self.set(key, desired_value)
            return _bytes(desired_value)
        return expected if found is None else found

    def check(self, keys: Sequence[str]) -> bool:
        """Whether all keys have values."""
        return all(key in self._all() for key in keys)

    def wait(self, keys: Sequence[str], timeout: Any = None) -> None:
        """RuntimeError unless all keys have values."""
        missing = [key for key in keys if key not in self._all()]
        if missing:
            raise RuntimeError(
                f"the store has no {missing}, and there is no other process that could set it; "
                "ask check() first"
            )

    def delete_key(self, key: str) -> bool:
        """Forget a key; returns whether there was one."""
        values = dict(self._all())
        there = values.pop(key, None) is not None
        self._keep(values)
        return there

    def num_keys(self) -> int:
        """How many keys there are."""
        return len(self._all())

    def multi_set(self, keys: Sequence[str], values: Sequence[str | bytes]) -> None:
        """Set several."""
        for key, value in zip(keys, values):
            self.set(key, value)

    def multi_get(self, keys: Sequence[str]) -> list[bytes]:
        """The values of several."""
        return [self.get(key) for key in keys]

    def has_extended_api(self) -> bool:
        """True: ``append`` and its kin are there."""
        return True

    @property
    def timeout(self) -> datetime.timedelta:
        """What ``set_timeout`` was given."""
        return self._timeout

    def set_timeout(self, timeout: datetime.timedelta) -> None:
        """Accepted: nothing is waited for."""
        self._timeout = timeout


def _bytes(value: Any) -> bytes:
    if not isinstance(value, (str, bytes)):
        raise TypeError(f"a store keeps strings and bytes, not a {type(value).__name__}")
    return value.encode() if isinstance(value, str) else value


class HashStore(Store):
    """One in memory (``torch.distributed.HashStore``)."""


class TCPStore(Store):
    """One that PyTorch's processes reach by a port; nothing is opened (``TCPStore``).

    RuntimeError for ``world_size`` above 1.
    """

    def __init__(
        self,
        host_name: str,
        port: int,
        world_size: int | None = None,
        is_master: bool = False,
        timeout: datetime.timedelta = DEFAULT,
        wait_for_workers: bool = True,
        **options: Any,
    ) -> None:
        super().__init__()
        if world_size is not None and world_size > 1:
            raise RuntimeError(
                f"a TCPStore of {world_size} processes: anadrome trains in one; give world_size=1"
            )
        self.host, self.port, self._timeout = host_name, port, timeout


class FileStore(Store):
    """One in a file, which later runs find (``torch.distributed.FileStore``)."""

    def __init__(self, file_name: Any, world_size: int = -1) -> None:
        super().__init__()
        self.path = os.fspath(file_name)

    def _all(self) -> dict[str, bytes]:
        if not os.path.exists(self.path) or not os.path.getsize(self.path):
            return {}
        with open(self.path, encoding="ascii") as file:
            pairs = [line.rstrip("\n").split(" ") for line in file]
        return {bytes.fromhex(k).decode(): bytes.fromhex(v) for k, v in pairs}

    def _keep(self, values: dict[str, bytes]) -> None:
        with open(self.path, "w", encoding="ascii") as file:
            file.writelines(f"{k.encode().hex()} {v.hex()}\n" for k, v in values.items())


class PrefixStore(Store):
    """Another store, with something before each key (``torch.distributed.PrefixStore``)."""

    def __init__(self, prefix: str, store: Store) -> None:
        super().__init__()
        self.underlying_store, self._prefix = store, f"{prefix}/"

    def _all(self) -> dict[str, bytes]:
        start = self._prefix
        values = self.underlying_store._all()
        return {k[len(start) :]: v for k, v in values.items() if k.startswith(start)}

    def _keep(self, values: dict[str, bytes]) -> None:
        others = self.underlying_store._all().items()
        rest = {k: v for k, v in others if not k.startswith(self._prefix)}
        self.underlying_store._keep(rest | {self._prefix + k: v for k, v in values.items()})
