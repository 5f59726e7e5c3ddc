"""Recommendation by embeddings with biases: two embeddings, product, sigmoid range, Adagrad."""

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Ratings(Dataset):
    def __init__(self, rng, count, users, items):
        self.users = torch.tensor(rng.integers(0, users, count), dtype=torch.long)
        self.items = torch.tensor(rng.integers(0, items, count), dtype=torch.long)
        self.ratings = torch.tensor(rng.uniform(1, 5, count), dtype=torch.float32)

    def __len__(self):
        return len(self.ratings)

    def __getitem__(self, idx):
        return {"user": self.users[idx], "item": self.items[idx], "rating": self.ratings[idx]}


class MatrixFactorization(nn.Module):
    def __init__(self, n_users, n_items, n_factors=5):
        super().__init__()
        self.user_factors = nn.Embedding(n_users, n_factors)
        self.item_factors = nn.Embedding(n_items, n_factors)
        self.user_bias = nn.Embedding(n_users, 1)
        self.item_bias = nn.Embedding(n_items, 1)
        self.user_factors.weight.data.uniform_(0, 0.05)
        self.item_factors.weight.data.uniform_(0, 0.05)
        self.user_bias.weight.data.fill_(0.01)
        self.item_bias.weight.data.zero_()

    def forward(self, user, item):
        dot = (self.user_factors(user) * self.item_factors(item)).sum(1)
        out = dot + self.user_bias(user).squeeze(1) + self.item_bias(item).squeeze(-1)
        return torch.sigmoid(out) * 4.5 + 0.5


def main(start, step):
    data = Ratings(np.random.default_rng(0), 40, 7, 9)
    model = start(MatrixFactorization(7, 9))
    optimizer = torch.optim.Adagrad(model.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, factor=0.5)
    for _ in range(3):
        total = 0.0
        for batch in DataLoader(data, batch_size=16, shuffle=False, drop_last=True):
            predicted = model(batch["user"], batch["item"])
            loss = nn.functional.mse_loss(predicted, batch["rating"])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.detach()
            step(loss)
        scheduler.step(total)
        step.note(optimizer.param_groups[0]["lr"])
