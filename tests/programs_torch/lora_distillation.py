"""LoRA by parametrization of frozen layers, taught by a larger model: softened KL and hints."""

import math

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.nn.utils.parametrize as parametrize


class LoRA(nn.Module):
    def __init__(self, fan_in, fan_out, rank=2, alpha=4.0):
        super().__init__()
        self.lora_A = nn.Parameter(torch.empty(rank, fan_in))
        self.lora_B = nn.Parameter(torch.zeros(fan_out, rank))
        nn.init.kaiming_uniform_(self.lora_A, a=math.sqrt(5))
        self.scaling = alpha / rank
        self.enabled = True

    def forward(self, W):
        if not self.enabled:
            return W
        return W + torch.matmul(self.lora_B, self.lora_A).view(W.shape) * self.scaling


class Net(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.features = nn.Sequential(nn.Linear(6, hidden), nn.LayerNorm(hidden), nn.ReLU())
        self.classifier = nn.Linear(hidden, 4)

    def forward(self, x):
        h = self.features(x)
        return self.classifier(h), h


def main(start, step):
    rng = np.random.default_rng(0)
    teacher, student, hint = Net(16), Net(8), nn.Linear(8, 16)
    start(teacher)
    start(student)
    teacher.eval()
    for p in [*teacher.parameters(), *student.parameters()]:
        p.requires_grad = False
    for layer in (student.features[0], student.classifier):
        features_out, features_in = layer.weight.shape
        parametrize.register_parametrization(layer, "weight", LoRA(features_in, features_out))
    start(student)
    start(hint)
    trained = [p for p in student.parameters() if p.requires_grad]
    step.note([n for n, p in student.named_parameters() if p.requires_grad])
    step.note(sum(p.numel() for p in trained))
    optimizer = torch.optim.SGD(
        [{"params": trained, "lr": 0.5}, {"params": hint.parameters()}], lr=0.1
    )
    T, soft, hard = 2.0, 0.25, 0.75
    kl = nn.KLDivLoss(reduction="batchmean", log_target=True)
    for _ in range(4):
        x = torch.from_numpy(rng.normal(size=(12, 6)).astype("f4"))
        labels = torch.from_numpy(rng.integers(0, 4, 12))
        with torch.no_grad():
            teacher_logits, teacher_h = teacher(x)
        student_logits, h = student(x)
        soft_loss = kl(
            F.log_softmax(student_logits / T, dim=-1), F.log_softmax(teacher_logits / T, dim=-1)
        ) * (T**2)
        hints = F.cosine_embedding_loss(hint(h), teacher_h, torch.ones(x.size(0)))
        loss = soft * soft_loss + hard * F.cross_entropy(student_logits, labels) + 0.1 * hints
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step(loss, soft_loss, hints)
    for layer in (student.features[0], student.classifier):
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)
    step.note(list(student.state_dict()))
    step.note(list(student.state_dict().values()))
