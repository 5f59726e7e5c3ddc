"""Random numbers: keys, streams, distributions, replays."""

from __future__ import annotations

import threading

import pytest

import anadrome as ad
from anadrome.random import recorded_keys, replayed_keys


def test_a_seed_gives_one_stream():
    ad.manual_seed(7)
    a = [ad.rand(5).tolist(), ad.randn(3).tolist(), ad.randperm(6).tolist()]
    ad.manual_seed(7)
    assert a == [ad.rand(5).tolist(), ad.randn(3).tolist(), ad.randperm(6).tolist()]
    ad.manual_seed(8)
    assert a[0] != ad.rand(5).tolist()


def test_state_can_be_put_back():
    ad.manual_seed(2**63 + 5)
    ad.rand(2)
    state = ad.get_rng_state()
    first = ad.randn(4).tolist()
    ad.randn(100)
    ad.set_rng_state(state)
    assert ad.randn(4).tolist() == first
    assert ad.initial_seed() == 2**63 + 5


def test_generators_are_independent():
    a, b = ad.Generator().manual_seed(1), ad.Generator().manual_seed(1)
    ad.manual_seed(1)
    x = ad.rand(3, generator=a).tolist()
    ad.rand(3)
    assert ad.rand(3, generator=b).tolist() == x


def test_replayed_keys_draw_the_same_and_leave_the_generator_alone():
    ad.manual_seed(0)
    with recorded_keys() as keys:
        first = [ad.rand(3).tolist(), ad.randn(2).tolist()]
    state = ad.get_rng_state().tolist()
    with replayed_keys(keys):
        assert [ad.rand(3).tolist(), ad.randn(2).tolist()] == first
        with pytest.raises(RuntimeError, match="draws more random numbers than its first run did"):
            ad.rand(1)
    assert ad.get_rng_state().tolist() == state


def test_nested_recordings_see_the_inner_keys():
    with recorded_keys() as outer:
        ad.rand(1)
        with recorded_keys() as inner:
            ad.rand(1)
    assert outer[1:] == inner


def test_a_key_gives_one_array_in_any_thread():
    found = []
    ad.manual_seed(3)
    expected = ad.rand(1000).tolist()
    with recorded_keys() as keys:
        pass
    keys[:] = [(3, 0)]

    def draw():
        with replayed_keys(keys):
            found.append(ad.rand(1000).tolist())

    threads = [threading.Thread(target=draw) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert found == [expected] * 4


def test_threads_never_share_a_key():
    ad.manual_seed(0)
    found = []
    lock = threading.Lock()

    def draw():
        mine = [tuple(ad.rand(2, dtype=ad.float64).tolist()) for _ in range(200)]
        with lock:
            found.extend(mine)

    threads = [threading.Thread(target=draw) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(set(found)) == 800


def test_distributions_have_their_moments():
    ad.manual_seed(11)
    u = ad.rand(200_000, dtype=ad.float64)
    assert 0 <= u.min().item() and u.max().item() < 1
    assert abs(u.mean().item() - 0.5) < 0.003
    assert abs(u.var().item() - 1 / 12) < 0.001
    n = ad.randn(200_000, dtype=ad.float64)
    assert abs(n.mean().item()) < 0.01
    assert abs(n.std().item() - 1) < 0.01
    b = ad.bernoulli(ad.full((100_000,), 0.3))
    assert abs(b.mean().item() - 0.3) < 0.006
    assert sorted(ad.randperm(50).tolist()) == list(range(50))
    i = ad.randint(-2, 3, (10_000,))
    assert set(i.tolist()) == {-2, -1, 0, 1, 2}
    m = ad.normal(5.0, 0.1, (10_000,))
    assert abs(m.mean().item() - 5) < 0.01


@pytest.mark.parametrize("dtype", [ad.float16, ad.bfloat16])
def test_half_precision_uniform_stays_below_one(dtype):
    ad.manual_seed(0)
    assert (ad.rand(50_000, dtype=dtype) < 1).all().item()


def test_multinomial_follows_the_weights_and_does_not_repeat():
    ad.manual_seed(5)
    w = ad.tensor([0.0, 1.0, 3.0])
    draws = ad.multinomial(w, 4000, replacement=True)
    counts = [(draws == k).sum().item() for k in range(3)]
    assert counts[0] == 0
    assert abs(counts[2] / 4000 - 0.75) < 0.03
    assert sorted(ad.multinomial(ad.ones(4), 4).tolist()) == [0, 1, 2, 3]
    with pytest.raises(RuntimeError, match="without replacement"):
        ad.multinomial(ad.ones(2), 3)


def test_bad_ranges_are_refused():
    with pytest.raises(RuntimeError, match="expects 'from' to be less than 'to'"):
        ad.randint(3, 3, (1,))
