from __future__ import annotations

import importlib.util
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
import torch
from zoo_onnx.exporter import OnnxExporter
from zoo_source_repo.exporter import SourceRepoExporter
from zoo_tianxiaomo.exporter import TianxiaomoExporter
from zoo_tianxiaomo.params import NetworkSpec
from zoo_tianxiaomo.weights import load_network

from zoo_core.api import ExportRequest, ModelCard, StageContext
from zoo_core.testing import model_card

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import ModuleType

    from torch import Tensor

    from zoo_core.api import Exporter, Stage

    Plan = Callable[..., Sequence[Stage]]
    RunStage = Callable[..., Path]

THIN = (4, 8, 8, 16, 16, 32)


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Networks this small only wait for further threads."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def rule() -> ModuleType:
    """The module beside this one that rebuilds the golden weights and inputs."""
    path = Path(__file__).with_name("golden_rule.py")
    spec = importlib.util.spec_from_file_location("tianxiaomo_golden_rule", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def run_stage() -> RunStage:
    """Runs a stage's function as the executor does; `done` holds earlier folders by stage."""

    def run(stage: Stage, out: Path, done: Mapping[str, Path] | None = None) -> Path:
        module, _, function = stage.run.partition(":")
        out.mkdir(parents=True)
        log = out / "log.txt"
        context = StageContext(
            inputs={arg: _place(ref, done or {}) for arg, ref in stage.inputs.items()},
            params=stage.params,
            locations=stage.locations,
            out=out,
            log=log,
            resume_dir=out.with_suffix(".resume_dir"),
            progress=lambda _done, _total, _note="": None,
            plugins=cast("Any", None),
            sessions=cast("Any", None),
        )
        getattr(import_module(module), function)(context)
        assert {path.name for path in out.iterdir()} - {"log.txt"} == set(stage.outputs)
        return out

    return run


def _place(reference: str, done: Mapping[str, Path]) -> Path:
    name, _, file = reference.partition("/")
    return done[name] / file


def _others(name: str) -> Exporter:
    known: dict[str, Exporter] = {"source-repo": SourceRepoExporter(), "onnx": OnnxExporter()}
    return known[name]


@pytest.fixture(scope="session")
def plan() -> Plan:
    """The stages of an export; `file` names the weights that stage `weights` has left."""

    def make(
        card: ModelCard | None = None,
        *,
        weights: str = "given",
        file: str | None = None,
        source: str = "builtin",
        form: str = "heads",
        size: tuple[int, int] = (64, 96),
        classes: int = 80,
    ) -> Sequence[Stage]:
        exporter = TianxiaomoExporter()
        request = ExportRequest(
            weights=weights if file else "random",
            format=exporter.suffixes[Path(file).suffix] if file else "",
            files={"weights": f"weights/{file}"} if file else {},
            seed=3,
            size=size,
            classes=classes,
            source=source,
            form=form,
            others=_others,
        )
        return exporter.stages(card or model_card(labels=("thing",) * classes), request)

    return make


@pytest.fixture(scope="session")
def thin_state() -> dict[str, Tensor]:
    """The state dict of a thin network of 80 classes with sane values."""
    spec = NetworkSpec(format="random", classes=80, widths=THIN, seed=11)
    return {key: value.clone() for key, value in load_network(spec, None).state_dict().items()}


@pytest.fixture(scope="session")
def thin_pth(thin_state: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That state dict as a file; do not write to it."""
    path = tmp_path_factory.mktemp("thin") / "thin.pth"
    torch.save(thin_state, path)
    return path
