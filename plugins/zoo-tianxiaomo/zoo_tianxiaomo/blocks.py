"""The building blocks of YOLOv4's backbone, named as Tianxiaomo/pytorch-YOLOv4 names its keys."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Mish(nn.Module):
    """Mish (Misra 2019), written out so that it exports as Softplus, Tanh and Mul."""

    def forward(self, x: Tensor) -> Tensor:
        """Map any tensor element by element to x tanh(softplus(x))."""
        return x * torch.tanh(functional.softplus(x))


class ConvUnit(nn.Module):
    """A convolution with `same` padding, batch normalisation and an activation."""

    def __init__(
        self, channels: tuple[int, int], kernel: int, stride: int = 1, *, mish: bool = False
    ) -> None:
        """Make the unit for (in, out) channels; LeakyReLU with slope 0.1 unless `mish`."""
        super().__init__()
        inputs, outputs = channels
        conv = nn.Conv2d(inputs, outputs, kernel, stride, (kernel - 1) // 2, bias=False)
        activation: nn.Module = Mish() if mish else nn.LeakyReLU(0.1, inplace=True)
        self.conv = nn.ModuleList([conv, nn.BatchNorm2d(outputs), activation])

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, in, H, W] to [B, out, H/stride, W/stride]."""
        for layer in self.conv:
            x = layer(x)
        return x


class OutputConv(nn.Module):
    """The 1x1 convolution with bias that ends a head."""

    def __init__(self, inputs: int, outputs: int) -> None:
        """Make the layer, with the key names `conv.0.weight` and `conv.0.bias`."""
        super().__init__()
        self.conv = nn.ModuleList([nn.Conv2d(inputs, outputs, 1)])

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, inputs, H, W] to [B, outputs, H, W]."""
        result: Tensor = self.conv[0](x)
        return result


class ResidualUnits(nn.Module):
    """Residual units of a 1x1 and a 3x3 convolution, with no activation after the sum."""

    def __init__(self, channels: int, count: int) -> None:
        """Make `count` units that keep `channels` channels."""
        super().__init__()
        self.module_list = nn.ModuleList(
            nn.ModuleList(ConvUnit((channels, channels), k, mish=True) for k in (1, 3))
            for _ in range(count)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, H, W] to the same shape."""
        for unit in self.module_list:
            assert isinstance(unit, nn.ModuleList)
            x = x + unit[1](unit[0](x))
        return x


class FirstStage(nn.Module):
    """The stem and the first cross-stage block, whose branches keep all channels."""

    def __init__(self, narrow: int, wide: int) -> None:
        """Make the stage from 3 input channels to `wide` channels at stride 2."""
        super().__init__()
        self.conv1 = ConvUnit((3, narrow), 3, mish=True)
        self.conv2 = ConvUnit((narrow, wide), 3, 2, mish=True)
        self.conv3 = ConvUnit((wide, wide), 1, mish=True)
        self.conv4 = ConvUnit((wide, wide), 1, mish=True)
        self.conv5 = ConvUnit((wide, narrow), 1, mish=True)
        self.conv6 = ConvUnit((narrow, wide), 3, mish=True)
        self.conv7 = ConvUnit((wide, wide), 1, mish=True)
        self.conv8 = ConvUnit((2 * wide, wide), 1, mish=True)

    def forward(self, image: Tensor) -> Tensor:
        """Map [B, 3, H, W] to [B, wide, H/2, W/2]."""
        x = self.conv2(self.conv1(image))
        split = self.conv3(x)
        main = self.conv4(x)
        main = self.conv6(self.conv5(main)) + main
        result: Tensor = self.conv8(torch.cat([self.conv7(main), split], 1))
        return result


class Stage(nn.Module):
    """A cross-stage block that halves the resolution; each branch has half of the channels."""

    def __init__(self, inputs: int, outputs: int, units: int) -> None:
        """Make the stage from `inputs` to `outputs` channels with `units` residual units."""
        super().__init__()
        half = outputs // 2
        self.conv1 = ConvUnit((inputs, outputs), 3, 2, mish=True)
        self.conv2 = ConvUnit((outputs, half), 1, mish=True)
        self.conv3 = ConvUnit((outputs, half), 1, mish=True)
        self.resblock = ResidualUnits(half, units)
        self.conv4 = ConvUnit((half, half), 1, mish=True)
        self.conv5 = ConvUnit((2 * half, outputs), 1, mish=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, inputs, H, W] to [B, outputs, H/2, W/2]."""
        x = self.conv1(x)
        split = self.conv2(x)
        main = self.conv4(self.resblock(self.conv3(x)))
        result: Tensor = self.conv5(torch.cat([main, split], 1))
        return result
