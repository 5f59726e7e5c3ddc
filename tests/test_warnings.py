"""A warning points at the user's line, however many frames of ours lie in between."""

from __future__ import annotations

import gc
import pathlib
import warnings

import pytest

import anadrome as ad

ROOT = pathlib.Path(__file__).parent.parent
FILE = "/somewhere/users_script.py"

#: Statements of which each warns, on its last line.
WARNING = {
    "init": "ad.nn.init.trunc_normal_(ad.empty(3), mean=9.0)",
    "init of nothing": "ad.nn.init.kaiming_uniform_(ad.empty(0, 3))",
    "init under an older name": "ad.nn.init.normal(ad.empty(3))",
    "out": "ad.add(ad.ones(2), 1, out=ad.ones(3))",
    "out of a composite": "ad.std(ad.ones(2), out=ad.ones(3))",
    "copy": "ad.tensor(ad.ones(2))",
    "softmax": "ad.nn.functional.softmax(ad.ones(2))",
    "softmax module": "ad.nn.Softmax()(ad.ones(2))",
    "softmin": "ad.nn.functional.softmin(ad.ones(2))",
    "index": "ad.ones(2)[ad.tensor([1, 0], dtype=ad.uint8)]",
    "index written": "ad.ones(2)[ad.tensor([1, 0], dtype=ad.uint8)] = 1",
    "stft": "ad.stft(ad.ones(16), 8, return_complex=True)",
    "reduction": "ad.nn.functional.l1_loss(ad.ones(2), ad.ones(2), size_average=True)",
    "loss module": "ad.nn.L1Loss(size_average=True)",
    "kl": "ad.nn.functional.kl_div(ad.ones(2), ad.ones(2))",
    "dropout": "ad.nn.functional.dropout2d(ad.ones(2, 3, 4))",
    "dropout module": "ad.nn.Dropout3d()(ad.ones(2, 3))",
    "upsample": "ad.nn.functional.upsample(ad.ones(1, 1, 2), scale_factor=2)",
    "grid": "ad.nn.functional.grid_sample(ad.ones(1, 1, 2, 2), ad.zeros(1, 2, 2, 2))",
    "bag": "ad.nn.functional.embedding_bag(ad.ones(3, 2), ad.tensor([[1]]))",
    "rnn": "ad.nn.GRU(2, 2, dropout=0.5)",
    "hardtanh": "ad.nn.Hardtanh(min_value=0.0)",
    "instance norm": "ad.nn.InstanceNorm1d(5)(ad.ones(1, 2, 3))",
    "grad": "x = ad.ones(1, requires_grad=True)\nad.autograd.grad(x * 2, x, only_inputs=False)",
    "backward hook": "m = ad.nn.Identity()\n_ = m.register_full_backward_hook(lambda *a: None)\n"
    "m.forward = lambda x: {1: x}\nm(ad.ones(1, requires_grad=True))",
    "schedule": "o = ad.optim.SGD([ad.ones(1, requires_grad=True)], 0.1)\n"
    "s = ad.optim.lr_scheduler.StepLR(o, 1)\ns.step()",
    "swa": "o = ad.optim.SGD([ad.ones(1, requires_grad=True)], 0.1)\n"
    "s = ad.optim.swa_utils.SWALR(o, 0.1)\ns.get_lr()",
    "split": "ad.utils.data.random_split([1], [0.5, 0.5])",
    "workers": "ad.utils.data.DataLoader([1], num_workers=4000)",
    "distribution": "ad.distributions.Normal(0.0, 1.0).sample_n(2)",
    "clip": "ad.nn.utils.clip_grad_norm_((p for p in ()), 1.0)",
    "clip under its old name": "ad.nn.utils.clip_grad_norm([ad.ones(1, requires_grad=True)], 1.0)",
    "reentrant": "ad.utils.checkpoint.checkpoint(lambda x: x, ad.ones(1), use_reentrant=True)",
}


@pytest.mark.parametrize("name", WARNING)
def test_it_points_at_the_users_line(name: str) -> None:
    source = "# a comment\n" * 7 + WARNING[name]
    gc.collect()  # what other tests have left may warn when it is freed
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        exec(compile(source, FILE, "exec"), {"ad": ad})
    ours = [w for w in seen if not issubclass(w.category, ResourceWarning)]
    assert ours
    for w in ours:
        assert (w.filename, w.lineno) == (FILE, source.count("\n") + 1), w.message


def test_nobody_warns_at_a_level_that_is_counted_by_hand() -> None:
    files = [f for part in ("core", "backends", "plugins") for f in (ROOT / part).rglob("*.py")]
    assert len(files) > 300
    found = [f for f in files if "warnings.warn(" in f.read_text() and f.name != "sites.py"]
    assert not found
