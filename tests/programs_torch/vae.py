"""After pytorch/examples/vae: reparameterisation, BCE + KL, Adam."""

import numpy as np
import torch
import torch.utils.data
from torch import nn, optim
from torch.nn import functional as F


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(36, 20)
        self.fc21 = nn.Linear(20, 4)
        self.fc22 = nn.Linear(20, 4)
        self.fc3 = nn.Linear(4, 20)
        self.fc4 = nn.Linear(20, 36)

    def encode(self, x):
        h1 = F.relu(self.fc1(x))
        return self.fc21(h1), self.fc22(h1)

    def reparameterize(self, mu, logvar, eps):
        std = torch.exp(0.5 * logvar)
        return mu + eps * std

    def decode(self, z):
        h3 = F.relu(self.fc3(z))
        return torch.sigmoid(self.fc4(h3))

    def forward(self, x, eps):
        mu, logvar = self.encode(x.view(-1, 36))
        z = self.reparameterize(mu, logvar, eps)
        return self.decode(z), mu, logvar


def loss_function(recon_x, x, mu, logvar):
    BCE = F.binary_cross_entropy(recon_x, x.view(-1, 36), reduction="sum")
    KLD = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return BCE + KLD


def main(start, step):
    rng = np.random.default_rng(0)
    model = start(VAE())
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    train_loss = 0
    for _ in range(5):
        data = torch.tensor(rng.uniform(size=(8, 1, 6, 6)), dtype=torch.float)
        eps = torch.tensor(rng.normal(size=(8, 4)), dtype=torch.float)
        optimizer.zero_grad()
        recon_batch, mu, logvar = model(data, eps)
        loss = loss_function(recon_batch, data, mu, logvar)
        loss.backward()
        train_loss += loss.item()
        optimizer.step()
        step(loss)
    step.note(train_loss / 5)
    with torch.no_grad():
        sample = torch.tensor(rng.normal(size=(3, 4)), dtype=torch.float32)
        step.note(model.decode(sample).cpu().view(3, 1, 6, 6))
