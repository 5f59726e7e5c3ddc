"""A classifier of digits after PyTorch's quick start: Flatten, Linear, ReLU, SGD, accuracy."""

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class NeuralNetwork(nn.Module):
    def __init__(self):
        super().__init__()
        self.flatten = nn.Flatten()
        self.linear_relu_stack = nn.Sequential(
            nn.Linear(8 * 8, 32),
            nn.ReLU(),
            nn.Linear(32, 32),
            nn.ReLU(),
            nn.Linear(32, 10),
        )

    def forward(self, x):
        x = self.flatten(x)
        logits = self.linear_relu_stack(x)
        return logits


def train(dataloader, model, loss_fn, optimizer, step):
    size = len(dataloader.dataset)
    model.train()
    for batch, (X, y) in enumerate(dataloader):
        pred = model(X)
        loss = loss_fn(pred, y)
        loss.backward()
        optimizer.step()
        step(loss)
        optimizer.zero_grad()
        if batch % 2 == 0:
            loss, current = loss.item(), (batch + 1) * len(X)
            f"loss: {loss:>7f}  [{current:>5d}/{size:>5d}]"


def test(dataloader, model, loss_fn):
    size = len(dataloader.dataset)
    num_batches = len(dataloader)
    model.eval()
    test_loss, correct = 0, 0
    with torch.no_grad():
        for X, y in dataloader:
            pred = model(X)
            test_loss += loss_fn(pred, y).item()
            correct += (pred.argmax(1) == y).type(torch.float).sum().item()
    test_loss /= num_batches
    correct /= size
    return 100 * correct, test_loss


def main(start, step):
    rng = np.random.default_rng(0)
    images = torch.tensor(rng.normal(size=(96, 1, 8, 8)), dtype=torch.float32)
    labels = torch.from_numpy(rng.integers(0, 10, 96))
    data = TensorDataset(images, labels)
    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else "cpu"
    model = start(NeuralNetwork().to(device))
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(2):
        train(DataLoader(data, batch_size=32), model, loss_fn, optimizer, step)
        step.note(test(DataLoader(data, batch_size=64), model, loss_fn))
