"""Every module on the inputs of PyTorch's own test suite, with the same weights."""

from __future__ import annotations

import copy
import io
import pickle
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torch.testing._internal.common_modules")

import module_suite as suite

import anadrome as ad

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]

MODULES = suite.entries()
each_module = pytest.mark.parametrize("info", MODULES, ids=lambda info: info.name[3:])


def test_they_are_all_here() -> None:
    assert len(MODULES) > 100
    assert not [info.name for info in MODULES if not hasattr(ad.nn, info.module_cls.__name__)]


@each_module
def test_numbers(info: Any) -> None:
    count = gradients = 0
    for dtype, most in ((torch.float64, 8), (torch.float32, 3)):
        second = dtype is torch.float64 and info.supports_gradgrad
        for twin in suite.twins(info, dtype, most):
            twin.same_text()
            found, wanted, leaves = twin.call()
            suite.same_outputs(found, wanted, twin.told)
            gradients += suite.gradients(found, wanted, leaves, twin.told, second)
            twin.same_state()  # what a call in training changes, too
            count += 1
    assert count
    assert gradients


@each_module
def test_half_precision(info: Any) -> None:
    for kind, tolerance in ((torch.bfloat16, 3e-2), (torch.float16, 4e-3)):
        for twin in suite.twins(info, torch.float32, 2, cast=kind):
            found, wanted = twin.both(lambda x: x)
            if isinstance(wanted, Exception):  # PyTorch has none on the CPU
                continue
            if isinstance(found, Exception):
                raise found
            if info.name not in suite.DRAWN:
                suite.same_outputs(found, wanted, twin.told, tolerance)


@each_module
def test_strided_inputs(info: Any) -> None:
    def restrided(x: Any) -> Any:
        return x.movedim(1, -1).contiguous().movedim(-1, 1) if x.ndim > 2 else x

    for twin in suite.twins(info, torch.float64, 2):
        found, wanted, leaves = twin.call(restrided)
        suite.same_outputs(found, wanted, twin.told)
        if info.name != "nn.NLLLoss":  # PyTorch refuses that gradient of its own
            suite.gradients(found, wanted, leaves, twin.told, False)


@each_module
def test_copies_and_files(info: Any) -> None:
    for twin in suite.twins(info, torch.float32, 2):
        twin.mine = pickle.loads(pickle.dumps(copy.deepcopy(twin.mine)))
        twin.same_text()
        ours, theirs = io.BytesIO(), io.BytesIO()
        ad.save(twin.mine.state_dict(), ours)
        torch.save(twin.theirs.state_dict(), theirs)
        ours.seek(0)
        theirs.seek(0)
        twin.mine.load_state_dict(ad.load(theirs))
        twin.theirs.load_state_dict(torch.load(ours))
        for kind in ("double", "bfloat16", "float"):
            getattr(twin.mine, kind)()
            getattr(twin.theirs, kind)()
            twin.same_state()
        found, wanted, _ = twin.call()
        suite.same_outputs(found, wanted, twin.told)


@each_module
def test_structure(info: Any) -> None:
    for twin in suite.twins(info, torch.float32, 1):
        for mode in (False, True):
            assert _structure(twin.mine.train(mode)) == _structure(twin.theirs.train(mode))


def _structure(module: Any) -> Any:
    return (
        [(name, type(m).__name__, m.training) for name, m in module.named_modules()],
        [(name, tuple(p.shape), p.requires_grad) for name, p in module.named_parameters()],
        [(name, tuple(b.shape)) for name, b in module.named_buffers()],
    )


#: What PyTorch gives of memory that nobody wrote, or refuses for a reason of its own.
UNLIKE = ("nn.MultiLabelMarginLoss", "nn.MultiMarginLoss", "nn.InstanceNorm1d",
          "nn.InstanceNorm2d", "nn.InstanceNorm3d")  # fmt: skip


@each_module
def test_empty_and_single(info: Any) -> None:
    """No sample at all, and one sample without its dimension."""
    for change in (lambda x: x[:0] if x.ndim else x, lambda x: x[0] if x.ndim and len(x) else x):
        for twin in suite.twins(info, torch.float32, 3):
            found, wanted = twin.both(change)
            if info.name in UNLIKE or info.name in suite.DRAWN:
                continue
            if isinstance(wanted, Exception):
                own = "is ambiguous" in str(wanted)  # a reshape inside that cannot take nothing
                assert own or isinstance(found, Exception), f"{wanted}: {twin.told}"
            else:
                if isinstance(found, Exception):
                    raise found
                suite.same_outputs(found, wanted, twin.told)
