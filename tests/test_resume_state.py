"""What load_training gives back is what save_training took, bit for bit, whatever it was."""

from __future__ import annotations

import functools
import random
import subprocess
import sys
import warnings

import numpy as np
import pytest
from test_backend_cupy import fake  # noqa: F401  (the fixture)

import anadrome as ad
from anadrome import nn

# ruff: noqa: F811

S = ad.optim.lr_scheduler


class Small(nn.Module):
    def __init__(self, dtype=ad.float32):
        super().__init__()
        self.first = nn.Linear(4, 5, dtype=dtype)
        self.norm = nn.BatchNorm1d(5, dtype=dtype)
        self.last = nn.Linear(5, 1, dtype=dtype)

    def forward(self, x):
        return self.last(ad.nn.functional.dropout(self.norm(self.first(x)).tanh(), 0.2))


def groups(model):
    return [
        {"params": model.first.parameters()},
        {"params": [*model.norm.parameters(), *model.last.parameters()], "lr": 0.003},
    ]


optim = ad.optim
OPTIMIZERS = {
    "SGD": lambda p: optim.SGD(p, lr=0.01),
    "SGD-momentum": lambda p: optim.SGD(p, lr=0.01, momentum=0.9, nesterov=True, weight_decay=0.1),
    "Adam": lambda p: optim.Adam(p, lr=0.01),
    "Adam-amsgrad": lambda p: optim.Adam(p, lr=0.01, amsgrad=True, weight_decay=0.1),
    "Adam-tensor lr": lambda p: optim.Adam(p, lr=ad.tensor(0.01)),
    "Adam-differentiable": lambda p: optim.Adam(p, lr=0.01, foreach=False),
    "AdamW": lambda p: optim.AdamW(p, lr=0.01),
    "Adamax": lambda p: optim.Adamax(p),
    "NAdam": lambda p: optim.NAdam(p),
    "RAdam": lambda p: optim.RAdam(p),
    "Adagrad": lambda p: optim.Adagrad(p, lr_decay=0.01),
    "Adadelta": lambda p: optim.Adadelta(p),
    "RMSprop": lambda p: optim.RMSprop(p, momentum=0.5, centered=True),
    "Rprop": lambda p: optim.Rprop(p),
    "ASGD": lambda p: optim.ASGD(p, t0=3),
    "Adafactor": lambda p: optim.Adafactor(p),
    "Muon": lambda p: optim.Muon([w for group in p for w in group["params"] if w.ndim == 2]),
    "SparseAdam": lambda p: optim.SparseAdam(p),
}


def train(model, optimizer, steps, scheduler=None):
    out = []
    for _ in range(steps):
        x = ad.randn(6, 4, dtype=model.first.weight.dtype)
        loss = (model(x) - x.sum(1, keepdim=True)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if isinstance(scheduler, S.ReduceLROnPlateau):
            scheduler.step(loss)
        elif scheduler is not None:
            scheduler.step()
        out.append(loss.item())
    return out


def content(path, **parts):
    """All that there is, as bytes."""
    ad.save_training(path, **parts, keep=1)
    return path.read_bytes()


def goes_on_the_same(tmp_path, make, before=7, after=6):
    """Train; save; train on. The same from the file, with everything made anew."""
    ad.manual_seed(1)
    parts = make()
    model, optimizer, scheduler = parts["model"], parts["optimizer"], parts.get("scheduler")
    train(model, optimizer, before, scheduler)
    ad.save_training(tmp_path / "run", **parts, step=before)
    wanted = train(model, optimizer, after, scheduler)
    whole = content(tmp_path / "whole", **parts)
    ad.manual_seed(2)
    parts = make()
    model, optimizer, scheduler = parts["model"], parts["optimizer"], parts.get("scheduler")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert ad.load_training(tmp_path / "run", **parts).step == before
        assert content(tmp_path / "again", **parts, step=before) == (tmp_path / "run").read_bytes()
        assert train(model, optimizer, after, scheduler) == wanted
    assert content(tmp_path / "whole", **parts) == whole


@pytest.mark.parametrize("dtype", [ad.float32, ad.bfloat16], ids=str)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_goes_on(name, dtype, tmp_path):
    def make():
        model = Small(dtype)
        return {"model": model, "optimizer": OPTIMIZERS[name](groups(model))}

    goes_on_the_same(tmp_path, make)


def test_no_optimizer_and_no_scheduler_is_forgotten():
    classes = [c for c in (getattr(optim, n) for n in dir(optim)) if isinstance(c, type)]
    there = {c.__name__ for c in classes if issubclass(c, optim.Optimizer)}
    tried = {name.split("-")[0] for name in (*OPTIMIZERS, *SCHEDULERS)}
    assert there - tried == {"Optimizer", "FlatOptimizer", "LBFGS"}
    assert set(S.__all__) - tried == {"LRScheduler"}


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_lbfgs_goes_on(search, tmp_path):
    def make():
        net = nn.Linear(4, 1)
        options = {"lr": 0.1, "max_iter": 4, "history_size": 3, "line_search_fn": search}
        return {"model": net, "optimizer": optim.LBFGS(net.parameters(), **options)}

    def step(model, optimizer):
        def closure():
            optimizer.zero_grad()
            loss = (model(x) - x.square().sum(1, keepdim=True)).square().mean()
            loss.backward()
            return loss

        return optimizer.step(closure).item()

    x = ad.randn(9, 4)
    parts = make()
    for _ in range(4):
        step(**parts)
    ad.save_training(tmp_path / "run", **parts)
    wanted = [step(**parts) for _ in range(4)]
    whole = content(tmp_path / "whole", **parts)
    parts = make()
    ad.load_training(tmp_path / "run", **parts)
    assert [step(**parts) for _ in range(4)] == wanted
    assert content(tmp_path / "whole", **parts) == whole


class Slower:
    """A function with something to remember."""

    def __init__(self):
        self.calls = 0

    def __call__(self, epoch):
        self.calls += 1
        return 1 / (1 + self.calls)


SCHEDULERS = {
    "StepLR": lambda o: S.StepLR(o, 3),
    "MultiStepLR": lambda o: S.MultiStepLR(o, [3, 8, 8]),
    "ConstantLR": lambda o: S.ConstantLR(o, total_iters=8),
    "LinearLR": lambda o: S.LinearLR(o, total_iters=10),
    "ExponentialLR": lambda o: S.ExponentialLR(o, 0.9),
    "PolynomialLR": lambda o: S.PolynomialLR(o, 11, 2.0),
    "CosineAnnealingLR": lambda o: S.CosineAnnealingLR(o, 5),
    "CosineAnnealingWarmRestarts": lambda o: S.CosineAnnealingWarmRestarts(o, 3, 2),
    "CyclicLR": lambda o: S.CyclicLR(o, 0.001, 0.1, step_size_up=4, mode="exp_range", gamma=0.9),
    "OneCycleLR": lambda o: S.OneCycleLR(o, 0.1, total_steps=20),
    "LambdaLR": lambda o: S.LambdaLR(o, lambda epoch: np.cos(epoch / 9)),
    "LambdaLR-object": lambda o: S.LambdaLR(o, Slower()),
    "LambdaLR-partial": lambda o: S.LambdaLR(o, functools.partial(pow, 0.9)),
    "MultiplicativeLR": lambda o: S.MultiplicativeLR(o, lambda epoch: 0.9),
    "ReduceLROnPlateau": lambda o: S.ReduceLROnPlateau(o, patience=0, factor=0.5),
    "SequentialLR": lambda o: S.SequentialLR(
        o, [S.LinearLR(o, total_iters=3), S.ExponentialLR(o, 0.9)], [4]
    ),
    "ChainedScheduler": lambda o: S.ChainedScheduler(
        [S.ExponentialLR(o, 0.9), S.StepLR(o, 4)]
    ),
    "SWALR": lambda o: optim.swa_utils.SWALR(o, swa_lr=0.05, anneal_epochs=9),
}  # fmt: skip


@pytest.mark.parametrize("name", SCHEDULERS)
def test_every_scheduler_goes_on(name, tmp_path):
    def make():
        model = Small()
        optimizer = optim.SGD(groups(model), lr=0.01, momentum=0.9)
        return {"model": model, "optimizer": optimizer, "scheduler": SCHEDULERS[name](optimizer)}

    goes_on_the_same(tmp_path, make)


def test_state_keeps_its_dtype_though_pytorch_would_cast_it(tmp_path):
    """A float32 master copy of half-precision weights would lose its bits."""

    class Master(optim.Optimizer):
        def __init__(self, params):
            super().__init__(params, {"lr": 0.001})

        @ad.no_grad()
        def step(self, closure=None):
            for p in self.param_groups[0]["params"]:
                state = self.state[p]
                master = state.setdefault("master", p.detach().float())
                state.setdefault("counts", [ad.tensor(0)])[0] += 1
                master -= 0.001 * p.grad.float()
                p.copy_(master)

    def make():
        model = Small(ad.bfloat16)
        return {"model": model, "optimizer": Master(model.parameters())}

    goes_on_the_same(tmp_path, make)


def test_several_models_and_optimizers_and_all_the_rest(tmp_path):
    def make():
        a, b = nn.Linear(2, 2), nn.Linear(2, 1)
        first, second = optim.Adam(a.parameters()), optim.SGD(b.parameters(), lr=0.1, momentum=0.9)
        return {
            "model": {"a": a, "b": b, "mean": optim.swa_utils.AveragedModel(a)},
            "optimizer": [first, second],
            "scheduler": [S.StepLR(first, 2), S.StepLR(second, 3)],
            "scaler": ad.amp.GradScaler("cpu", init_scale=8.0, growth_interval=2),
        }

    def step(model, optimizer, scheduler, scaler):
        loss = model["b"](model["a"](ad.randn(3, 2))).square().sum()
        for o in optimizer:
            o.zero_grad()
        scaler.scale(loss).backward()
        for o in optimizer:
            scaler.step(o)
        scaler.update()
        for s in scheduler:
            s.step()
        model["mean"].update_parameters(model["a"])
        return loss.item()

    parts = make()
    for _ in range(3):
        step(**parts)
    ad.save_training(tmp_path / "run", **parts)
    wanted = [step(**parts) for _ in range(3)]
    whole = content(tmp_path / "whole", **parts)
    parts = make()
    ad.load_training(tmp_path / "run", **parts)
    assert [step(**parts) for _ in range(3)] == wanted
    assert content(tmp_path / "whole", **parts) == whole


def test_random_numbers_of_every_source_go_on(tmp_path):
    own = {
        "ours": ad.Generator(),
        "python": random.Random(3),
        "new": np.random.default_rng(4),
        "old": np.random.RandomState(5),
        "philox": np.random.Generator(np.random.Philox(6)),
    }

    def draw():
        return [
            ad.rand(2).tolist(), random.random(), random.gauss(0, 1), np.random.normal(),
            ad.rand(2, generator=own["ours"]).tolist(), own["python"].random(),
            *(own[name].random() for name in ("new", "old", "philox")),
        ]  # fmt: skip

    draw()  # half of a pair of normal numbers is waiting
    ad.save_training(tmp_path / "run", generators=own)
    wanted = [draw(), draw()]
    ad.load_training(tmp_path / "run", generators=own)
    assert [draw(), draw()] == wanted
    before = draw()
    ad.load_training(tmp_path / "run", strict=False, random=False)
    assert draw() != before


def test_extra_comes_back_as_it_was(tmp_path):
    extra = {
        "epoch": 3, 4: (1, [2.5, None, True]), "best": float("-inf"), "name": "é\ud800",
        "array": np.arange(3, dtype="uint16"), "number": np.float32(0.1), "t": ad.arange(2),
    }  # fmt: skip
    ad.save_training(tmp_path / "run", extra=extra, step=np.int64(4))
    state = ad.load_training(tmp_path / "run")
    assert repr(state.extra) == repr(extra)
    assert state.step == 4
    assert state.path == str(tmp_path / "run")
    assert state.version == ad.__version__


def test_numpys_random_numbers_where_nobody_has_imported_them(tmp_path):
    ad.save_training(tmp_path / "run")
    wanted = np.random.random()
    code = (
        "import sys, anadrome as ad\n"
        "assert 'numpy.random' not in sys.modules\n"
        f"ad.load_training({str(tmp_path / 'run')!r})\n"
        "import numpy\nprint(repr(float(numpy.random.random())))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == wanted


def test_a_module_knows_the_version_that_was_saved(tmp_path):
    """Else one that reads older states would take this one for such a state."""

    class Grown(nn.Linear):
        _version = 3

        def _load_from_state_dict(self, state, prefix, metadata, *rest):
            self.seen = metadata.get("version")
            super()._load_from_state_dict(state, prefix, metadata, *rest)

    ad.save_training(tmp_path / "run", model=nn.Sequential(Grown(1, 1)))
    now = nn.Sequential(Grown(1, 1))
    ad.load_training(tmp_path / "run", model=now)
    assert now[0].seen == 3


def test_extra_state_and_lazy_layers(tmp_path):
    class Counted(nn.Linear):
        count = 0

        def get_extra_state(self):
            return {"count": self.count}

        def set_extra_state(self, state):
            self.count = state["count"]

    first = nn.Sequential(Counted(2, 3), nn.LazyLinear(2))
    first[0].count = 5
    first(ad.ones(1, 2))
    ad.save_training(tmp_path / "run", model=first)
    now = nn.Sequential(Counted(2, 3), nn.LazyLinear(2))
    ad.load_training(tmp_path / "run", model=now)
    assert now[0].count == 5
    assert now(ad.ones(1, 2)).tolist() == first(ad.ones(1, 2)).tolist()


def test_on_another_device(tmp_path, fake):
    """Saved from one device, and loaded where the parameters are."""

    def make(device):
        model = nn.Linear(2, 1).to(device)
        return {"model": model, "optimizer": optim.Adam(model.parameters())}

    def step(model, optimizer):
        optimizer.zero_grad()
        model(ad.ones(2, device=model.weight.device)).sum().backward()
        optimizer.step()

    ad.manual_seed(0)
    parts = make("cuda")
    step(**parts)
    ad.save_training(tmp_path / "run", **parts)
    for device in ("cuda", "cpu"):
        now = make(device)
        ad.load_training(tmp_path / "run", **now)
        state = now["optimizer"].state[now["model"].weight]
        assert state["exp_avg"].device.type == now["model"].weight.device.type == device
        assert state["step"].device.type == "cpu"
        assert content(tmp_path / "again", **now) == (tmp_path / "run").read_bytes()


def test_a_captured_step_goes_on(tmp_path):
    def make():
        model = nn.Linear(4, 1)
        optimizer = optim.Adam(model.parameters(), lr=0.1)

        @ad.capture
        def step(x):
            optimizer.zero_grad()
            loss = nn.functional.dropout(model(x), 0.5).square().mean()
            loss.backward()
            optimizer.step()
            return loss

        return step, {"model": model, "optimizer": optimizer}

    x = ad.randn(6, 4)
    step, parts = make()
    for _ in range(4):
        step(x)
    ad.save_training(tmp_path / "run", **parts)
    wanted = [step(x).item() for _ in range(4)]
    step, parts = make()
    for _ in range(3):
        step(x)  # captured before the load
    ad.load_training(tmp_path / "run", **parts)
    assert [step(x).item() for _ in range(4)] == wanted
