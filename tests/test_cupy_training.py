"""Training on CuPy beside training on NumPy: on the stand-in, and on a GPU where there is one."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_backend_cupy import fake  # noqa: F401  (the fixture)
from test_cupy_waiting import Block, Language, picture_model

import anadrome as ad
import anadrome.nn.functional as F
from anadrome import cuda, nn
from anadrome.utils.checkpoint import checkpoint


@pytest.fixture(params=["stand-in", pytest.param("gpu", marks=pytest.mark.gpu)])
def gpu(request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of the device."""
    if request.param == "stand-in":
        request.getfixturevalue("fake")
    yield "cuda"


def still(model: nn.Module) -> nn.Module:
    """Without dropout, whose draws differ between backends."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return model


def tokens(device: str) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    x, y = (ad.tensor(rng.integers(0, 20, (4, 8)), device=device) for _ in range(2))
    return x, y


def language(model: Any, device: str) -> Any:
    x, y = tokens(device)
    return F.cross_entropy(model(x).flatten(0, 1), y.flatten())


def pictures(model: Any, device: str) -> Any:
    rng = np.random.default_rng(0)
    x = ad.tensor(rng.normal(size=(6, 1, 8, 8)), dtype=ad.float32, device=device)
    y = ad.tensor(rng.integers(0, 10, 6), device=device)
    return F.cross_entropy(model(x), y, label_smoothing=0.1)


class Recurrent(nn.Module):
    """An LSTM over packed sequences, and a GRU."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(5, 8, bidirectional=True, batch_first=True)
        self.gru = nn.GRU(16, 6, batch_first=True)

    def forward(self, x: Any) -> Any:
        packed = nn.utils.rnn.pack_padded_sequence(x, [7, 4, 2], batch_first=True)
        y, _ = nn.utils.rnn.pad_packed_sequence(self.lstm(packed)[0], batch_first=True)
        return self.gru(y)[0]


def sequences(model: Any, device: str) -> Any:
    x = ad.tensor(np.random.default_rng(0).normal(size=(3, 7, 5)), dtype=ad.float32, device=device)
    return (model(x) ** 2).mean()


KINDS = {
    "language": (Language, language),
    "pictures": (picture_model, pictures),
    "sequences": (Recurrent, sequences),
}


def trained(kind: str, device: str, optimizer: str, half: Any = None) -> list[float]:
    """Losses of six steps; the start is drawn on the host."""
    make, loss_of = KINDS[kind]
    ad.manual_seed(3)
    model = still(make()).to(device)
    opt = getattr(ad.optim, optimizer)(model.parameters(), lr=1e-2)
    place = device.partition(":")[0]
    scaler = ad.amp.GradScaler(place, init_scale=256.0, enabled=half is ad.float16)
    out = []
    for _ in range(6):
        opt.zero_grad()
        with ad.autocast(place, dtype=half or ad.bfloat16, enabled=half is not None):
            loss = loss_of(model, device)
        scaler.scale(loss).backward()
        scaler.unscale_(opt)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(opt)
        scaler.update()
        out.append(loss.item())
    return out


@pytest.mark.parametrize("optimizer", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_same_training(gpu: str, kind: str, optimizer: str) -> None:
    there, here = trained(kind, gpu, optimizer), trained(kind, "cpu", optimizer)
    np.testing.assert_allclose(there, here, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("half", ["float16", "bfloat16"])
@pytest.mark.parametrize("kind", ["language", "pictures"])
def test_the_same_training_in_mixed_precision(gpu: str, kind: str, half: str) -> None:
    dtype = getattr(ad, half)
    there, here = trained(kind, gpu, "SGD", dtype), trained(kind, "cpu", "SGD", dtype)
    np.testing.assert_allclose(there, here, rtol=0.02)


@pytest.mark.parametrize("half", [None, "float16", "bfloat16"])
def test_checkpointed_gradients_are_the_same_bits(gpu: str, half: str | None) -> None:
    block = Block().to(gpu)  # with its dropout
    x = ad.randn(3, 5, 16).to(gpu)
    grads = []
    for run in (lambda x: block(x), lambda x: checkpoint(block, x)):
        ad.manual_seed(7)
        block.zero_grad()
        with ad.autocast(gpu, dtype=getattr(ad, half or "float16"), enabled=half is not None):
            (run(x) ** 2).sum().backward()
        grads.append([p.grad.cpu() for p in block.parameters()])
    for a, b in zip(*grads):
        assert a.equal(b)


def test_weights_go_from_device_to_device_through_a_file(gpu: str, tmp_path: Path) -> None:
    there, here = Language().to(gpu), Language()
    for suffix in ("pt", "safetensors"):
        ad.save(there.state_dict(), tmp_path / f"weights.{suffix}")
        here.load_state_dict(ad.load(tmp_path / f"weights.{suffix}", map_location="cpu"))
        assert all(p.device.type == "cpu" for p in here.parameters())
        for a, b in zip(there.parameters(), here.parameters()):
            assert a.cpu().equal(b)
    opt = ad.optim.Adam(there.parameters())
    language(there, gpu).backward()
    opt.step()
    other = ad.optim.Adam(here.parameters())
    other.load_state_dict(opt.state_dict())
    assert all(v["exp_avg"].device.type == "cpu" for v in other.state.values())


def test_two_threads_train_two_models(gpu: str) -> None:
    losses: dict[int, list[float]] = {}

    def run(number: int) -> None:
        x = ad.full((4, 3), float(number + 1), device=gpu)
        w = ad.full((3, 2), 0.5, device=gpu).requires_grad_()
        opt = ad.optim.SGD([w], lr=0.01)
        losses[number] = []
        for _ in range(20):
            opt.zero_grad()
            loss = (ad.tanh(x.mm(w)) ** 2).mean()
            loss.backward()
            opt.step()
            losses[number].append(loss.item())

    together = [threading.Thread(target=run, args=(n,)) for n in range(2)]
    for thread in together:
        thread.start()
    for thread in together:
        thread.join()
    both = dict(losses)
    for number in range(2):
        run(number)
        assert losses[number] == both[number]


def test_two_streams_give_what_one_gives(gpu: str) -> None:
    x = ad.randn(64, 64).to(gpu)
    want = (x @ x).sum().item()
    side = cuda.Stream()
    side.wait_stream(cuda.current_stream())
    with cuda.stream(side):
        y = x @ x
    cuda.current_stream().wait_stream(side)
    assert y.sum().item() == want
    cuda.synchronize()


def test_a_captured_step_replays_the_same_numbers(gpu: str) -> None:
    def losses(captured: bool) -> list[float]:
        ad.manual_seed(0)
        model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 1)).to(gpu)
        opt = ad.optim.Adam(model.parameters(), lr=1e-2)

        def step(x: Any, y: Any) -> Any:
            opt.zero_grad()
            loss = F.mse_loss(model(x), y)
            loss.backward()
            opt.step()
            return loss

        run = ad.capture(step) if captured else step
        rng = np.random.default_rng(1)
        out = []
        for _ in range(6):
            x = ad.tensor(rng.normal(size=(12, 8)), dtype=ad.float32, device=gpu)
            out.append(run(x, x[:, :1]).item())
        return out

    assert losses(True) == losses(False)


def test_the_traps_of_indexing(gpu: str) -> None:
    """CuPy wraps what is out of range; here it is refused, at the latest where a value is read."""
    x = ad.arange(6, device=gpu).float().reshape(2, 3)
    far = ad.tensor([0, 5], device=gpu)
    for read in (
        lambda: x[far], lambda: x.index_select(0, far), lambda: x.gather(0, far[None, :]),
        lambda: F.embedding(far, x), lambda: x.clone().index_add_(0, far, x),
        lambda: x.take(far + 10), lambda: F.nll_loss(x, far),
    ):  # fmt: skip
        with pytest.raises((IndexError, RuntimeError), match="out of|Target 5"):
            read().sum().item()
            cuda.synchronize()
        for _ in range(4):  # one mistake may fail several checks, and each is told
            with contextlib.suppress(IndexError, RuntimeError):
                cuda.synchronize()
    assert x.sum().item() == 15.0  # nothing is left behind
