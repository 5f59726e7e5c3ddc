"""Names of `torch.cuda` and of autocast that programs ask for on a machine without a GPU."""

from __future__ import annotations

import pytest

import anadrome as ad

torch = pytest.importorskip("torch")
pytestmark = [
    pytest.mark.torch,
    pytest.mark.skipif(ad.cuda.is_available(), reason="asks what there is without a GPU"),
]


def answers(L):
    with L.cuda.device_of(L.ones(1)):
        inside = L.ones(1).device.type
    L.cuda.set_rng_state_all(L.cuda.get_rng_state_all())
    L.clear_autocast_cache()
    with L.autocast("cpu", dtype=L.bfloat16):
        active = L.is_autocast_cpu_enabled(), str(L.get_autocast_cpu_dtype()).rpartition(".")[2]
    before = L.is_anomaly_enabled()
    L.set_anomaly_enabled(True)
    found = L.is_anomaly_enabled(), L.is_anomaly_check_nan_enabled()
    L.set_anomaly_enabled(False)
    return {
        "inside": inside,
        "states": L.cuda.get_rng_state_all(),
        "architectures": L.cuda.get_arch_list(),
        "active": active,
        "gpu": str(L.get_autocast_gpu_dtype()).rpartition(".")[2],
        "off": L.is_autocast_cpu_enabled(),
        "anomaly": (before, *found, L.is_anomaly_enabled()),
        "legacy": L.cuda.FloatTensor.__name__,
    }


def test_questions_without_a_gpu():
    ours = answers(ad)
    theirs = answers(torch)
    assert ours == theirs


def test_states_and_marks():
    from anadrome.cuda import nvtx
    from anadrome.cuda.random import get_rng_state

    assert ad.equal(get_rng_state(), ad.get_rng_state())
    before = ad.get_rng_state()
    ad.cuda.set_rng_state(before + 1)  # nothing to set
    assert ad.equal(ad.get_rng_state(), before)
    with nvtx.range("outer"):
        assert nvtx.range_push("inner") == 1
        assert nvtx.range_pop() == 1
