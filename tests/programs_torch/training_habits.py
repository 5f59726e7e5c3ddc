"""Habits of training code: hooks, EMA, freezing, groups, state dicts, deepcopy."""

import copy
import inspect

import numpy as np
import torch
import torch.nn as nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters
from torch.optim.swa_utils import AveragedModel


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 8), nn.Hardswish())
        self.norm = nn.BatchNorm1d(8)
        self.heads = nn.ModuleList([nn.Linear(8, 3), nn.Linear(8, 1)])
        self.scales = nn.ParameterList([nn.Parameter(torch.ones(1)) for _ in range(2)])
        self.activations = {"relu": lambda x: x.relu(), "none": lambda x: x}
        self.sizes = [8, 3, 1]

    def forward(self, x):
        h = self.activations["relu"](self.norm(self.body(x)))
        return [s * head(h) for s, head in zip(self.scales, self.heads)]


def main(start, step):
    rng = np.random.default_rng(0)
    torch.backends.cudnn.benchmark = True
    net = start(Net())
    frozen = net.body[0]
    for p in frozen.parameters():
        p.requires_grad = False
    seen = {}
    handle = net.body[2].register_forward_hook(
        lambda module, inputs, output: seen.__setitem__("h", output.detach().clone())
    )
    ema = AveragedModel(net, avg_fn=lambda a, p, n: 0.9 * a + 0.1 * p)
    fused = "fused" in inspect.signature(torch.optim.AdamW).parameters
    assert fused
    decay = [p for n, p in net.named_parameters() if p.requires_grad and p.ndim > 1]
    rest = [p for n, p in net.named_parameters() if p.requires_grad and p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decay, "weight_decay": 0.1}, {"params": rest, "lr": 1e-2}], lr=1e-3
    )
    warmup = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda e: min(1.0, (e + 1) / 3))
    ce, mse = nn.CrossEntropyLoss(reduction="none"), nn.HuberLoss()
    best = None
    for epoch in range(4):
        x = torch.tensor(rng.normal(size=(8, 6)), dtype=torch.float32)
        y = torch.tensor(rng.integers(0, 3, 8))
        z = torch.tensor(rng.normal(size=(8, 1)), dtype=torch.float32)
        logits, value = net(x)
        losses = ce(logits, y)
        loss = (
            losses.mean()
            + 0.5 * mse(value, z)
            + 1e-3 * sum(p.abs().sum() for p in net.heads.parameters())
        )
        optimizer.zero_grad()
        loss.backward()
        total = nn.utils.clip_grad_norm_(net.parameters(), max_norm=1.0)
        optimizer.step()
        warmup.step()
        ema.update_parameters(net)
        step(loss)
        step.note((total, seen["h"], f"{loss:.3f}", f"{loss.item():8.4f}"))
        if best is None or loss < best[0]:
            best = (loss.item(), copy.deepcopy(net.state_dict()))
        if epoch == 1:
            handle.remove()
    step.note(parameters_to_vector(ema.parameters()))
    net.load_state_dict(best[1])
    vector = parameters_to_vector(net.parameters())
    vector_to_parameters(vector * 0.5, net.parameters())
    step.note(parameters_to_vector(net.parameters()))
    twin = copy.deepcopy(net)
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), twin.parameters()))
    assert sum(p.numel() for p in net.parameters() if p.requires_grad) == 126
    state = optimizer.state_dict()
    step.note(sorted(state["state"][0]))
    optimizer.load_state_dict(state)
    assert "Linear" in str(net)
    assert len(list(net.children())) == 4
