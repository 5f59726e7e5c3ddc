"""Resuming a loader whose workers are at different points of their data."""

from __future__ import annotations

import time

import pytest
from test_resume_loader import FORK, N, Told, resumed, whole

from anadrome.utils.data import DataLoader, get_worker_info


class Uneven(Told):
    """Of two workers one has ended long before the other has given anything."""

    def __iter__(self):
        for sample in super().__iter__():
            time.sleep(0.02 * get_worker_info().id)
            yield sample


@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize("size", [None, 2])
def test_a_worker_that_ends_early_has_ended_when_its_last_batch_is_out(size, persistent, tmp_path):
    def make():
        return DataLoader(
            Uneven(), size, num_workers=2, prefetch_factor=N, persistent_workers=persistent,
            multiprocessing_context=FORK,
        )  # fmt: skip

    wanted = whole(make)
    end = next(i for i, seen in enumerate(wanted) if seen[0] == "end")
    for stop in (1, end - 2, end - 1, end):
        assert resumed(make, stop, tmp_path) == wanted, f"saved after {stop}"
