"""A sparse mixture of experts: topk gates, scatter, index_add_ of routed tokens, balance loss."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F


class MoeLayer(nn.Module):
    def __init__(self, dim, experts, k):
        super().__init__()
        self.gate = nn.Linear(dim, experts, bias=False)
        self.w_noise = nn.Parameter(torch.zeros(dim, experts))
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))
            for _ in range(experts)
        )
        self.k = k
        self.register_buffer("counts", torch.zeros(experts))

    def forward(self, inputs, noise):
        squashed = inputs.view(-1, inputs.shape[-1])
        logits = self.gate(squashed)
        if self.training:
            logits = logits + noise * (F.softplus(squashed @ self.w_noise) + 1e-2)
        weights, selected = torch.topk(logits, self.k)
        weights = F.softmax(weights, dim=1, dtype=torch.float).type_as(inputs)
        results = torch.zeros_like(squashed)
        for i, expert in enumerate(self.experts):
            batch_idx, nth_expert = torch.where(selected == i)
            if batch_idx.numel() == 0:
                continue
            results.index_add_(
                0, batch_idx, weights[batch_idx, nth_expert, None] * expert(squashed[batch_idx])
            )
        gates = torch.zeros_like(logits).scatter(1, selected, weights)
        load = torch.bincount(selected.flatten(), minlength=len(self.experts))
        self.counts += load
        importance = gates.sum(0)
        balance = importance.float().var() / (importance.float().mean() ** 2 + 1e-10)
        return results.view_as(inputs), balance


def main(start, step):
    rng = np.random.default_rng(0)
    embed, moe = nn.Embedding(11, 6), MoeLayer(6, 4, 2)
    head = nn.Linear(6, 11)
    for m in (embed, moe, head):
        start(m)
    params = [*embed.parameters(), *moe.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(params, lr=3e-3, weight_decay=0.1)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: min(1.0, (s + 1) / 3))
    for _ in range(4):
        tokens = torch.from_numpy(rng.integers(0, 11, (3, 5)))
        noise = torch.from_numpy(rng.normal(size=(15, 4)).astype("f4"))
        hidden, balance = moe(embed(tokens), noise)
        loss = F.cross_entropy(head(hidden).transpose(1, 2), tokens.roll(-1, dims=1))
        total = loss + 0.01 * balance
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        optimizer.step()
        scheduler.step()
        step(loss, balance)
    moe.eval()
    with torch.inference_mode():
        step.note(moe(embed(tokens), None)[0])
