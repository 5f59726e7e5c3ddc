"""Programs that are traced in anadrome and in PyTorch; each takes the namespace."""

from __future__ import annotations

import math


def mlp(torch):
    nn = torch.nn

    class MLP(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(3, 4)
            self.body = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Dropout(0.5))
            self.scale = nn.Parameter(torch.ones(4))
            self.register_buffer("shift", torch.ones(4))

        def forward(self, x, y=None, *args, flag: bool = True, **kw):
            z = self.body(nn.functional.relu(self.first(x))) * self.scale + self.shift
            return z.view(z.size(0), -1)[:, 1:3, ...]

    return MLP().eval(), (torch.ones(2, 3),)


def residual(torch):
    nn = torch.nn

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2d(2, 2, 3, padding=1, bias=False)
            self.bn1 = nn.BatchNorm2d(2)
            self.relu = nn.ReLU(inplace=True)
            self.conv2 = nn.Conv2d(2, 2, 3, padding=1, bias=False)
            self.bn2 = nn.BatchNorm2d(2)
            self.downsample = None

        def forward(self, x):
            identity = x
            out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
            if self.downsample is not None:
                identity = self.downsample(x)
            out += identity
            return torch.flatten(self.relu(out), 1)

    return Block().eval(), (torch.ones(1, 2, 4, 4),)


def transformer(torch):
    nn = torch.nn

    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.qkv, self.out = nn.Linear(8, 24), nn.Linear(8, 8)

        def forward(self, x):
            q, k, v = self.qkv(x).chunk(3, dim=-1)
            split = (x.size(0), x.size(1), 2, 4)
            q, k, v = (a.reshape(split).transpose(1, 2) for a in (q, k, v))
            weights = nn.functional.softmax(q @ k.transpose(-2, -1) / math.sqrt(4), dim=-1)
            return self.out((weights @ v).transpose(1, 2).reshape(x.shape))

    class Layer(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = Attention()
            self.norm1, self.norm2 = nn.LayerNorm(8), nn.LayerNorm(8)
            self.feed = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8))

        def forward(self, x):
            x = x + self.attention(self.norm1(x))
            return x + self.feed(self.norm2(x))

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(7, 8)
            self.layers = nn.ModuleList([Layer(), Layer()])

        def forward(self, tokens):
            x = self.embed(tokens)
            for layer in self.layers:
                x = layer(x)
            return {"mean": x.mean(dim=1), "all": (x, [x.shape[0]])}

    return Model().eval(), (torch.arange(6).reshape(2, 3),)


PROGRAMS = {f.__name__: f for f in (mlp, residual, transformer)}

#: Functions of a value, whose code must be PyTorch's.
FUNCTIONS = {
    "operators": lambda torch: lambda x, y: (1 - x) ** 2 / y // 3 % 2 - (-x) @ y * (+y),
    "comparisons": lambda torch: lambda x, y: ((x > 0) & (y <= 1) | (x == y)) ^ ~(x != 2),
    "in place": lambda torch: in_place,
    "indices": lambda torch: lambda x: x[0, ..., None, 1:2][x.shape[0]],
    "attributes": lambda torch: lambda x: x.T.data.max(dim=1)[0] + x.dtype,
    "keywords": lambda torch: lambda x: torch.add(x, 1, alpha=2) + torch.sum(x, dim=(0, 1)),
    "lists": lambda torch: lambda x, y: torch.cat([x, torch.stack((y, y))], dim=0),
    "makers": lambda torch: lambda x: torch.zeros(x.shape[0]) + torch.arange(x.size(1)),
    "constants": lambda torch: lambda x: torch.ones(2).add(x) + torch.tensor([1.0, 2.0]) * x,
    "types": lambda torch: lambda x: x.to(torch.float64).to(dtype=torch.int32),
    "math": lambda torch: lambda x: math.sqrt(x.size(0)),
    "unpacked": lambda torch: unpacked,
    "functional": lambda torch: (
        lambda x: torch.nn.functional.dropout(
            torch.nn.functional.softmax(torch.nn.functional.relu(x), dim=1), p=0.1
        )
    ),
    "infinite": lambda torch: lambda x: x.clamp(-float("inf"), 3.5e10),
    "no inputs": lambda torch: lambda: torch.ones(2),
    "names": lambda torch: lambda max, torch_, _x, x_1: max + torch_ + _x + x_1 + x_1,
}


def in_place(x, y):
    x += y
    x *= 2
    return x.add_(1)


def unpacked(x):
    a, b = x.split(1)
    return a + b
