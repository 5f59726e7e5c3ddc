"""A DQN step after PyTorch's tutorial: target network, gather, masks, Huber loss, soft updates."""

import random
from collections import deque, namedtuple

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim

Transition = namedtuple("Transition", ("state", "action", "next_state", "reward"))


class ReplayMemory:
    def __init__(self, capacity):
        self.memory = deque([], maxlen=capacity)

    def push(self, *args):
        self.memory.append(Transition(*args))

    def sample(self, batch_size):
        return random.sample(self.memory, batch_size)

    def __len__(self):
        return len(self.memory)


class DQN(nn.Module):
    def __init__(self, n_observations, n_actions):
        super().__init__()
        self.layer1 = nn.Linear(n_observations, 16)
        self.layer2 = nn.Linear(16, 16)
        self.layer3 = nn.Linear(16, n_actions)

    def forward(self, x):
        x = F.relu(self.layer1(x))
        x = F.relu(self.layer2(x))
        return self.layer3(x)


def main(start, step):
    random.seed(0)
    rng = np.random.default_rng(0)
    device = torch.device("cpu")
    policy_net = start(DQN(4, 2).to(device))
    target_net = DQN(4, 2).to(device)
    target_net.load_state_dict(policy_net.state_dict())
    optimizer = optim.AdamW(policy_net.parameters(), lr=1e-2, amsgrad=True)
    memory = ReplayMemory(1000)
    for i in range(40):
        state = torch.tensor(rng.normal(size=4), dtype=torch.float32).unsqueeze(0)
        with torch.no_grad():
            greedy = policy_net(state).max(1).indices.view(1, 1)
        action = greedy if i % 2 else torch.tensor([[int(rng.integers(0, 2))]], dtype=torch.long)
        after = torch.tensor(rng.normal(size=4), dtype=torch.float32).unsqueeze(0)
        memory.push(state, action, after if i % 5 else None, torch.tensor([rng.uniform()]).float())
    for _ in range(4):
        transitions = memory.sample(8)
        batch = Transition(*zip(*transitions))
        non_final_mask = torch.tensor(
            tuple(map(lambda s: s is not None, batch.next_state)), device=device, dtype=torch.bool
        )
        non_final_next_states = torch.cat([s for s in batch.next_state if s is not None])
        state_batch = torch.cat(batch.state)
        action_batch = torch.cat(batch.action)
        reward_batch = torch.cat(batch.reward)
        state_action_values = policy_net(state_batch).gather(1, action_batch)
        next_state_values = torch.zeros(8, device=device)
        with torch.no_grad():
            next_state_values[non_final_mask] = target_net(non_final_next_states).max(1).values
        expected = (next_state_values * 0.99) + reward_batch
        criterion = nn.SmoothL1Loss()
        loss = criterion(state_action_values, expected.unsqueeze(1))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_value_(policy_net.parameters(), 100)
        optimizer.step()
        step(loss)
        target_state = target_net.state_dict()
        policy_state = policy_net.state_dict()
        for key in policy_state:
            target_state[key] = policy_state[key] * 0.005 + target_state[key] * (1 - 0.005)
        target_net.load_state_dict(target_state)
        for param in policy_net.parameters():
            assert param.grad is None or param.grad.shape == param.shape
    step.note(target_net.layer3.weight)
