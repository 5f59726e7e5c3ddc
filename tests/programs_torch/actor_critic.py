"""Actor and critic with one body: smooth L1, stacked losses, Categorical and Normal policies."""

from collections import namedtuple

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.distributions import Categorical, Normal

SavedAction = namedtuple("SavedAction", ["log_prob", "value"])


class Policy(nn.Module):
    def __init__(self):
        super(Policy, self).__init__()
        self.affine1 = nn.Linear(4, 16)
        self.action_head = nn.Linear(16, 3)
        self.value_head = nn.Linear(16, 1)
        self.mean = nn.Linear(16, 2)
        self.log_std = nn.Parameter(torch.zeros(2))
        self.saved_actions = []
        self.rewards = []

    def forward(self, x):
        x = F.relu(self.affine1(x))
        action_prob = F.softmax(self.action_head(x), dim=-1)
        state_values = self.value_head(x)
        return action_prob, state_values, Normal(self.mean(x), self.log_std.exp())


def main(start, step):
    rng = np.random.default_rng(0)
    model = start(Policy())
    optimizer = optim.RMSprop(model.parameters(), lr=3e-3)
    for _ in range(4):
        for _ in range(5):
            state = torch.from_numpy(rng.normal(size=4)).float()
            probs, state_value, continuous = model(state)
            m = Categorical(probs)
            action = torch.tensor(rng.integers(0, 3))
            move = torch.tensor(rng.normal(size=2)).float()
            log_prob = m.log_prob(action) + continuous.log_prob(move).sum(-1)
            model.saved_actions.append(SavedAction(log_prob, state_value))
            model.rewards.append(float(rng.uniform()))
        R = 0
        policy_losses = []
        value_losses = []
        returns = []
        for r in model.rewards[::-1]:
            R = r + 0.99 * R
            returns.insert(0, R)
        returns = torch.tensor(returns)
        returns = (returns - returns.mean()) / (returns.std() + 1e-7)
        for (log_prob, value), R in zip(model.saved_actions, returns):
            advantage = R - value.item()
            policy_losses.append(-log_prob * advantage)
            value_losses.append(F.smooth_l1_loss(value, torch.tensor([R])))
        optimizer.zero_grad()
        loss = torch.stack(policy_losses).sum() + torch.stack(value_losses).sum()
        loss.backward()
        optimizer.step()
        step(loss)
        del model.rewards[:]
        del model.saved_actions[:]
