"""What `zoo new` writes is small, in the house's style, and keeps every contract as it is."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from zoo_core.commands.new import KINDS, Naming, new_card, new_plugin
from zoo_core.commands.new.source_card import answered
from zoo_core.errors import DataError, UsageError
from zoo_core.plugins.manager import Plugins
from zoo_core.registry import load_registry

if TYPE_CHECKING:
    from zoo_core.testing.fixtures import Zoo

ROOT = Path(__file__).parents[2]
BUDGETS = {"exporter": 150, "backend": 250, "decoder": 150, "dataset": 150, "evaluator": 150}
_QUICK = "not planning and not probe and not listing and not refused and not run and not batch"
LONG = "a-name-of-24-letters-now"
FAMILIES = ("yolov4-tianxiaomo", "darknet-yolo")


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One new plugin of each kind, found by its entry point as if it were installed."""
    folder = tmp_path_factory.mktemp("new")
    folders = {}
    for kind in KINDS:
        naming = Naming.parse(f"fresh-{kind}")
        project = folder / naming.distribution
        new_plugin(kind, naming, project, Plugins())
        info = project / f"{naming.module}-0.1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {naming.distribution}\n"
                                       "Version: 0.1.0\n")  # fmt: skip
        (info / "entry_points.txt").write_text(f"[zoo]\n{naming.name} = {naming.module}\n")
        folders[kind] = project
    return folders


def surroundings(projects: dict[str, Path], home: Path) -> dict[str, str]:
    path = os.pathsep.join([*map(str, projects.values()), str(ROOT)])
    return {**os.environ, "PYTHONPATH": path, "ZOO_HOME": str(home), "OMP_NUM_THREADS": "1"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_plugin_is_within_its_budget(projects: dict[str, Path], kind: str) -> None:
    (package,) = projects[kind].glob("zoo_*/__init__.py")
    texts = [path.read_text(encoding="utf-8") for path in package.parent.glob("**/*.py")]
    assert 20 < sum(text.count("\n") for text in texts) <= BUDGETS[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_plugin_is_whole(projects: dict[str, Path], kind: str) -> None:
    project = projects[kind]
    table = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    module = f"zoo_fresh_{kind}"
    assert table["project"]["entry-points"]["zoo"] == {f"fresh-{kind}": module}
    assert table["project"]["description"]
    assert f"zoo plugins test fresh-{kind}" in (project / "README.md").read_text(encoding="utf-8")
    assert (project / module / "py.typed").exists()
    for path in (path for path in project.rglob("*") if path.is_file()):
        text = path.read_text(encoding="utf-8")
        assert "{{" not in text
        assert "__module__" not in str(path)


@pytest.mark.parametrize("name", ["x1", LONG])
def test_new_plugins_are_linted_and_formatted_whatever_their_name(
    tmp_path: Path, name: str
) -> None:
    ruff = pytest.importorskip("ruff").__name__
    for kind in KINDS:
        new_plugin(kind, Naming.parse(name), tmp_path / kind, Plugins())
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", ruff, *command, "--no-cache", str(tmp_path)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_new_plugins_are_typed(projects: dict[str, Path], tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    files = [str(p) for project in projects.values() for p in project.rglob("*.py")]
    path = os.pathsep.join([*map(str, projects.values()), str(ROOT)])
    config = projects["backend"] / "pyproject.toml"
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", str(config), "--explicit-package-bases",
         "--namespace-packages", "--cache-dir", str(ROOT / ".mypy_cache"), *files],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": path},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


OPTIONAL = ("it does not match labels", "it does not say what it reads")
"""Why a check of a new plugin is skipped: it does not have that optional method."""


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_plugin_passes_zoo_plugins_test(
    projects: dict[str, Path], kind: str, tmp_path: Path
) -> None:
    if kind == "exporter":
        pytest.importorskip("torch")
    done = subprocess.run(
        [sys.executable, "-m", "zoo_core", "plugins", "test", f"fresh-{kind}"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=surroundings(projects, tmp_path / "home"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert "ok    plugin [TestPlugin]: it registers" in lines
    for part in KINDS[kind].providers:
        assert any(line.startswith(f"ok    {part} fresh-{kind} [Test") for line in lines)
    others = [line for line in lines if not line.startswith("ok ")]
    assert all(line.startswith("skip ") and line.endswith(OPTIONAL) for line in others), others


def test_the_tests_of_new_plugins_pass(projects: dict[str, Path], tmp_path: Path) -> None:
    """What the contracts do not hold; those run in the test above."""
    kinds = [kind for kind in KINDS if kind != "exporter" or importlib.util.find_spec("torch")]
    places = [str(projects[kind] / "tests") for kind in kinds]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", _QUICK,
         "-c", str(projects["backend"] / "pyproject.toml"), *places],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=surroundings(projects, tmp_path / "home"),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_a_new_family_can_be_shown_and_planned(projects: dict[str, Path], tmp_path: Path) -> None:
    """The commands of its README that change nothing."""
    readme = (projects["exporter"] / "README.md").read_text(encoding="utf-8")
    commands = [line.split() for line in readme.splitlines() if line.startswith("zoo ")]
    checks = [command[1:] for command in commands if command[1] in ("show", "plan")]
    assert len(checks) == 2
    for arguments in checks:
        done = subprocess.run(
            [sys.executable, "-m", "zoo_core", *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env={**surroundings(projects, tmp_path / "home"), "ZOO_OFFLINE": "1"},
        )
        assert done.returncode == 0, done.stderr
        assert "fresh-exporter" in done.stdout


def test_a_new_network_with_random_weights_finds_few_boxes(
    projects: dict[str, Path], tmp_path: Path
) -> None:
    """Of its 216,320 scores an image: as few as settle at once, and more than none."""
    pytest.importorskip("torch")
    import cv2
    import numpy as np

    (tmp_path / "images").mkdir()
    for number in range(2):
        image = np.random.default_rng(number).integers(0, 256, (13, 13, 3), np.uint8)
        cv2.imwrite(str(tmp_path / "images" / f"{number}.png"), image)
    done = subprocess.run(
        [sys.executable, "-m", "zoo_core", "predict", "fresh-exporter", "images",
         "--weights", "random:3", "-o", "out"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=surroundings(projects, tmp_path / "home"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (shard,) = (tmp_path / "home" / "store" / "entries").rglob("candidates.npz")
    with np.load(shard) as arrays:
        assert 200 < len(arrays["label.data"]) / 2 < 20_000


@pytest.mark.parametrize("family", FAMILIES)
def test_a_new_card_is_valid_at_once(
    zoo: Zoo, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = zoo("new", "model", "my-net", "--family", family)
    assert outcome.code == 0, outcome.stderr
    (path,) = outcome.stdout.splitlines()
    text = Path(path).read_text(encoding="utf-8")
    assert text.count("\n") <= 35
    assert path in outcome.stderr

    monkeypatch.setenv("ZOO_REGISTRY", path)
    output = zoo("show", "my-net", "--json")
    assert output.json["card"]["family"] == family
    findings = zoo("check", "--json").json["findings"]
    assert [
        row for row in findings if "my-net" in row["where"] and row["severity"] == "error"
    ] == []

    again = zoo("new", "model", "my-net", "--family", family)
    assert again.code == 2
    assert "already exists" in again.stderr


def test_a_card_with_its_figures_filled_in_is_valid_too(
    zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path,) = zoo("new", "model", "my-net", "--family", FAMILIES[0]).stdout.splitlines()
    text = Path(path).read_text(encoding="utf-8")
    Path(path).write_text(text.replace("    # ", "    "), encoding="utf-8")
    monkeypatch.setenv("ZOO_REGISTRY", path)
    (row,) = zoo("show", "my-net", "--json").json["card"]["published"]
    assert row["metrics"] == {"AP": 0.5}


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("decoder", "Mine"), 2, "invalid plugin name"),
        (("decoder", "my_net"), 2, "invalid plugin name"),
        (("decoder", "-x"), 2, "no such option"),
        (("decoder", "7net"), 2, "invalid plugin name"),
        (("decoder", "my--net"), 2, "invalid plugin name"),
        (("decoder", "class"), 2, "invalid plugin name"),
        (("decoder", "n" * 25), 2, "invalid plugin name"),
        (("decoder", "coco"), 2, "plugin 'coco' is already installed (zoo-coco)"),
        (("backend", "zoo-coco"), 2, "plugin 'coco' is already installed"),
        (("dataset", "coco-val2017"), 2, "zoo-coco already provides dataset 'coco-val2017'"),
        (("decodr", "mine"), 2, "did you mean 'decoder'?"),
        (("decoder", "mine", "--family", "x"), 2, "only a model has a family"),
        (("model", "mine"), 2, "a model needs a family"),
        (("model", "mine", "--family", "darknet-yol"), 2, "did you mean 'darknet-yolo'?"),
        (("model", "Mine/x", "--family", "darknet-yolo"), 2, "invalid model name"),
        (("model", "yolov4-tianxiaomo", "--family", "darknet-yolo"), 2, "already exists"),
    ],
)
def test_what_is_refused(zoo: Zoo, arguments: tuple[str, ...], code: int, says: str) -> None:
    outcome = zoo("new", *arguments)
    assert outcome.code == code
    assert says.lower() in outcome.stderr.lower()
    assert outcome.stdout == ""
    assert not list(Path().glob("*mine*"))


def test_nothing_is_overwritten(zoo: Zoo) -> None:
    assert zoo("new", "decoder", "mine").code == 0
    before = {path: path.read_bytes() for path in Path("zoo-mine").rglob("*.py")}
    outcome = zoo("new", "evaluator", "mine")
    assert outcome.code == 2
    assert "not empty" in outcome.stderr
    assert {path: path.read_bytes() for path in Path("zoo-mine").rglob("*.py")} == before
    assert sorted(path.name for path in Path().iterdir()) == ["zoo-mine"]


def test_the_output_may_be_named(zoo: Zoo) -> None:
    outcome = zoo("new", "decoder", "zoo-mine", "--output", "deep/er")
    files = outcome.stdout.splitlines()
    assert "deep/er/zoo_mine/decoder.py" in files
    assert all(Path(file).is_file() for file in files)
    assert "pip install -e 'deep/er[testing]'" in outcome.stderr
    assert [path.name for path in Path("deep").iterdir()] == ["er"]


def test_an_empty_folder_is_filled(zoo: Zoo) -> None:
    outcome = zoo("new", "decoder", "mine", "--output", ".")
    assert outcome.code == 0, outcome.stderr
    names = ["README.md", "pyproject.toml", "tests", "zoo_mine"]
    assert sorted(path.name for path in Path().iterdir()) == names
    assert not list(Path().absolute().parent.glob(".zoo-*"))


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(
        DataError, match=r"cannot be written: .*; name another folder with --output"
    ):
        new_plugin("decoder", Naming.parse("mine"), tmp_path / "file" / "inside", Plugins())
    registry = load_registry()
    with pytest.raises(
        DataError, match=r"cannot be written: .*; name another folder with --output"
    ):
        new_card("mine", FAMILIES[0], tmp_path / "file" / "x", registry, Plugins())


def test_a_card_of_a_family_whose_exporter_is_not_installed(tmp_path: Path) -> None:
    card = new_card("mine", FAMILIES[0], tmp_path, load_registry(), Plugins())
    assert "format: darknet" in card.files[0].read_text(encoding="utf-8")
    with pytest.raises(UsageError, match="a model needs a family"):
        new_card("other", None, tmp_path, load_registry(), Plugins())


def test_the_schema_of_plugins_holds_for_new_ones(
    projects: dict[str, Path], tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "zoo_core", "plugins", "--json"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env=surroundings(projects, tmp_path / "home"),
    )
    rows = {row["name"]: row for row in json.loads(done.stdout)["plugins"]}
    for kind, spec in KINDS.items():
        row = rows[f"fresh-{kind}"]
        assert row["failure"] is None
        assert row["providers"] == {
            part: [f"fresh-{kind}"] for part in sorted(spec.providers, key=ORDER)
        }


ORDER = ["exporter", "compiler", "runtime", "decoder", "evaluator", "dataset", "backend"].index


ANSWERS = {
    "commit": "0123456789" * 4,
    "run": "python export.py --weights {weights} --output {output}",
    "requirements": "torch==2.13.0, numpy==2.4.1",
    "weights": "weights/net.pth",
    "size": "352,320",
    "decoder": "yolox",
}
URL = "https://example.com/owner/net.git"


def _answers(**changes: str) -> list[str]:
    given = {**ANSWERS, **changes}
    return [word for key, value in given.items() for word in ("--answer", f"{key}={value}")]


@pytest.mark.parametrize(
    ("weights", "stated"),
    [
        ("weights/net.pth", {"path": "weights/net.pth"}),
        ("https://example.com/a.pt", {"name": "a.pt", "by_hand": "https://example.com/a.pt"}),
        ("ask the author", {"name": "weights.pth", "by_hand": "ask the author"}),
        (
            "./given.pth",
            {
                "name": "given.pth",
                "by_hand": "the file given.pth",
                "size": 5,
                "sha256": "5b729e0f619797fd61108a4bb177273222ad9ac5538299c8386f061e29046e60",
            },
        ),
        ("", None),
    ],
)
def test_a_card_of_a_source_repository(
    zoo: Zoo, monkeypatch: pytest.MonkeyPatch, weights: str, stated: dict[str, str] | None
) -> None:
    Path("given.pth").write_text("given")
    given = _answers(weights=weights, stubs="seaborn")
    outcome = zoo("new", "model", "my-net", "--source-repo", URL, *given)
    assert outcome.code == 0, outcome.stderr
    text = Path("my-net.yaml").read_text(encoding="utf-8")
    assert text.count("\n") <= 40
    document = yaml.safe_load(text)["models"]["my-net"]
    assert document["source"]["name"] == "owner/net"
    assert document["labels"] == "coco80"
    assert document["exporter_params"]["requirements"] == ["torch==2.13.0", "numpy==2.4.1"]
    options = document.get("weights", [])
    assert [option["files"]["weights"] for option in options] == ([stated] if stated else [])

    monkeypatch.setenv("ZOO_REGISTRY", "my-net.yaml")
    assert zoo("check", "my-net").code == 0
    Path("w.pth").touch()
    planned = zoo("export", "my-net", "--weights", "w.pth", "--source", "nowhere")
    assert "no such folder" in planned.stderr
    again = zoo("new", "model", "my-net", "--source-repo", URL, *given)
    assert "already exists" in again.stderr


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"commit": "main"}, "owner/net is not pinned"),
        ({"requirements": "torch"}, "must be NAME==VERSION"),
        ({"requirements": "'torch"}, "cannot be split into words"),
        ({"run": "python x {weight}"}, "no placeholder '{weight}'"),
        ({"shims": "no-such"}, "no shim 'no-such'"),
        ({"decoder": "no-such"}, "no card has a decoder 'no-such'"),
        ({"size": "352"}, "--answer size=: invalid size '352'"),
        ({"weights": "./none.pth"}, "--answer weights=./none.pth: no such file"),
        ({"weights": "../net.pth"}, "must be a path inside the source repository"),
        ({"colour": "red"}, "is no KEY=VALUE that is asked"),
    ],
)
def test_answers_that_are_refused(zoo: Zoo, changes: dict[str, str], what: str) -> None:
    outcome = zoo("new", "model", "my-net", "--source-repo", URL, *_answers(**changes))
    assert outcome.code == 2
    assert what in outcome.stderr
    assert not list(Path().glob("*my-net*"))


def test_questions_that_nobody_answers(zoo: Zoo) -> None:
    outcome = zoo("new", "model", "my-net", "--source-repo", URL, "--answer", "run=x")
    assert "not answered: commit, requirements, decoder" in outcome.stderr
    other = zoo("new", "decoder", "my-net", "--source-repo", URL)
    assert "belongs to a new model without --family" in other.stderr


def test_questions_on_a_terminal() -> None:
    asked: list[str] = []

    def ask(question: str, default: str) -> str:
        asked.append(question)
        return default or "typed"

    answers = answered(["commit=abc"], ask)
    assert answers["commit"] == "abc"
    assert (answers["run"], answers["size"]) == ("typed", "640,640")
    assert len(asked) == len(answers) - 1
