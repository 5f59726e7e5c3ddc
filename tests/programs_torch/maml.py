"""MAML on sinusoids: inner steps by functional_call with a graph of their own, vmap over tasks."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.func import functional_call, grad, vmap


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(1, 10)
        self.fc2 = nn.Linear(10, 10)
        self.fc3 = nn.Linear(10, 1)

    def forward(self, x):
        return self.fc3(torch.tanh(self.fc2(F.relu(self.fc1(x)))))


def main(start, step):
    rng = np.random.default_rng(0)
    net = Net()
    start(net)
    opt = torch.optim.Adam(net.parameters(), lr=1e-2)

    def tasks(n):
        a, b = rng.uniform(0.5, 2, (n, 1, 1)), rng.uniform(0, 3, (n, 1, 1))
        x = rng.uniform(-5, 5, (n, 6, 1))
        return torch.tensor(x, dtype=torch.float32), torch.tensor(a * np.sin(x + b)).float()

    def by_hand(x, y, x2, y2):
        params = dict(net.named_parameters())
        for _ in range(2):
            loss = F.mse_loss(functional_call(net, params, (x,)), y)
            grads = torch.autograd.grad(loss, list(params.values()), create_graph=True)
            params = {k: p - 0.1 * g for (k, p), g in zip(params.items(), grads)}
        return F.mse_loss(functional_call(net, params, (x2,)), y2)

    def transformed(x, y, x2, y2):
        params = dict(net.named_parameters())

        def compute_loss(params, x, y):
            return ((functional_call(net, params, x) - y) ** 2).mean()

        grads = grad(compute_loss)(params, x, y)
        new = {k: params[k] - 0.1 * g for k, g in grads.items()}
        return compute_loss(new, x2, y2)

    for i in range(4):
        (x, y), (x2, y2) = tasks(3), tasks(3)
        if i % 2:
            loss = vmap(transformed)(x, y, x2, y2).mean()
        else:
            loss = torch.stack([by_hand(*task) for task in zip(x, y, x2, y2)]).mean()
        opt.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        opt.step()
        step(loss)
