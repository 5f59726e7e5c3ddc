"""A vision transformer: patches by a strided convolution, class token, MultiheadAttention."""

import numpy as np
import torch
import torch.nn as nn


class TransformerBlock(nn.Module):
    def __init__(self, dim, heads, mlp_dim):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.attn = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, mlp_dim), nn.GELU(), nn.Linear(mlp_dim, dim))

    def forward(self, x):
        y = self.norm1(x)
        attended, _ = self.attn(y, y, y, need_weights=False)
        x = x + attended
        return x + self.mlp(self.norm2(x))


class ViT(nn.Module):
    def __init__(self, image=8, patch=4, dim=16, depth=2, heads=4, classes=5):
        super().__init__()
        count = (image // patch) ** 2
        self.to_patch = nn.Conv2d(3, dim, kernel_size=patch, stride=patch)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embedding = nn.Parameter(torch.randn(1, count + 1, dim) * 0.02)
        nn.init.trunc_normal_(self.cls_token, std=0.02)
        self.blocks = nn.Sequential(*[TransformerBlock(dim, heads, 32) for _ in range(depth)])
        self.head = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, classes))

    def forward(self, img):
        x = self.to_patch(img).flatten(2).transpose(1, 2)
        cls = self.cls_token.expand(x.shape[0], -1, -1)
        x = torch.cat((cls, x), dim=1)
        x = x + self.pos_embedding
        x = self.blocks(x)
        return self.head(x[:, 0])


def main(start, step):
    rng = np.random.default_rng(0)
    model = start(ViT())
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.05)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=3e-3, total_steps=6)
    loss_fn = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 1.0, 0.5, 1.5]))
    for _ in range(5):
        img = torch.tensor(rng.normal(size=(4, 3, 8, 8)), dtype=torch.float32)
        label = torch.tensor(rng.integers(0, 5, 4))
        loss = loss_fn(model(img), label)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_value_(model.parameters(), 0.5)
        optimizer.step()
        scheduler.step()
        step(loss)
        step.note(scheduler.get_last_lr())
    with torch.inference_mode():
        step.note(torch.softmax(model(img), -1).topk(2))
