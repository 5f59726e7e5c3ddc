"""A denoising diffusion model: time embeddings, GroupNorm U-Net, gathered schedules, weight EMA."""

import copy
import math

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F


class SinusoidalPositionEmbeddings(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, time):
        half_dim = self.dim // 2
        embeddings = math.log(10000) / (half_dim - 1)
        embeddings = torch.exp(torch.arange(half_dim, device=time.device) * -embeddings)
        embeddings = time[:, None] * embeddings[None, :]
        return torch.cat((embeddings.sin(), embeddings.cos()), dim=-1)


class Block(nn.Module):
    def __init__(self, in_ch, out_ch, time_emb_dim, up=False):
        super().__init__()
        self.time_mlp = nn.Linear(time_emb_dim, out_ch)
        if up:
            self.conv1 = nn.Conv2d(2 * in_ch, out_ch, 3, padding=1)
            self.transform = nn.ConvTranspose2d(out_ch, out_ch, 4, 2, 1)
        else:
            self.conv1 = nn.Conv2d(in_ch, out_ch, 3, padding=1)
            self.transform = nn.Conv2d(out_ch, out_ch, 4, 2, 1)
        self.norm = nn.GroupNorm(2, out_ch)
        self.act = nn.SiLU()

    def forward(self, x, t):
        h = self.norm(self.act(self.conv1(x)))
        time_emb = self.act(self.time_mlp(t))
        h = h + time_emb[(...,) + (None,) * 2]
        return self.transform(h)


class SimpleUnet(nn.Module):
    def __init__(self):
        super().__init__()
        self.time_mlp = nn.Sequential(SinusoidalPositionEmbeddings(8), nn.Linear(8, 8), nn.ReLU())
        self.conv0 = nn.Conv2d(1, 4, 3, padding=1)
        self.downs = nn.ModuleList([Block(4, 6, 8), Block(6, 8, 8)])
        self.ups = nn.ModuleList([Block(8, 6, 8, up=True), Block(6, 4, 8, up=True)])
        self.output = nn.Conv2d(4, 1, 1)

    def forward(self, x, timestep):
        t = self.time_mlp(timestep)
        x = self.conv0(x)
        residual_inputs = []
        for down in self.downs:
            x = down(x, t)
            residual_inputs.append(x)
        for up in self.ups:
            x = torch.cat((x, residual_inputs.pop()), dim=1)
            x = up(x, t)
        return self.output(x)


class EMA:
    def __init__(self, model, beta):
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.beta = beta

    def update(self, current):
        for ma, p in zip(self.model.parameters(), current.parameters()):
            ma.data = ma.data * self.beta + (1 - self.beta) * p.data


def get_index_from_list(vals, t, x_shape):
    out = vals.gather(-1, t.cpu())
    return out.reshape(t.shape[0], *((1,) * (len(x_shape) - 1))).to(t.device)


T = 20
betas = torch.linspace(0.0001, 0.02, T)
alphas = 1.0 - betas
alphas_cumprod = torch.cumprod(alphas, axis=0)
alphas_cumprod_prev = F.pad(alphas_cumprod[:-1], (1, 0), value=1.0)
posterior_variance = betas * (1.0 - alphas_cumprod_prev) / (1.0 - alphas_cumprod)


def main(start, step):
    rng = np.random.default_rng(0)
    model = SimpleUnet()
    start(model)
    ema = EMA(model, 0.9)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    for _ in range(4):
        x_0 = torch.from_numpy(rng.uniform(-1, 1, (4, 1, 8, 8)).astype("f4"))
        t = torch.from_numpy(rng.integers(0, T, (4,))).long()
        noise = torch.from_numpy(rng.normal(size=(4, 1, 8, 8)).astype("f4"))
        mean = get_index_from_list(torch.sqrt(alphas_cumprod), t, x_0.shape) * x_0
        x_t = mean + get_index_from_list(torch.sqrt(1 - alphas_cumprod), t, x_0.shape) * noise
        optimizer.zero_grad()
        loss = F.l1_loss(noise, model(x_t, t))
        loss.backward()
        optimizer.step()
        ema.update(model)
        step(loss)
    step.note(list(ema.model.state_dict().values()))

    @torch.no_grad()
    def sample_timestep(x, t, noise):
        beta_t = get_index_from_list(betas, t, x.shape)
        root = torch.sqrt(1.0 - get_index_from_list(alphas_cumprod, t, x.shape))
        recip = get_index_from_list(torch.sqrt(1.0 / alphas), t, x.shape)
        model_mean = recip * (x - beta_t * ema.model(x, t) / root)
        if t == 0:
            return model_mean
        return model_mean + torch.sqrt(get_index_from_list(posterior_variance, t, x.shape)) * noise

    img = torch.from_numpy(rng.normal(size=(1, 1, 8, 8)).astype("f4"))
    for i in range(5)[::-1]:
        t = torch.full((1,), i, dtype=torch.long)
        noise = torch.from_numpy(rng.normal(size=(1, 1, 8, 8)).astype("f4"))
        img = torch.clamp(sample_timestep(img, t, noise), -1.0, 1.0)
    step.note(img)
