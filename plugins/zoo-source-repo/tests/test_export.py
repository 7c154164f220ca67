"""From a made-up repository with the habits of real ones to a checked graph."""

from __future__ import annotations

import json
import shutil
import sys
from typing import TYPE_CHECKING, Any

import onnx
import pytest
from onnx import TensorProto, helper

from zoo_core.api import Graph
from zoo_core.errors import DataError, RegistryError, StageError, UsageError
from zoo_core.testing import run_stages

from .conftest import HABITS, card_of, committed

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Plan

PNG = b"\x89PNG\r\n\x1a\n"
SHIMS = ["imghdr", "pkg-resources", "numpy-aliases", "torchvision"]
TORCH = ["torch-load", "torch-cpu", "dynamic-batch"]
DATA = "classes={classes}\nheight={height}\nwidth={width}\n"
RANDOM = (
    "python -c 'import torch; from net.model import Net; "
    'torch.save(Net({classes}).state_dict(), "zoo-export/weights.pth")\''
)
HABIT = {
    "shims": [*SHIMS, *TORCH],
    "stubs": ["seaborn"],
    "files": {"data/zoo.data": DATA},
    "run": "python export.py --data data/zoo.data --weights {weights}",
    "random": RANDOM,
    "output": "net-*.onnx",
}
COPY = "import shutil; shutil.copyfile('made.onnx', r'{output}')"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The made-up repository, with a picture that its script looks at."""
    folder = tmp_path / "net"
    shutil.copytree(HABITS, folder)
    (folder / "data" / "one.png").write_bytes(PNG)
    return folder


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """A repository without torch: its script copies a finished file."""
    folder = tmp_path / "plain"
    folder.mkdir()
    write_model(folder / "made.onnx")
    script = "import shutil, sys\nshutil.copyfile('made.onnx', sys.argv[1])\n"
    (folder / "export.py").write_text(script)
    return folder


def write_model(path: Path, **options: Any) -> None:
    """A network of one node, any batch."""
    image, output = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 3, 64, 96])
        for name in ("image", "output")
    )
    weight = helper.make_tensor("weight", TensorProto.FLOAT, [1], [2.0])
    nodes = [helper.make_node("Mul", ["image", "weight"], ["output"])]
    graph = helper.make_graph(nodes, "net", [image], [output], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, path, **options)


def log_of(error: StageError, tmp_path: Path, run: str = "run") -> str:
    """The log that a failed stage left."""
    (path,) = (tmp_path / run / "store" / "failed").glob("script-*/log.txt")
    assert path.name in str(error)
    return path.read_text()


def test_a_repository_with_the_habits_of_real_ones(
    plan: Plan, repository: Path, tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    card = card_of(repository, committed(repository), **HABIT)
    stages = plan(card, seed=3)
    assert [stage.name for stage in stages] == ["source", "script", "export", "verify"]
    done = run_stages(stages, tmp_path / "run")
    graph = Graph.from_data(json.loads((done["export"] / "graph.json").read_text()))
    assert [spec.shape for spec in graph.outputs] == [("batch", 4, 32, 48), ("batch", 2, 32, 48)]
    assert graph.facts["opset"] == 17
    log = (done["script"] / "log.txt").read_text()
    assert "the script asks for opset 11, it gets 17" in log
    assert "needs a screen" in log
    facts = json.loads((done["script"] / "script.json").read_text())
    assert (facts["exit_status"], facts["source"]) == (1, dict(stages[0].params))
    assert not list(repository.rglob("__pycache__"))
    assert not list(repository.glob("*.onnx"))

    again = run_stages(plan(card, seed=3), tmp_path / "again")
    other = run_stages(plan(card, seed=4), tmp_path / "again")
    made = [(each["script"] / "model.onnx").read_bytes() for each in (done, again, other)]
    assert made[0] == made[1] != made[2]


def test_a_repository_that_needs_shims_fails_without(
    plan: Plan, repository: Path, tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    card = card_of(repository, committed(repository), **{**HABIT, "shims": SHIMS})
    with pytest.raises(StageError, match=r"its last line: .*(CUDA|NVIDIA)") as caught:
        run_stages(plan(card), tmp_path / "run")
    assert "Traceback" in log_of(caught.value, tmp_path)


def test_an_environment_of_its_own(
    plan: Plan, plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    code = "import sys; open('prefix', 'w').write(sys.prefix)"
    run = ["python export.py {output}", f'python -c "{code}; assert sys.prefix != sys.argv[1]" x']
    card = card_of(plain, committed(plain), requirements=[], run=run)
    stages = plan(card, tmp_path / "plain" / "made.onnx")
    assert [stage.name for stage in stages][1:4] == ["source", "environment", "script"]
    assert stages[3].notice.startswith("note: this runs code of owner/net at commit ")
    done = run_stages(stages, tmp_path / "run")
    record = json.loads((done["environment"] / "environment.json").read_text())
    assert record["packages"] == {}
    script = json.loads((done["script"] / "script.json").read_text())
    assert (script["exit_status"], script["environment"]) == (0, record)


def test_a_checkout_as_it_is(plan: Plan, plain: Path, tmp_path: Path) -> None:
    commit = committed(plain)
    card = card_of(None, commit, run="python export.py {output}")
    weights = plain / "made.onnx"
    stage = next(s for s in plan(card, weights, source=str(plain)) if s.name == "script")
    assert stage.params["source"]["commit"] == commit
    assert stage.notice.startswith(f"note: this runs code of {plain} here, ")
    assert run_stages(plan(card, weights, source=str(plain)), tmp_path / "run")["export"]

    (plain / "more.py").touch()
    changed = next(s for s in plan(card, weights, source=str(plain)) if s.name == "script")
    assert changed.params["source"]["tree"] != stage.params["source"]["tree"]
    other = card_of(None, "0" * 40, run="python export.py {output}")
    told = next(s for s in plan(other, weights, source=str(plain)) if s.name == "script").notice
    assert f"(at {commit[:12]}, the card names 000000000000)" in told


@pytest.mark.parametrize("commit", [None, "master", "0123456789ab"])
@pytest.mark.parametrize("source", ["builtin", "repo", "folder"])
def test_a_commit_that_is_not_pinned_is_refused(
    plan: Plan, plain: Path, commit: str | None, source: str
) -> None:
    source = str(plain) if source == "folder" else source
    with pytest.raises(UsageError, match="owner/net is not pinned"):
        plan(card_of(plain, commit), plain / "made.onnx", source=source)


def test_random_weights_without_a_command(plan: Plan, plain: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no command for random weights"):
        plan(card_of(plain, "0" * 40))
    card = card_of(plain, committed(plain), random="python -c 'print(\"nothing\")'")
    with pytest.raises(StageError, match="left none: nothing"):
        run_stages(plan(card), tmp_path / "run")


@pytest.mark.parametrize(
    ("script", "output", "what"),
    [
        ("", "{output}", "no ONNX file came out (zoo-export/model.onnx); exit status 0"),
        ("import sys; sys.exit('no luck')", "{output}", "exit status 1, its last line: no luck"),
        ("", "made.onnx", "no ONNX file came out (made.onnx)"),
        ("open('x.onnx', 'wb').write(b'\\x08\\x08rubbish')", "x.onnx", "is not whole"),
        ("open('x.onnx', 'wb'); raise SystemExit(1)", "x.onnx", "is empty"),
        ("[open(n, 'w') for n in ('1.onnx', '2.onnx')]", "[12].onnx", "2 files came out (1.onnx"),
        ("import os; os.symlink('made.onnx', 'x.onnx')", "x.onnx", "no ONNX file came out"),
        (
            "import time; time.sleep(60)",
            "{output}",
            "(the card's time_limit) took more than 3 s and was stopped",
        ),
        ("import os; os.kill(os.getpid(), 9)", "{output}", "exit status -9"),
        ("import shutil; shutil.rmtree('.', True)", "{output}", "no ONNX file came out"),
        ("import os, shutil; shutil.rmtree(os.getcwd())", "{output}", "removed the folder"),
    ],
)
def test_scripts_that_fail(
    plan: Plan, plain: Path, tmp_path: Path, script: str, output: str, what: str
) -> None:
    (plain / "export.py").write_text(script)
    card = card_of(plain, committed(plain), output=output, time_limit=3)
    with pytest.raises(StageError) as caught:
        run_stages(plan(card, plain / "made.onnx"), tmp_path / "run")
    assert what in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "run").rglob(".zoo-*"))


def test_all_modules_that_are_missing_are_named_at_once(
    plan: Plan, plain: Path, tmp_path: Path
) -> None:
    """Of the script and the modules that it imports, but not those that it does without."""
    texts = {
        "export.py": "import os\nos.chdir('/')\nimport json, no_a.b\nfrom net.inner import x, no\n",
        "net/__init__.py": "from . import inner\nif True:\n    from no_b import c\n",
        "net/inner/__init__.py": "from .. import deep\nfrom ..deep import y\nx = 1\n",
        "net/deep.py": (
            "try:\n    import no_no1\nexcept ImportError:\n    pass\n"
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import no_no2\n"
            "def f():\n    import no_no3\n"
            "import no_stub.inner\nimport no_c\ny = 2\n"
        ),
        "unused.py": "import no_no4\n",
    }
    for name, text in texts.items():
        (plain / name).parent.mkdir(parents=True, exist_ok=True)
        (plain / name).write_text(text)
    commit = committed(plain)
    runs = ("python export.py", "python -m export", "python -c 'import export'")
    for number, run in enumerate(runs):
        card = card_of(plain, commit, run=run, stubs=["no_stub"])
        with pytest.raises(StageError) as caught:
            run_stages(plan(card, plain / "made.onnx"), tmp_path / f"run{number}")
        assert "its last line: missing modules: no_a, no_b, no_c" in str(caught.value)
        assert "`requirements` of the card, or those that an export" in caught.value.next
        assert "Traceback" in log_of(caught.value, tmp_path, f"run{number}")


def test_values_beside_the_file_are_taken_in(plan: Plan, plain: Path, tmp_path: Path) -> None:
    write_model(plain / "x.onnx", save_as_external_data=True, size_threshold=0, location="x.data")
    (plain / "export.py").write_text("import os; os.rename('x.onnx', 'y.onnx')")
    card = card_of(plain, committed(plain), output="y.onnx")
    done = run_stages(plan(card, plain / "made.onnx"), tmp_path / "run")
    model = onnx.load(done["script"] / "model.onnx", load_external_data=False)
    assert model.graph.initializer[0].data_location == TensorProto.DEFAULT


def test_folder_files_and_variables(plan: Plan, plain: Path, tmp_path: Path) -> None:
    code = (
        "import os\n"
        "assert open('../a/net.yaml').read() == 'size: [64, 96] {keep} 2 17'\n"
        "assert os.environ['SIDE'] == '64' and os.getcwd().endswith('inner')\n"
        "os.rename('../made.onnx', os.environ['OUT'])\n"
    )
    card = card_of(
        plain,
        None,
        folder="inner",
        files={
            "a/net.yaml": "size: [{height}, {width}] {keep} {classes} {opset}",
            "inner/export.py": code,
        },
        environment={"SIDE": "{height}", "OUT": "{output}"},
    )
    commit = committed(plain)
    (plain / "inner").mkdir()
    card = card_of(plain, commit, **card.exporter_params)
    weights = plain / "made.onnx"
    assert run_stages(plan(card, weights, source=str(plain)), tmp_path / "run")["export"]


def test_links_of_a_checkout_that_lead_back_are_left_out(
    plan: Plan, plain: Path, tmp_path: Path
) -> None:
    card = card_of(plain, committed(plain), run="python export.py {output}")
    for name, other in (("a", "b"), ("b", "a")):
        (plain / name).mkdir()
        (plain / name / "there").symlink_to(f"../{other}")
        (plain / f"{name}-back").symlink_to(".")
    (plain / "itself").symlink_to("itself")
    made = plan(card, plain / "made.onnx", source=str(plain))
    assert run_stages(made, tmp_path / "run")["export"]


def test_a_file_in_place_of_zoos_own_folder_is_told(
    plan: Plan, plain: Path, tmp_path: Path
) -> None:
    (plain / "zoo-export").touch()
    card = card_of(plain, committed(plain))
    with pytest.raises(DataError, match=r"cannot be copied: .*zoo-export"):
        run_stages(plan(card, plain / "made.onnx"), tmp_path / "run")


def test_output_may_name_the_weights(plan: Plan, plain: Path, tmp_path: Path) -> None:
    (plain / "export.py").write_text(
        "import shutil, sys\nshutil.copyfile('made.onnx', sys.argv[1] + '.onnx')\n"
    )
    card = card_of(
        plain, committed(plain), run="python export.py {weights}", output="{weights}.onnx"
    )
    assert run_stages(plan(card, plain / "made.onnx"), tmp_path / "run")["export"]


@pytest.mark.parametrize(
    ("params", "what"),
    [
        ({"folder": "nowhere"}, "no such folder"),
        ({"folder": "export.py"}, "no such folder"),
        ({"files": {"export.py/x": ""}}, "cannot be written: "),
        ({"files": {"zoo-export": ""}}, "cannot be written: Is a directory"),
    ],
)
def test_what_does_not_fit_the_repository_is_named(
    plan: Plan, plain: Path, tmp_path: Path, params: Any, what: str
) -> None:
    card = card_of(plain, committed(plain), **params)
    with pytest.raises(StageError, match=what) as caught:
        run_stages(plan(card, plain / "made.onnx"), tmp_path / "run")
    assert "failed: " not in str(caught.value)


def test_a_source_that_cannot_be_had(plan: Plan, plain: Path, tmp_path: Path) -> None:
    card = card_of(plain, "0" * 40)
    with pytest.raises(DataError, match="git fetch"):
        run_stages(plan(card, plain / "made.onnx"), tmp_path / "run")


@pytest.mark.parametrize(
    ("params", "what"),
    [
        ({"runs": "x"}, "unknown 'runs'"),
        ({"run": None}, "key 'run' is missing"),
        ({"requirements": None}, "key 'requirements' is missing"),
        ({"run": 7}, "must be a command or a list of them"),
        ({"run": ""}, "is empty"),
        ({"run": "python 'x"}, "cannot be split"),
        ({"run": "python x {weight}"}, "no placeholder '{weight}'"),
        ({"shims": ["torch-laod"]}, "no shim 'torch-laod'"),
        ({"shims": "torch-load"}, "must be a list of names"),
        ({"stubs": [1]}, "must be a list of names"),
        ({"stubs": [".."]}, "'..' is no name of a module"),
        ({"stubs": ["a/b"]}, "'a/b' is no name of a module"),
        ({"stubs": [""]}, "'' is no name of a module"),
        ({"stubs": ["a."]}, "'a.' is no name of a module"),
        ({"run": "python"}, "'python' does not say what Python runs"),
        ({"run": "python3 -m"}, "'python3 -m' does not say what Python runs"),
        ({"run": ["python -c 'x'", "python -c"]}, "'python -c' does not say what Python runs"),
        ({"random": "python -m"}, "'python -m' does not say what Python runs"),
        ({"files": {"../x": ""}}, "no path inside the repository"),
        ({"files": {"x": 1}}, "must map names to texts"),
        ({"files": "x"}, "must be a mapping"),
        ({"environment": {"A": 1}}, "must map names to texts"),
        ({"folder": "/tmp"}, "no path inside the repository"),
        ({"folder": 1}, "no path inside the repository"),
        ({"output": "../x.onnx"}, "no path inside the repository"),
        ({"output": ""}, "no path inside the repository"),
        ({"output": "."}, "no path inside the repository"),
        ({"output": "**.onnx"}, "has ** inside a name"),
        ({"files": {".": ""}}, "no path inside the repository"),
        ({"files": {"a\0": ""}}, "has a null character"),
        ({"folder": "a\0"}, "has a null character"),
        ({"run": "python \0"}, "has a null character"),
        ({"run": []}, "is empty"),
        ({"environment": {"A=B": ""}}, "no name of a variable"),
        ({"environment": {"": "x"}}, "no name of a variable"),
        ({"opset": 7}, "must be a whole number from"),
        ({"time_limit": 0}, "must be seconds"),
        ({"time_limit": True}, "must be seconds"),
        ({"python": 3}, "must be a version in quotes"),
        ({"onnx": {"outputs": "x"}}, "'outputs' must be a list of names"),
        ({"onnx": []}, "must be a mapping"),
    ],
)
def test_cards_that_are_refused(plan: Plan, tmp_path: Path, params: Any, what: str) -> None:
    (tmp_path / "w.pth").touch()
    card = card_of(None, "0" * 40, **params)
    with pytest.raises(RegistryError) as caught:
        plan(card, tmp_path / "w.pth")
    assert what in str(caught.value)
    assert "contract-model" in str(caught.value.where)


def test_the_suffix_of_the_weights_stays(plan: Plan, plain: Path) -> None:
    for name, suffix in {"W.PT": ".pt", "w.ckpt": ".ckpt"}.items():
        path = plain / name
        path.touch()
        stages = plan(card_of(plain, "0" * 40), path)
        assert next(s for s in stages if s.name == "script").params["suffix"] == suffix
    assert sys.version_info >= (3, 11)
