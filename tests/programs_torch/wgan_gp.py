"""A Wasserstein GAN with gradient penalty: autograd.grad with create_graph through convolutions."""

import numpy as np
import torch
import torch.autograd as autograd
import torch.nn as nn
from torch.autograd import Variable


class Generator(nn.Module):
    def __init__(self):
        super().__init__()

        def block(in_feat, out_feat, normalize=True):
            layers = [nn.Linear(in_feat, out_feat, bias=not normalize)]
            if normalize:
                layers.append(nn.BatchNorm1d(out_feat, 0.8))
            layers.append(nn.LeakyReLU(0.2, inplace=True))
            return layers

        self.model = nn.Sequential(
            *block(5, 8, normalize=False), *block(8, 12), nn.Linear(12, 64), nn.Tanh()
        )

    def forward(self, z):
        img = self.model(z)
        return img.view(img.shape[0], *(1, 8, 8))


class Critic(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(1, 4, 3, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(4, 8, 3, stride=2, padding=1),
            nn.InstanceNorm2d(8, affine=True),
            nn.SiLU(),
        )
        self.fc = nn.Linear(32, 1)

    def forward(self, img):
        return self.fc(self.conv(img).flatten(1))


def compute_gradient_penalty(D, real_samples, fake_samples, alpha):
    interpolates = (alpha * real_samples + ((1 - alpha) * fake_samples)).requires_grad_(True)
    d_interpolates = D(interpolates)
    fake = Variable(torch.ones(real_samples.shape[0], 1), requires_grad=False)
    gradients = autograd.grad(
        outputs=d_interpolates,
        inputs=interpolates,
        grad_outputs=fake,
        create_graph=True,
        retain_graph=True,
        only_inputs=True,
    )[0]
    gradients = gradients.view(gradients.size(0), -1)
    return ((gradients.norm(2, dim=1) - 1) ** 2).mean()


def main(start, step):
    rng = np.random.default_rng(0)
    generator, critic = Generator(), Critic()
    start(generator)
    start(critic)
    optimizer_G = torch.optim.Adam(generator.parameters(), lr=0.002, betas=(0.5, 0.999))
    optimizer_D = torch.optim.RMSprop(critic.parameters(), lr=0.002)
    for i in range(4):
        real_imgs = Variable(torch.from_numpy(rng.normal(size=(6, 1, 8, 8)).astype("f4")))
        z = Variable(torch.Tensor(rng.normal(0, 1, (6, 5))))
        alpha = torch.Tensor(rng.random((6, 1, 1, 1)))
        optimizer_D.zero_grad()
        fake_imgs = generator(z)
        gradient_penalty = compute_gradient_penalty(critic, real_imgs.data, fake_imgs.data, alpha)
        d_loss = (
            -torch.mean(critic(real_imgs)) + torch.mean(critic(fake_imgs)) + 10 * gradient_penalty
        )
        d_loss.backward()
        optimizer_D.step()
        optimizer_G.zero_grad()
        if i % 2 == 0:
            g_loss = -torch.mean(critic(generator(z)))
            g_loss.backward()
            optimizer_G.step()
        step(d_loss, gradient_penalty)
