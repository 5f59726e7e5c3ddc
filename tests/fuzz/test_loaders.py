"""Damaged files, hostile states: each is read or refused by an error of ours, and changes nothing.

Without the checksum too: what gets past it is refused further on.
"""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from . import loaders, oracle


@pytest.mark.parametrize("name", loaders.LOADERS)
def test_damage_is_refused(name: str) -> None:
    loader = loaders.LOADERS[name]
    seeds = loader.seeds()
    kinds = set()

    times = 10 if name.startswith(("safe", "PyTorch", "Gen", "from")) else 1  # these are fast

    @settings(suppress_health_check=list(HealthCheck), max_examples=times * settings().max_examples)
    @given(st.sampled_from(seeds), st.randoms(use_true_random=False))
    def damage(seed: bytes, rng: Any) -> None:
        outcome = loaders.judged(loader, loaders.damaged(seed, rng))
        assert outcome.kind not in oracle.FINDINGS, outcome
        kinds.add(outcome.kind)

    damage()
    assert oracle.REFUSED in kinds, "nothing was damaged"


@pytest.mark.parametrize("name", loaders.LOADERS)
def test_what_is_whole_is_read(name: str) -> None:
    loader = loaders.LOADERS[name]
    outcomes = [loaders.judged(loader, seed).kind for seed in loader.seeds()]
    assert oracle.WORKED in outcomes
    assert not set(outcomes) & set(oracle.FINDINGS)


def test_a_leak_is_found() -> None:
    leaking = loaders.Loader("leaking", lambda data: data.decode("ascii"), lambda: [b"a"])
    assert loaders.judged(leaking, b"\xff").kind == oracle.LEAKED
