"""CuPy's fused kernels are listed, and can be switched off: then all is composed, as before."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from test_backend_cupy import fake  # noqa: F401  (the fixture)
from test_cupy_table import check
from test_cupy_training import trained

import anadrome as ad
import anadrome.nn.functional as F
from anadrome import backend
from anadrome.__main__ import main

# ruff: noqa: F811

NAMES = (
    "softmax", "softmax_backward", "log_softmax", "log_softmax_backward", "layer_norm",
    "layer_norm_backward", "rms_norm", "rms_norm_backward", "cross_entropy",
    "cross_entropy_backward", "nll_loss", "nll_backward", "gelu", "gelu_backward", "silu",
    "silu_backward", "sigmoid", "sigmoid_backward", "tanh_backward", "threshold_backward", "erf",
    "dropout", "embedding", "embedding_backward", "max_pool", "max_pool_backward", "avg_pool",
    "avg_pool_backward",
)  # fmt: skip


@pytest.fixture
def composed(monkeypatch: Any, request: Any) -> Any:
    """The CuPy backend without the plugin."""
    from anadrome.backends.cupy import kernels

    rest = [given for given in backend._extensions["cupy"] if given is not kernels.kernels_for]
    monkeypatch.setitem(backend._extensions, "cupy", rest)
    return request.getfixturevalue("fake")


def test_info_counts_every_fused_path(fake: Any, capsys: Any) -> None:
    assert set(NAMES) <= set(fake.kernels)
    assert main(["info"]) == 0
    line = next(x for x in capsys.readouterr().out.splitlines() if "cupy.kernels:" in x)
    counts = dict(part.rsplit(" ", 1) for part in line.split(": ")[1].split(", "))
    counted = sum(int(n) for family, n in counts.items())
    assert counted >= len(NAMES) and int(counts["softmax"]) == 4 and int(counts["norms"]) == 4


def test_without_them(composed: Any, capsys: Any) -> None:
    assert not set(NAMES) & set(composed.kernels)
    main(["info"])
    assert "cupy.kernels:" not in capsys.readouterr().out


def test_each_runs_where_its_arrays_are(fake: Any) -> None:
    x = ad.randn(4, 6, device="cuda:1", requires_grad=True)
    y = F.layer_norm(F.gelu(F.dropout(x.softmax(-1), 0.5)), (6,))
    loss = F.cross_entropy(y, ad.zeros(4, dtype=ad.int64, device="cuda:1"))
    assert ad.cuda.current_device() == 0
    assert str(y.device) == str(loss.device) == "cuda:1"


@pytest.mark.parametrize("name", NAMES)
def test_the_composed_path_passes_the_tables_checks(
    composed: Any, monkeypatch: Any, name: str
) -> None:
    from anadrome.backends.cupy import pending

    monkeypatch.setattr(pending, "strict", True)
    check(name, ("float64", "float32"))


@pytest.mark.parametrize("kind", ["language", "pictures"])
def test_training_without_them_is_that_of_the_cpu(composed: Any, kind: str) -> None:
    there, here = trained(kind, "cuda", "SGD"), trained(kind, "cpu", "SGD")
    np.testing.assert_allclose(there, here, rtol=2e-4, atol=2e-4)


def test_the_environment_switches_them_off() -> None:
    code = (
        "from anadrome import backend; "
        "print([f.__module__ for f in backend._extensions.get('cupy', [])])"
    )
    found = []
    for disabled in ("", "fused"):
        env = {**os.environ, "ANADROME_DISABLE_PLUGINS": disabled}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
        assert done.returncode == 0, done.stderr
        found.append(done.stdout.strip())
    assert found == ["['anadrome.backends.cupy.kernels']", "[]"]
