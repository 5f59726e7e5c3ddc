"""A bidirectional LSTM tagger of packed sequences; GRU cells with a gradient penalty."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence


class BiLSTMTagger(nn.Module):
    def __init__(self, vocab, dim, hidden, tags):
        super().__init__()
        self.embed = nn.Embedding(vocab, dim, padding_idx=0)
        self.lstm = nn.LSTM(dim, hidden // 2, num_layers=2, bidirectional=True, batch_first=True)
        self.hidden2tag = nn.Linear(hidden, tags)

    def forward(self, sentences, lengths):
        packed = pack_padded_sequence(
            self.embed(sentences), lengths, batch_first=True, enforce_sorted=False
        )
        packed_out, (h, c) = self.lstm(packed)
        out, out_lengths = pad_packed_sequence(packed_out, batch_first=True)
        return self.hidden2tag(out), h


class Critic(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.GRUCell(3, 5)
        self.head = nn.Sequential(nn.Linear(5, 5), nn.Softplus(), nn.Linear(5, 1))

    def forward(self, xs):
        h = torch.zeros(xs.shape[1], 5)
        for x in xs:
            h = self.cell(x, h)
        return self.head(h)


def main(start, step):
    rng = np.random.default_rng(0)
    lengths = torch.tensor([4, 6, 3])
    sentences = pad_sequence(
        [torch.tensor(rng.integers(1, 9, int(n))) for n in lengths], batch_first=True
    )
    tags = pad_sequence(
        [torch.tensor(rng.integers(0, 3, int(n))) for n in lengths], True, padding_value=-100
    )
    model = start(BiLSTMTagger(9, 5, 6, 3))
    optimizer = torch.optim.Rprop(model.parameters(), lr=0.01)
    for _ in range(3):
        optimizer.zero_grad()
        scores, h = model(sentences, lengths)
        loss = F.cross_entropy(scores.transpose(1, 2), tags) + 0.01 * h.pow(2).sum()
        loss.backward()
        optimizer.step()
        step(loss)

    critic = start(Critic())
    optimizer = torch.optim.ASGD(critic.parameters(), lr=0.05)
    for _ in range(3):
        real = torch.tensor(rng.normal(size=(4, 2, 3)), dtype=torch.float32)
        fake = torch.tensor(rng.normal(size=(4, 2, 3)), dtype=torch.float32)
        alpha = torch.tensor(rng.uniform(size=(1, 2, 1)), dtype=torch.float32)
        mixed = (alpha * real + (1 - alpha) * fake).requires_grad_(True)
        score = critic(mixed)
        gradients = torch.autograd.grad(
            outputs=score,
            inputs=mixed,
            grad_outputs=torch.ones_like(score),
            create_graph=True,
            retain_graph=True,
        )[0]
        penalty = ((gradients.transpose(0, 1).flatten(1).norm(2, dim=1) - 1) ** 2).mean()
        loss = critic(fake).mean() - critic(real).mean() + 10 * penalty
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step(loss)
