"""REINFORCE after pytorch/examples: Categorical, log_prob, discounted returns, baseline."""

from collections import deque

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.distributions import Categorical


class Policy(nn.Module):
    def __init__(self):
        super().__init__()
        self.affine1 = nn.Linear(4, 16)
        self.dropout = nn.Dropout(p=0.0)
        self.affine2 = nn.Linear(16, 2)

        self.saved_log_probs = []
        self.rewards = []

    def forward(self, x):
        x = self.affine1(x)
        x = self.dropout(x)
        x = F.relu(x)
        action_scores = self.affine2(x)
        return F.softmax(action_scores, dim=1)


def main(start, step):
    rng = np.random.default_rng(0)
    policy = start(Policy())
    optimizer = optim.Adam(policy.parameters(), lr=1e-2)
    eps = np.finfo(np.float32).eps.item()
    for _ in range(4):
        for _ in range(6):
            state = torch.from_numpy(rng.normal(size=4)).float().unsqueeze(0)
            probs = policy(state)
            m = Categorical(probs)
            action = torch.tensor([int(rng.integers(0, 2))])
            policy.saved_log_probs.append(m.log_prob(action) + 0.01 * m.entropy())
            policy.rewards.append(float(rng.uniform(0, 1)))
        R = 0
        policy_loss = []
        returns = deque()
        for r in policy.rewards[::-1]:
            R = r + 0.99 * R
            returns.appendleft(R)
        returns = torch.tensor(returns)
        returns = (returns - returns.mean()) / (returns.std() + eps)
        for log_prob, R in zip(policy.saved_log_probs, returns):
            policy_loss.append(-log_prob * R)
        optimizer.zero_grad()
        policy_loss = torch.cat(policy_loss).sum()
        policy_loss.backward()
        optimizer.step()
        step(policy_loss)
        del policy.rewards[:]
        del policy.saved_log_probs[:]
