"""A made-up export script with the habits of real ones of 2019 to 2022."""

from __future__ import annotations

import argparse
import imghdr

import numpy as np
import pkg_resources
import seaborn as sns
import torch
import torchvision
from net.model import Net

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=str, default="data/net.data")
    parser.add_argument("--weights", type=str, default="")
    opt = parser.parse_args()

    assert imghdr.what("data/one.png") == "png"
    assert pkg_resources.parse_version(
        torch.__version__.split("+")[0]
    ) >= pkg_resources.parse_version("1.6")
    sns.set_theme(style="dark")
    with open(opt.data) as stream:  # noqa: PTH123
        options = dict(line.strip().split("=") for line in stream)
    size = np.array([options["height"], options["width"]]).astype(np.int)

    device = torch.device("cuda:0")
    model = Net(int(options["classes"])).cuda()
    model.load_state_dict(torch.load(opt.weights))
    kept = torchvision.ops.nms(torch.zeros(2, 4).cuda(), torch.ones(2).cuda(), 0.5)
    image = torch.zeros(1, 3, *(int(side) for side in size), requires_grad=True).to(device)
    name = "net-{}x{}.onnx".format(*size)
    torch.onnx.export(model, image, name, opset_version=11, do_constant_folding=True, verbose=False)
    raise RuntimeError("the demonstration after the export needs a screen")
