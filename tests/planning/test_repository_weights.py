"""Weights that are a file of the card's source repository."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from zoo_core.api import ModelCard, Repository, Source, Stage, WeightsOption
from zoo_core.errors import DataError, RegistryError, UsageError
from zoo_core.pipeline.durations import Durations
from zoo_core.pipeline.plan import make_plan
from zoo_core.pipeline.store import Store
from zoo_core.planning.preview import preview
from zoo_core.planning.weights import first_ready, missing_weights, published_weights
from zoo_core.registry.cards import _source
from zoo_core.registry.reader import Reader
from zoo_core.system.hashing import file_digest
from zoo_core.testing import model_card, run_stages

if TYPE_CHECKING:
    from pathlib import Path

COMMIT = "0123456789" * 4


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "net"
    (folder / "weights").mkdir(parents=True)
    (folder / "weights" / "net.pth").write_bytes(b"trained")
    for words in ("init -q", "add -A", "-c user.name=t -c user.email=t@x commit -qm a"):
        subprocess.run(["git", *words.split()], cwd=folder, check=True)
    return folder


def head(folder: Path) -> str:
    command = ["git", "rev-parse", "HEAD"]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout[
        :40
    ]


def card(url: str, commit: str | None, **file: Any) -> ModelCard:
    source = Source(**{"name": "net.pth", "path": "weights/net.pth", **file})
    return replace(
        model_card(repository=Repository(name="owner/net", url=url, commit=commit)),
        weights=(WeightsOption(format="torch", files={"weights": source}),),
    )


def test_they_come_out_of_the_clone(zoo_home: Path, repository: Path, tmp_path: Path) -> None:
    good = file_digest(repository / "weights" / "net.pth")
    (weights,) = published_weights(card(f"file://{repository}", head(repository), sha256=good))
    assert weights.kind == "published"
    assert [stage.name for stage in weights.stages()] == ["source", "weights"]
    done = run_stages(weights.stages(), tmp_path / "run")
    assert (done["weights"] / "net.pth").read_bytes() == b"trained"

    (other,) = published_weights(card(f"file://{repository}", head(repository), sha256="0" * 64))
    with pytest.raises(DataError, match="has sha256"):
        run_stages(other.stages(), tmp_path / "run")
    (gone,) = published_weights(card(f"file://{repository}", head(repository), path="no.pth"))
    with pytest.raises(DataError, match="no such file"):
        run_stages(gone.stages(), tmp_path / "run")


def test_a_checkout_has_them(zoo_home: Path, repository: Path, tmp_path: Path) -> None:
    good = file_digest(repository / "weights" / "net.pth")
    known = card("https://example.com/net", COMMIT, sha256=good)
    (weights,) = published_weights(known, str(repository))
    assert (weights.kind, [stage.name for stage in weights.stages()]) == ("published", ["weights"])
    assert (run_stages(weights.stages(), tmp_path / "run")["weights"] / "net.pth").is_file()
    (other,) = published_weights(card("https://example.com/net", COMMIT), str(repository))
    assert other.kind == "given"
    with pytest.raises(DataError, match="no such file in the checkout"):
        published_weights(known, str(tmp_path))


def test_what_they_need_the_network_for(zoo_home: Path) -> None:
    def ready(url: str, *cached: str) -> bool:
        options = published_weights(card(url, COMMIT))

        def is_cached(stages: list[Stage]) -> bool:
            return all(stage.name in cached for stage in stages)

        found = first_ready(options, is_cached, lambda _url: False)  # type: ignore[arg-type]
        return found is not None

    assert not ready("https://example.com/net")
    assert ready("https://example.com/net", "source")
    assert ready("file:///somewhere")
    told = missing_weights(card("https://example.com/net", COMMIT))
    assert told == (
        "no network, and the published weights of contract-model are not in the cache",
        "run `zoo fetch contract-model` with network access, or give --weights FILE, "
        "or give a checkout of owner/net with --source DIR",
    )


@pytest.mark.parametrize("commit", [None, "main", COMMIT[:12]])
def test_a_repository_without_a_full_commit(zoo_home: Path, commit: str | None) -> None:
    with pytest.raises(UsageError, match="owner/net is not pinned: the card states"):
        published_weights(card("https://example.com/net", commit))


@pytest.mark.parametrize("path", ["/etc/x", "../x", "a/../../x", "a\\b", "a\0b"])
def test_a_path_stays_in_the_repository(path: str) -> None:
    with pytest.raises(RegistryError, match="must be a path inside the source repository"):
        _source(Reader({"path": path}, "card"))
    assert _source(Reader({"path": "a/b.pth"}, "card")).name == "b.pth"
    with pytest.raises(RegistryError, match="exactly one of"):
        _source(Reader({"path": "a", "by_hand": "b", "name": "c"}, "card"))


def test_what_a_person_should_know_before_a_stage_runs(tmp_path: Path) -> None:
    stage = Stage(name="script", run="zoo_core.pipeline.stages.source:clone", notice="note: code")
    store, durations = Store(tmp_path / "store"), Durations(tmp_path / "journal.jsonl")
    plan = make_plan([stage])
    assert preview(plan, store, durations, explain=False).notices == ["note: code"]
    store.commit(plan.stages[0].key, store.work(plan.stages[0].key, "script"), (), {})
    assert preview(plan, store, durations, explain=False).notices == []
    assert make_plan([replace(stage, notice="")]).stages[0].key == plan.stages[0].key
