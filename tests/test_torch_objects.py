"""Whole Modules and other objects in files, read back where the file is trusted."""

from __future__ import annotations

import argparse
import io
from typing import Any

import numpy as np
import pytest

import anadrome as ad
from anadrome import nn
from anadrome.torch_files.objects import read_object


@pytest.fixture
def torch() -> Any:
    return pytest.importorskip("torch")


def file_of(obj: Any) -> io.BytesIO:
    file = io.BytesIO()
    ad.save(obj, file)
    file.seek(0)
    return file


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lin = nn.Linear(3, 2)
        self.norm = nn.BatchNorm1d(2)
        self.rnn = nn.LSTM(2, 2)
        self.act = ad.tanh
        self.tied = self.lin.weight

    def forward(self, x: ad.Tensor) -> ad.Tensor:
        return self.rnn(ad.softmax(self.act(self.norm(self.lin(x))), -1))[0]


def kept(obj: Any) -> Any:
    file = file_of(obj)
    with pytest.raises(RuntimeError, match="could run code.*weights_only=False"):
        ad.load(file)
    file.seek(0)
    return ad.load(file, weights_only=False)


def test_a_whole_module_comes_back_where_the_file_is_trusted():
    net = Net()
    x = ad.randn(4, 3)
    net(x).sum().backward()
    back = kept(net)
    assert back(x).tolist() == net(x).tolist()
    assert type(back.lin.weight) is nn.Parameter
    assert back.tied is back.lin.weight
    assert back.act is ad.tanh
    assert list(back.state_dict()) == list(net.state_dict())


def test_a_checkpoint_with_objects_of_its_own_comes_back():
    net = nn.Linear(2, 2)
    adam = ad.optim.Adam(net.parameters())
    net(ad.ones(1, 2)).sum().backward()
    adam.step()
    back = kept({"args": argparse.Namespace(lr=0.1), "best": np.float32(0.5), "optimizer": adam,
                 "model": net.state_dict(), "curve": np.arange(3)})  # fmt: skip
    assert back["args"] == argparse.Namespace(lr=0.1)
    assert back["best"] == np.float32(0.5)
    assert back["curve"].tolist() == [0, 1, 2]
    assert back["model"]["weight"].tolist() == net.weight.tolist()
    moments = back["optimizer"].state_dict()["state"][0]["exp_avg"]
    assert moments.tolist() == adam.state_dict()["state"][0]["exp_avg"].tolist()


@pytest.mark.torch
def test_pytorch_reads_the_tensors_beside_an_object(torch):
    file = file_of({"args": argparse.Namespace(lr=0.1), "w": nn.Parameter(ad.ones(2, 3).t())})
    with torch.serialization.safe_globals([argparse.Namespace]):
        back = torch.load(file, weights_only=True)
    assert back["args"].lr == 0.1
    assert type(back["w"]) is torch.nn.Parameter
    assert back["w"].shape == (3, 2)


@pytest.mark.torch
def test_an_object_that_cannot_be_made_is_said(torch):
    file = io.BytesIO()
    torch.save(torch.nn.Linear(1, 1), file)
    file.seek(0)
    with pytest.raises(RuntimeError, match=r"it names torch\.nn\.modules\.linear\.Linear"):
        ad.load(file, weights_only=False)
    with pytest.raises(RuntimeError, match="cannot be made: ModuleNotFoundError"):
        read_object(b"\x80\x02cnowhere_at_all\nThing\n)R.", id)
