"""A siamese network with triplet and contrastive losses: one net three times, pairwise distance."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.optim import RAdam
from torch.optim.lr_scheduler import ExponentialLR, LinearLR, SequentialLR


class EmbeddingNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.convnet = nn.Sequential(
            nn.Conv2d(1, 4, 3),
            nn.PReLU(),
            nn.MaxPool2d(2, stride=2),
            nn.Conv2d(4, 8, 3),
            nn.ELU(),
            nn.AdaptiveMaxPool2d(1),
        )
        self.fc = nn.Linear(8, 4)

    def forward(self, x):
        output = self.convnet(x)
        output = output.view(output.size()[0], -1)
        return F.normalize(self.fc(output), p=2, dim=1)


class ContrastiveLoss(nn.Module):
    def __init__(self, margin=2.0):
        super().__init__()
        self.margin = margin

    def forward(self, output1, output2, label):
        distance = F.pairwise_distance(output1, output2, keepdim=True)
        return torch.mean(
            (1 - label) * torch.pow(distance, 2)
            + (label) * torch.pow(torch.clamp(self.margin - distance, min=0.0), 2)
        )


def main(start, step):
    rng = np.random.default_rng(0)
    net = start(EmbeddingNet())
    optimizer = RAdam(net.parameters(), lr=5e-3)
    scheduler = SequentialLR(
        optimizer,
        [LinearLR(optimizer, 0.1, total_iters=2), ExponentialLR(optimizer, 0.9)],
        milestones=[2],
    )
    triplet = nn.TripletMarginLoss(margin=0.5)
    cosine = nn.CosineEmbeddingLoss(margin=0.2)
    contrastive = ContrastiveLoss()
    for _ in range(4):
        a, p, n = (torch.tensor(rng.normal(size=(5, 1, 10, 10))).float() for _ in range(3))
        label = torch.tensor(rng.integers(0, 2, (5, 1))).float()
        ea, ep, en = net(a), net(p), net(n)
        loss = triplet(ea, ep, en) + contrastive(ea, ep, label)
        loss = loss + cosine(ea, en, label.squeeze(1) * 2 - 1) + torch.cdist(ea, en).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        step(loss)
        step.note(scheduler.get_last_lr())
