"""A U-Net for segmentation: skip connections, padding to fit, checkpoint, dice, accumulation."""

from functools import partial

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint


class DoubleConv(nn.Module):
    def __init__(self, in_channels, out_channels, mid_channels=None, norm=nn.BatchNorm2d):
        super().__init__()
        if not mid_channels:
            mid_channels = out_channels
        self.double_conv = nn.Sequential(
            nn.Conv2d(in_channels, mid_channels, kernel_size=3, padding=1, bias=False),
            norm(mid_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(mid_channels, out_channels, kernel_size=3, padding=1, bias=False),
            norm(out_channels),
            nn.ReLU(inplace=True),
        )

    def forward(self, x):
        return self.double_conv(x)


class Up(nn.Module):
    def __init__(self, in_channels, out_channels, bilinear):
        super().__init__()
        if bilinear:
            self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
            self.conv = DoubleConv(in_channels, out_channels, in_channels // 2)
        else:
            self.up = nn.ConvTranspose2d(in_channels, in_channels // 2, kernel_size=2, stride=2)
            self.conv = DoubleConv(in_channels, out_channels)

    def forward(self, x1, x2):
        x1 = self.up(x1)
        diffY = x2.size()[2] - x1.size()[2]
        diffX = x2.size()[3] - x1.size()[3]
        x1 = F.pad(x1, [diffX // 2, diffX - diffX // 2, diffY // 2, diffY - diffY // 2])
        return self.conv(torch.cat([x2, x1], dim=1))


class UNet(nn.Module):
    def __init__(self, n_classes):
        super().__init__()
        self.inc = DoubleConv(2, 4)
        groups = partial(nn.GroupNorm, 2)  # running statistics would count a checkpoint twice
        self.down1 = nn.Sequential(nn.MaxPool2d(2), DoubleConv(4, 8, norm=groups))
        self.down2 = nn.Sequential(nn.MaxPool2d(2), DoubleConv(8, 8, norm=groups))
        self.up1 = Up(16, 4, bilinear=True)
        self.up2 = Up(8, 4, bilinear=False)
        self.outc = nn.Conv2d(4, n_classes, kernel_size=1)
        self.widen = nn.Conv2d(4, 4, 1)

    def forward(self, x):
        x1 = self.inc(x)
        x2 = checkpoint(self.down1, x1, use_reentrant=False)
        x3 = checkpoint(self.down2, x2, use_reentrant=False)
        x = self.up1(x3, x2)
        x = self.up2(torch.cat([x, self.widen(x)], dim=1), x1)
        return self.outc(x)


def dice_loss(input, target):
    dims = (-1, -2)
    inter = 2 * (input * target).sum(dim=dims)
    sets_sum = input.sum(dim=dims) + target.sum(dim=dims)
    sets_sum = torch.where(sets_sum == 0, inter, sets_sum)
    return 1 - ((inter + 1e-6) / (sets_sum + 1e-6)).mean()


def main(start, step):
    rng = np.random.default_rng(0)
    model = UNet(3)
    start(model)
    optimizer = torch.optim.RMSprop(
        model.parameters(), lr=1e-3, weight_decay=1e-8, momentum=0.9, foreach=True
    )
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, "max", patience=0)
    grad_scaler = torch.amp.GradScaler("cpu", enabled=False)
    for i in range(4):
        images = torch.from_numpy(rng.normal(size=(2, 2, 9, 10)).astype("f4"))
        true_masks = torch.from_numpy(rng.integers(0, 3, (2, 9, 10)))
        masks_pred = model(images)
        loss = F.cross_entropy(masks_pred, true_masks, ignore_index=2)
        loss = loss + dice_loss(
            F.softmax(masks_pred, dim=1).float(),
            F.one_hot(true_masks, 3).permute(0, 3, 1, 2).float(),
        )
        grad_scaler.scale(loss / 2).backward()
        if i % 2 == 1:
            grad_scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            grad_scaler.step(optimizer)
            grad_scaler.update()
        step(loss)
        if i % 2 == 1:
            optimizer.zero_grad(set_to_none=True)
            scheduler.step(-loss.item())
    model.eval()
    with torch.no_grad():
        step.note(model(images).argmax(1))
    step.note(optimizer.param_groups[0]["lr"])
