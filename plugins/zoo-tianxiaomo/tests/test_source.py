"""The source repository's own script, under the shim: a fake with its faults, and the real one."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from zoo_tianxiaomo.layout import Layout

from zoo_core.api import Graph, Repository
from zoo_core.errors import DataError, StageError, UsageError
from zoo_core.testing import model_card

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import ModuleType

    from torch import Tensor

    from zoo_core.api import ModelCard, Stage

    Plan = Callable[..., Sequence[Stage]]
    RunStage = Callable[..., Path]

COMMIT = "a65d219f9066bae4e12003bd7cdc04531860c672"
REAL = os.environ.get("ZOO_TEST_TIANXIAOMO_REPO")
needs_real = pytest.mark.skipif(
    not REAL, reason="ZOO_TEST_TIANXIAOMO_REPO names no clone of Tianxiaomo/pytorch-YOLOv4"
)
WEIGHTS = "thin.pth"

MODELS = """
from torch import nn

from tool.helpers import training_only
from zoo_tianxiaomo.network import EndToEnd, Yolov4 as Network


class Yolov4(nn.Module):
    def __init__(self, yolov4conv137weight=None, n_classes=80, inference=False):
        super().__init__()
        network = Network(n_classes, (4, 8, 8, 16, 16, 32))
        for name, child in network.named_children():
            self.add_module(name, child)
        self.inference = inference
        self.inner = [network]

    def forward(self, image):
        training_only(self.training)
        inner = self.inner[0].eval()
        if self.inference:
            return list(EndToEnd(inner, tuple(image.shape[2:]))(image))
        return list(inner(image))
"""

HELPERS = """
import imghdr


def training_only(training):
    if training:
        raise IndexError("index 1 is out of bounds for dimension 0 with size 1")
"""

SCRIPT = """
import sys

import torch

from models import Yolov4


def detect(session, image, namesfile):
    raise AssertionError("never called rightly")


if __name__ == "__main__":
    weights, image, batch, classes, height, width = sys.argv[1:]
    model = Yolov4(n_classes=int(classes), inference=True)
    model.load_state_dict(torch.load(weights, map_location=torch.device("cuda")))
    x = torch.randn((1, 3, int(height), int(width)), requires_grad=True)
    name = f"yolov4_{batch}_3_{height}_{width}_dynamic.onnx"
    axes = {n: {0: "batch_size"} for n in ("input", "boxes", "confs")}
    torch.onnx.export(model, x, name, export_params=True, opset_version=11,
                      do_constant_folding=True, input_names=["input"],
                      output_names=["boxes", "confs"], dynamic_axes=axes)
    print("Onnx model exporting done")
    FAULT
"""

NAMESFILE = "detect(None, image)"


@pytest.fixture
def fake(tmp_path: Path) -> Path:
    """A source tree with the original's faults: GPU only, training mode, imghdr, exit status 1."""
    return _write_fake(tmp_path / "pytorch-YOLOv4", NAMESFILE)


def _write_fake(folder: Path, fault: str) -> Path:
    (folder / "tool").mkdir(parents=True, exist_ok=True)
    (folder / "tool" / "__init__.py").write_text("")
    (folder / "tool" / "helpers.py").write_text(HELPERS)
    (folder / "models.py").write_text(MODELS)
    (folder / "demo_pytorch2onnx.py").write_text(SCRIPT.replace("FAULT", fault))
    return folder


def _card(url: str = "", commit: str | None = COMMIT, classes: int = 80) -> ModelCard:
    repository = Repository(name="Tianxiaomo/pytorch-YOLOv4", url=url, commit=commit)
    return model_card(repository=repository, labels=("thing",) * classes)


def _git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def _commit(folder: Path) -> str:
    _git(folder, "init", "--quiet", "--initial-branch=master")
    _git(folder, "add", "--all")
    _git(folder, "commit", "--quiet", "--message", "source")
    return _git(folder, "rev-parse", "HEAD")


def _outputs(path: Path, image: Any) -> dict[str, Any]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"input": image}), strict=True))


def _run_all(
    run_stage: RunStage, stages: Sequence[Stage], folder: Path, done: Mapping[str, Path]
) -> dict[str, Path]:
    """The folders of all stages by name."""
    folders = dict(done)
    for stage in stages:
        folders[stage.name] = run_stage(stage, folder / stage.name, folders)
    return folders


def _images(count: int, height: int = 64, width: int = 96) -> Any:
    return np.random.default_rng(5).random((count, 3, height, width), np.float32)


@pytest.mark.parametrize("case", [("heads", NAMESFILE, 0), ("e2e", "sys.exit(3)", 3)])
def test_a_script_with_the_originals_faults(
    plan: Plan, run_stage: RunStage, thin_pth: Path, tmp_path: Path, case: tuple[str, str, int]
) -> None:
    """Judged by its file; weights as published: another name for the neck, a common prefix."""
    form, fault, status = case
    fake = _write_fake(tmp_path / "fake", fault)
    state: Mapping[str, Tensor] = torch.load(thin_pth, weights_only=True)
    renamed = {f"module.{key}".replace("neck.", "neek."): value for key, value in state.items()}
    torch.save(renamed, tmp_path / WEIGHTS)
    *stages, verify = plan(_card(), file=WEIGHTS, source=str(fake), form=form)
    assert [stage.name for stage in stages] == ["checkpoint", "script", "export"]
    done = _run_all(run_stage, stages, tmp_path, {"weights": tmp_path})
    graph = Graph.from_data(json.loads((done["export"] / "graph.json").read_text()))
    layout = Layout(form=form, size=(64, 96), classes=80)
    assert (graph.inputs, graph.outputs, graph.form) == ((layout.input,), layout.outputs, form)
    found = _outputs(done["export"] / "model.onnx", _images(3))
    assert [len(values) for values in found.values()] == [3] * len(layout.outputs)
    assert graph.facts["opset"] == 17
    assert graph.facts["source"]["commit"] is None
    assert graph.facts["source"]["note"] == "not a git repository"
    log = (done["script"] / "log.txt").read_text()
    assert "Onnx model exporting done" in log
    assert ("namesfile" in log) == (status == 0)
    assert graph.facts["exit_status"] == status
    record = json.loads((run_stage(verify, tmp_path / "verify", done) / "verify.json").read_text())
    assert record["max_abs"] < 1e-4
    assert not list(fake.rglob("__pycache__"))


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_OFFLINE", "1")


@pytest.mark.parametrize(
    ("script", "what"),
    [
        ("raise RuntimeError('no luck today')", "its last line: RuntimeError: no luck today"),
        ("import sys; open(NAME, 'wb').write(b'\\x08\\x08rubbish')", "the ONNX file is not whole"),
        ("import time; time.sleep(60)", "took more than 2 s and was stopped"),
    ],
)
def test_scripts_that_fail(
    plan: Plan,
    run_stage: RunStage,
    fake: Path,
    thin_pth: Path,
    script: str,
    what: str,
) -> None:
    out = fake.parent / "export"
    name = "'yolov4_-1_3_64_96_dynamic.onnx'"
    (fake / "demo_pytorch2onnx.py").write_text(script.replace("NAME", name))
    checkpoint, command, *_ = plan(_card(), file=WEIGHTS, source=str(fake), form="e2e")
    done = {"weights": thin_pth.parent}
    done["checkpoint"] = run_stage(checkpoint, fake.parent / "checkpoint", done)
    if "sleep" in script:
        command = replace(command, params={**command.params, "time_limit": 2})
    with pytest.raises(StageError) as caught:
        run_stage(command, out, done)
    assert what in caught.value.what
    assert "\n" not in str(caught.value)
    assert not list(out.glob(".zoo-*"))


def test_bad_weights_never_reach_the_script(
    plan: Plan, run_stage: RunStage, fake: Path, tmp_path: Path
) -> None:
    (tmp_path / WEIGHTS).write_bytes(b"<html>quota</html>")
    (fake / "demo_pytorch2onnx.py").write_text("open('ran', 'w')")
    checkpoint, script, *_ = plan(_card(), file=WEIGHTS, source=str(fake))
    assert script.inputs == {"weights": "checkpoint/weights.pth"}
    with pytest.raises(DataError, match="an HTML page"):
        run_stage(checkpoint, tmp_path / "checkpoint", {"weights": tmp_path})


def test_the_repository_is_cloned_at_the_cards_commit(plan: Plan) -> None:
    stages = plan(_card("https://example.com/a", COMMIT), file=WEIGHTS, source="repo")
    names = [stage.name for stage in stages]
    assert names == ["checkpoint", "source", "script", "export", "verify"]
    assert stages[1].params == {"url": "https://example.com/a", "commit": COMMIT}


@pytest.mark.parametrize("commit", [None, "master", COMMIT[:12]])
def test_a_commit_that_is_not_pinned_is_refused(plan: Plan, commit: str | None) -> None:
    with pytest.raises(UsageError, match="is not pinned"):
        plan(_card("https://example.com/a", commit), file=WEIGHTS, source="repo")


def test_folders_that_are_refused(plan: Plan, tmp_path: Path) -> None:
    for source, what in {"nowhere": "no such folder", "": "holds no demo_pytorch2onnx.py"}.items():
        with pytest.raises(UsageError) as caught:
            plan(_card(), file=WEIGHTS, source=str(tmp_path / source))
        assert caught.value.what == what


@needs_real
def test_the_real_script_agrees_with_our_definition(
    plan: Plan, run_stage: RunStage, rule: ModuleType, tmp_path: Path
) -> None:
    """On the golden weights, named as in the published yolov4.pth: heads and boxes."""
    assert REAL is not None
    case = rule.CASES[0]
    image, golden = rule.golden_input(case), rule.golden_output(case)
    source = plan(_card(REAL), file="yolov4.pth", source="repo")[1]
    with TemporaryDirectory(prefix="zoo-source-") as name:
        done = {"weights": Path(name), "source": run_stage(source, Path(name, "source"))}
        state = {
            key.replace("neck.", "neek."): torch.from_numpy(value)
            for key, value in rule.golden_state().items()
        }
        torch.save(state, Path(name, "yolov4.pth"))
        del state
        for form, atol in (("heads", 1e-4), ("e2e", 2e-5)):
            stages = plan(_card(REAL), file="yolov4.pth", source="repo", form=form, size=(96, 96))
            rest = [stage for stage in stages[:-1] if stage.name != "source"]
            done |= _run_all(run_stage, rest, Path(name, form), done)
            found = _outputs(done["export"] / "model.onnx", image)
            for output, values in found.items():
                np.testing.assert_allclose(values, golden[output], atol=atol, rtol=2e-5)
            _check_file(done["export"] / "model.onnx")
            verified = run_stage(stages[-1], Path(name, f"verify-{form}"), done)
            assert json.loads((verified / "verify.json").read_text())["max_abs"] < 1e-4
            if form == "heads":
                builtin = plan(_card(), file="yolov4.pth", size=(96, 96))[0]
                ours = run_stage(builtin, Path(name, "builtin"), done)
                for output, values in _outputs(ours / "model.onnx", image).items():
                    np.testing.assert_allclose(values, found[output], atol=1e-4, rtol=0)


def _check_file(path: Path) -> None:
    model = onnx.load(path, load_external_data=False)
    onnx.checker.check_model(str(path), full_check=True)
    assert model.opset_import[0].version == 17
    for value in (*model.graph.input, *model.graph.output):
        first, *rest = value.type.tensor_type.shape.dim
        assert first.dim_param == "batch"
        assert all(dim.dim_value > 0 for dim in rest)
