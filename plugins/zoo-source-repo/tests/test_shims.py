"""Each shim in a process of its own, as a repository's script meets it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import onnx
import psutil
import pytest
from zoo_source_repo.params import SHIMS

from .conftest import INSIDE

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Inside

NET = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1)

    def forward(self, image):
        assert not self.training and not torch.is_grad_enabled()
        y = self.conv(image)
        return {"a": y, "b": [y + 1]}
"""


def test_the_runner_imports_nothing_of_zoo_and_knows_all_shims() -> None:
    code = (
        "import runpy, sys; sys.path.insert(0, sys.argv[1])\n"
        "found = runpy.run_path(sys.argv[1] + '/__main__.py', run_name='zoo_inside')\n"
        "import module_shims, torch_shims, vision_shims\n"
        "print(*found['SHIMS']); print(*sys.modules)"
    )
    command = [sys.executable, "-c", code, str(INSIDE)]
    done = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    assert done[0].split() == list(SHIMS)
    heavy = ("zoo_core", "zoo_source", "torch", "numpy")
    assert not [name for name in done[1].split() if name.split(".")[0] in heavy]


@pytest.mark.parametrize(
    "command",
    [
        ["python", "tools/show.py", "one", "two words"],
        ["python3", "-m", "tools.show", "one", "two words"],
        ["python", "-c", "from tools import show; show.main()", "one", "two words"],
    ],
)
def test_commands(inside: Inside, tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "__init__.py").touch()
    (tmp_path / "tools" / "beside.py").touch()
    (tmp_path / "tools" / "show.py").write_text(
        "import sys\n"
        "import tools.beside\n"
        "def main(): print(*sys.argv[1:], sep='|')\n"
        "if __name__ == '__main__': main()\n"
    )
    done = inside(command)
    assert done.stdout.splitlines() == ["one|two words"], done.stderr


def test_an_installed_script_and_one_that_is_not(inside: Inside) -> None:
    assert "zoo" in inside(["zoo", "--version"]).stdout
    done = inside(["no-such-program"])
    assert done.returncode == 1
    assert "no such script" in done.stderr
    assert "no such script" in inside(["python", "missing.py"]).stderr


def test_numpy_aliases(inside: Inside) -> None:
    code = "import numpy as np; print(np.zeros(2, np.int).dtype, np.float(1), np.Inf, np.bool)"
    done = inside(["python", "-c", code], ["numpy-aliases"])
    assert done.stdout.startswith("int64 1.0 inf "), done.stderr


def test_modules_that_are_gone(inside: Inside, tmp_path: Path) -> None:
    (tmp_path / "one.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    code = (
        "import sys\n"
        "import importlib.util as util\n"
        "import imghdr, pkg_resources as pkg\n"
        "print(imghdr.what('one.png'), imghdr.what(None, b'no image'))\n"
        "print(pkg.parse_version('1.10') > pkg.parse_version('1.9'))\n"
        "print(pkg.get_distribution('pip').version != '')\n"
        "try: pkg.get_distribution('no-such-thing')\n"
        "except pkg.DistributionNotFound: print('not found')\n"
    )
    done = inside(["python", "-c", code], ["imghdr", "pkg-resources"])
    assert done.stdout.split("\n")[:4] == ["png None", "True", "True", "not found"], done.stderr


def test_stubs_stand_for_what_training_needs(inside: Inside) -> None:
    code = (
        "import json, no_such_plots as plots, no_such_trainer.core.module as core\n"
        "from no_such_trainer import Trainer, only_on_rank_zero\n"
        "class Task(core.Module):\n"
        "    pass\n"
        "@only_on_rank_zero\n"
        "def told(): return 'kept'\n"
        "plots.rc('font', size=3); plots.style.use('x')\n"
        "with plots.figure() as figure: pass\n"
        "print(told(), json.dumps(1), Trainer(gpus=1).fit(3) is not None)\n"
        "print(list(plots.axes), bool(plots.x))\n"
    )
    done = inside(["python", "-c", code], stubs=["no_such_plots", "no_such_trainer", "json"])
    assert done.stdout == "kept 1 True\n[] False\n", done.stderr
    assert "zoo: no_such_plots is a stand-in" in done.stderr
    assert inside(["python", "-c", "import no_such_plots"]).returncode == 1


def test_a_seed_makes_weights_repeatable(inside: Inside) -> None:
    pytest.importorskip("torch")
    code = "import random, numpy, torch; print(random.random(), numpy.random.rand(), torch.rand(1))"
    first, again, other = (inside(["python", "-c", code], seed=s).stdout for s in (1, 1, 2))
    assert first == again != other


def test_torch_load(inside: Inside, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.save({"w": torch.ones(2)}, tmp_path / "state.pth")
    torch.save(torch.nn.Conv2d(1, 1, 1), tmp_path / "whole.pth")
    state = "import torch; print(torch.load('state.pth', 'cuda', weights_only=False)['w'].device)"
    whole = "import torch; print(type(torch.load('whole.pth', map_location='cuda:0')).__name__)"
    assert inside(["python", "-c", state], ["torch-load"]).stdout == "cpu\n"
    refused = inside(["python", "-c", whole], ["torch-load"])
    assert "Weights only load failed" in refused.stderr
    assert inside(["python", "-c", whole], ["torch-load-any"]).stdout == "Conv2d\n"


def test_torch_cpu(inside: Inside, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.save({"w": torch.ones(2)}, tmp_path / "state.pth")
    code = (
        "import torch\n"
        "from torch import nn\n"
        "device = torch.device('cuda', 0)\n"
        "model = nn.Conv2d(3, 4, 1).cuda().to(device).to('cuda:0')\n"
        "x = torch.zeros(1, 3, 8, 8, device='cuda').cuda().to(device)\n"
        "y = torch.cuda.FloatTensor(2).fill_(1)\n"
        "torch.cuda.synchronize(); torch.cuda.empty_cache()\n"
        "state = torch.load('state.pth', map_location='cuda:0')\n"
        "print(model(x).device, y.device, torch.cuda.is_available(), state['w'].device)\n"
        "print(torch.arange(3, device=device).device, torch.as_tensor([1], device='cuda').device)\n"
    )
    done = inside(["python", "-c", code], ["torch-cpu"])
    assert done.stdout == "cpu cpu False cpu\ncpu cpu\n", done.stderr


@pytest.mark.parametrize(
    ("shim", "options", "first", "names"),
    [
        ("onnx-export", "opset_version=11", [1, 1], None),
        ("dynamic-batch", "", ["batch", "batch"], ["output0", "output1"]),
        ("dynamic-batch", "output_names=['boxes', 'scores']", ["batch"] * 2, ["boxes", "scores"]),
        (
            "dynamic-batch",
            "input_names=['image'], output_names=['p', 'q'], "
            "dynamic_axes={'image': [2], 'q': {2: 'h'}}",
            ["batch"] * 2,
            ["p", "q"],
        ),
    ],
)
def test_onnx_export(
    inside: Inside, tmp_path: Path, shim: str, options: str, first: list[Any], names: Any
) -> None:
    pytest.importorskip("torch")
    (tmp_path / "net.py").write_text(NET)
    code = (
        "import torch, net\n"
        "x = torch.zeros(1, 3, 8, 8, requires_grad=True)\n"
        f"torch.onnx.export(net.Net().train(), x, 'net.onnx', {options})\n"
    )
    done = inside(["python", "-c", code], [shim], opset=13)
    assert done.returncode == 0, done.stderr
    model = onnx.load(tmp_path / "net.onnx")
    outputs = model.graph.output
    axes = [output.type.tensor_type.shape.dim[0] for output in outputs]
    assert [axis.dim_param or axis.dim_value for axis in axes] == first
    assert names is None or [output.name for output in outputs] == names
    assert model.opset_import[0].version == 13
    assert model.producer_name == "pytorch"


def test_a_stand_in_for_torchvision(inside: Inside) -> None:
    pytest.importorskip("torch")
    code = (
        "import sys, torch, torchvision\n"
        "import torchvision.transforms as T\n"
        "from torchvision.models import resnet50\n"
        "from torchvision.ops import box_convert, clip_boxes_to_image, batched_nms, box_iou, nms\n"
        "b = torch.tensor([[0., 0, 10, 10], [1, 1, 11, 11], [50, 50, 60, 60]])\n"
        "s = torch.tensor([.5, .9, .1])\n"
        "print(nms(b, s, .5).tolist(), nms(b[:0], s[:0], .5).tolist())\n"
        "print(batched_nms(b, s, torch.tensor([0, 1, 1]), .5).tolist())\n"
        "print(round(box_iou(b, b)[0, 1].item(), 4))\n"
        "print(box_convert(box_convert(b, 'xyxy', 'cxcywh'), 'cxcywh', 'xywh')[1].tolist())\n"
        "print(box_convert(b, 'xywh', 'xyxy')[1].tolist())\n"
        "print(clip_boxes_to_image(b, (5, 55))[2].tolist())\n"
        "try: resnet50()\n"
        "except NotImplementedError as error: print(error)\n"
        "try: T.ToTensor()\n"
        "except NotImplementedError as error: print(error)\n"
        "from importlib import metadata\n"
        "print(T.InterpolationMode.BILINEAR, metadata.version('torchvision'))\n"
    )
    # Whether or not torchvision is installed here: the stand-in is asked for itself.
    begin = (
        f"import sys; sys.path.insert(0, {str(INSIDE)!r})\n"
        "import importlib.util as util; find = util.find_spec\n"
        "util.find_spec = lambda n, *a: None if n == 'torchvision' else find(n, *a)\n"
        "import vision_shims; vision_shims.provide_torchvision(17)\n"
    )
    done = inside(["python", "-c", begin + code])
    assert done.stdout.splitlines() == [
        "[1, 2] []",
        "[1, 0, 2]",
        "0.6807",
        "[1.0, 1.0, 10.0, 10.0]",
        "[1.0, 1.0, 12.0, 12.0]",
        "[50.0, 5.0, 55.0, 5.0]",
        "torchvision.models.resnet50: zoo's stand-in has it by name only",
        "torchvision.transforms.ToTensor: zoo's stand-in has it by name only",
        "BILINEAR 0.0.0",
    ], done.stderr


@pytest.mark.parametrize("apart", [True, False])
@pytest.mark.parametrize("session", [True, False])
def test_a_command_ends_with_zoo(tmp_path: Path, apart: bool, session: bool) -> None:
    """The process that started it is killed: it and its children end, whatever their session."""
    mark = f"sleeper-{os.getpid()}-{apart}-{session}"
    (tmp_path / "sleep.py").write_text(
        "import subprocess, sys, time\n"
        f"code = 'import time; time.sleep(600)  # {mark}'\n"
        f"subprocess.Popen([sys.executable, '-c', code], start_new_session={session})\n"
        "open('started', 'w').close()\n"
        f"exec(code)  # {mark}\n"
    )
    job = '{"command": ["python", "sleep.py"], "shims": [], "stubs": [], "opset": 17, "seed": null}'
    (tmp_path / "job.json").write_text(job)
    code = (
        "import sys; from pathlib import Path\n"
        "from zoo_core.toolkit.foreign import Limits, process\n"
        "inside, folder = sys.argv[1:]\n"
        f"process.namespaces = process.namespaces if {apart} else tuple\n"
        "process.run_program([sys.executable, inside, folder + '/job.json'], Path(folder), {},\n"
        "                    Path(folder, 'log.txt'), Limits(seconds=60, name='x'))\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(INSIDE), str(tmp_path)])
    _wait_for((tmp_path / "started").exists)
    _wait_for(lambda: _found(mark))
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    _wait_for(lambda: not _found(mark) and not _found(str(tmp_path / "job.json")))


def _found(mark: str) -> list[int]:
    """The processes whose last word ends with the mark."""
    words = {
        each.pid: (each.info["cmdline"] or [""])[-1] for each in psutil.process_iter(["cmdline"])
    }
    return [pid for pid, word in words.items() if word.endswith(mark)]


def _wait_for(holds: Any, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)
