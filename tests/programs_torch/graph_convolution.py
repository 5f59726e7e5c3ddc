"""Graph networks without a library: degree-normalised index_add, attention by scatter_reduce."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F


class GCNConv(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.lin = nn.Linear(in_channels, out_channels, bias=False)
        self.bias = nn.Parameter(torch.zeros(out_channels))

    def forward(self, x, edge_index):
        n = x.size(0)
        loops = torch.arange(n).unsqueeze(0).repeat(2, 1)
        row, col = torch.cat([edge_index, loops], dim=1)
        deg = torch.zeros(n).scatter_add_(0, col, torch.ones(col.numel()))
        deg_inv_sqrt = deg.pow(-0.5)
        deg_inv_sqrt[deg_inv_sqrt == float("inf")] = 0
        norm = deg_inv_sqrt[row] * deg_inv_sqrt[col]
        message = norm.view(-1, 1) * self.lin(x)[row]
        return torch.zeros(n, message.size(1)).index_add(0, col, message) + self.bias


class GATConv(nn.Module):
    def __init__(self, in_channels, out_channels, heads):
        super().__init__()
        self.heads, self.out = heads, out_channels
        self.lin = nn.Linear(in_channels, heads * out_channels, bias=False)
        self.att_src = nn.Parameter(torch.empty(1, heads, out_channels))
        self.att_dst = nn.Parameter(torch.empty(1, heads, out_channels))
        nn.init.xavier_uniform_(self.att_src)
        nn.init.xavier_uniform_(self.att_dst)

    def forward(self, x, edge_index):
        n = x.size(0)
        h = self.lin(x).view(n, self.heads, self.out)
        row, col = edge_index
        alpha = (h * self.att_src).sum(-1)[row] + (h * self.att_dst).sum(-1)[col]
        alpha = F.leaky_relu(alpha, 0.2)
        index = col.view(-1, 1).expand_as(alpha)
        highest = torch.full((n, self.heads), float("-inf")).scatter_reduce(0, index, alpha, "amax")
        alpha = (alpha - highest.detach()[col]).exp()
        total = torch.zeros(n, self.heads).scatter_add(0, index, alpha)
        alpha = alpha / (total[col] + 1e-16)
        out = torch.zeros(n, self.heads, self.out)
        out = out.index_add_(0, col, alpha.unsqueeze(-1) * h[row])
        return out.flatten(1), alpha


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = GCNConv(7, 8)
        self.conv2 = GATConv(8, 3, heads=2)
        self.pool = nn.Linear(6, 3)

    def forward(self, x, edge_index, batch):
        x = F.elu(self.conv1(x, edge_index))
        x, alpha = self.conv2(x, edge_index)
        graphs = int(batch.max()) + 1
        mean = torch.zeros(graphs, x.size(1)).scatter_reduce(
            0, batch.unsqueeze(1).expand_as(x), x, reduce="mean", include_self=False
        )
        return self.pool(x).log_softmax(dim=-1), mean, alpha


def main(start, step):
    rng = np.random.default_rng(0)
    model = Net()
    start(model)
    optimizer = torch.optim.Adam(
        [dict(params=model.conv1.parameters(), weight_decay=5e-4),
         dict(params=[*model.conv2.parameters(), *model.pool.parameters()], weight_decay=0)],
        lr=0.01,
    )  # fmt: skip
    x = torch.from_numpy(rng.normal(size=(10, 7)).astype("f4"))
    x = x / x.sum(1, keepdim=True).clamp(min=1)
    edges = rng.integers(0, 10, (2, 30))
    edge_index = torch.unique(torch.from_numpy(np.concatenate([edges, edges[::-1]], 1)), dim=1)
    step.note(edge_index)
    y = torch.from_numpy(rng.integers(0, 3, 10))
    train_mask = torch.from_numpy(rng.random(10) < 0.6)
    batch = torch.tensor([0] * 4 + [1] * 6)
    for _ in range(4):
        model.train()
        optimizer.zero_grad()
        out, mean, alpha = model(x, edge_index, batch)
        loss = F.nll_loss(out[train_mask], y[train_mask]) + 0.01 * mean.pow(2).sum()
        loss.backward()
        optimizer.step()
        step(loss, alpha)
    model.eval()
    pred = model(x, edge_index, batch)[0].argmax(dim=-1)
    step.note(int((pred[~train_mask] == y[~train_mask]).sum()))
