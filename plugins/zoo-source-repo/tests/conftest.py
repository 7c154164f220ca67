from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import zoo_source_repo
from zoo_onnx.exporter import OnnxExporter
from zoo_source_repo.exporter import SourceRepoExporter

from zoo_core.api import ExportRequest, Repository
from zoo_core.planning.weights import local_weights
from zoo_core.testing import model_card

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zoo_core.api import Exporter, ModelCard, Stage

    Plan = Callable[..., Sequence[Stage]]
    Inside = Callable[..., subprocess.CompletedProcess[str]]

SIZE = (64, 96)
INSIDE = Path(zoo_source_repo.__file__).with_name("inside")
HABITS = Path(__file__).parent / "data" / "made-up-repository"


def _others(name: str) -> Exporter:
    assert name == "onnx"
    return OnnxExporter()


def git(folder: Path, *arguments: str) -> str:
    """What git says."""
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
    command = ["git", *identity, *arguments]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def committed(folder: Path) -> str:
    """The commit of a folder made a repository."""
    git(folder, "init", "--quiet", "--initial-branch=master")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "source")
    return git(folder, "rev-parse", "HEAD")


def card_of(place: Path | None, commit: str | None, /, **params: Any) -> ModelCard:
    """A card of a repository on this machine."""
    own = {"requirements": "installed", "run": "python export.py", **params}
    repository = Repository(name="owner/net", url=f"file://{place}", commit=commit)
    return model_card(exporter="source-repo", repository=repository, size=SIZE, exporter_params=own)


@pytest.fixture
def plan() -> Plan:
    """The stages of an export, with that of the weights."""

    def make(
        card: ModelCard, weights: Path | str = "random", source: str = "builtin", seed: int = 0
    ) -> Sequence[Stage]:
        exporter = SourceRepoExporter()
        given = isinstance(weights, Path)
        local = local_weights("given", "torch", {"weights": weights} if given else {})
        request = ExportRequest(
            weights="given" if given else "random",
            format="torch",
            files=local.references(),
            seed=seed,
            size=SIZE,
            classes=len(card.labels),
            source=source,
            form="heads",
            others=_others,
        )
        return [*local.stages(), *exporter.stages(card, request)]

    return make


@pytest.fixture
def inside(tmp_path: Path) -> Inside:
    """Runs a command as the stage does, in a process of its own."""

    def run(
        command: Sequence[str],
        shims: Sequence[str] = (),
        stubs: Sequence[str] = (),
        seed: int | None = None,
        opset: int = 17,
    ) -> subprocess.CompletedProcess[str]:
        names = {"shims": list(shims), "stubs": list(stubs)}
        job = {"command": list(command), "seed": seed, "opset": opset, **names}
        (tmp_path / "job.json").write_text(json.dumps(job))
        return subprocess.run(
            [sys.executable, str(INSIDE), str(tmp_path / "job.json")],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    return run
