"""The worker alone: what it may import, and that an old Python can read it."""

from __future__ import annotations

import ast
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import zoo_vastai.stream
from zoo_vastai.stream import wire

SDK = Path(__file__).with_name("stream_sdk")
PYTHON = os.environ.get("ZOO_TEST_SDK_PYTHON", sys.executable)
WORKER = Path(zoo_vastai.stream.__file__).with_name("worker.py")
SOURCE = WORKER.read_text(encoding="utf-8")
NEEDED = {"numpy", "vaststreamx"}
LATER_THAN_38 = {"removeprefix", "removesuffix", "with_stem", "cache", "TypeAlias", "pairwise"}


def test_an_old_python_reads_it() -> None:
    tree = ast.parse(SOURCE, feature_version=(3, 8))
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not names & LATER_THAN_38
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Match)]
    keywords = {
        word.arg for node in ast.walk(tree) if isinstance(node, ast.Call) for word in node.keywords
    }
    assert "strict" not in keywords
    unions = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr)
    ]
    annotated = [
        inner
        for node in ast.walk(tree)
        for place in ("annotation", "returns")
        if getattr(node, place, None) is not None
        for inner in ast.walk(getattr(node, place))
    ]
    assert all(union in annotated for union in unions)


def test_it_needs_numpy_and_the_sdk_alone() -> None:
    tree = ast.parse(SOURCE)
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            found.add(str(node.module).partition(".")[0])
    assert found - set(sys.stdlib_module_names) == {"numpy"}
    assert 'import_module("vaststreamx")' in SOURCE


def talk(messages: bytes, env: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
    argv = [PYTHON, "-W", "error", str(WORKER)]
    return subprocess.run(
        argv, input=messages, capture_output=True, env=env, timeout=30, check=False
    )


def test_a_whole_talk_over_pipes(tmp_path: Path) -> None:
    """What the SDK prints stays out of the answers; float16 comes as such."""
    for name in ("mod.json", "vdsp.json"):
        (tmp_path / name).write_text("{}", encoding="utf-8")
    order = {
        "kind": "open",
        "prefix": str(tmp_path / "mod"),
        "vdsp": str(tmp_path / "vdsp.json"),
        "batch": 1,
        "dies": [0],
        "queue": 2,
    }
    image = np.full((3, 4, 6), 5, np.uint8)
    messages = wire.packed(order)
    for number in (3, 8):
        header = {"kind": "image", "id": number, "shape": list(image.shape)}
        messages += wire.packed(header, image.nbytes) + image.tobytes()
    messages += wire.packed({"kind": "close"})
    done = talk(messages, {**os.environ, "PYTHONPATH": str(SDK)})
    assert done.returncode == 0, done.stderr.decode()
    assert b"the SDK greets on stdout" in done.stderr
    answers = io.BytesIO(done.stdout)
    first = wire.receive(answers)
    assert first == ({"kind": "ready"}, b"")
    for number in (3, 8):
        message = wire.receive(answers)
        assert message is not None
        header, payload = message
        assert (header["kind"], header["id"]) == ("result", number)
        assert [spec["dtype"] for spec in header["arrays"]] == ["<f2", "<f2", "<f2"]
        ids, _, boxes = wire.arrays(header["arrays"], payload)
        assert (ids.dtype, float(ids[0, 0, 0])) == (np.float32, 5)
        assert boxes[0, 0].tolist() == [0, 0, 6, 4]
    assert wire.receive(answers) is None


def test_it_ends_with_its_parent() -> None:
    """The end of stdin is the end of the parent, at any time."""
    assert talk(b"", dict(os.environ)).returncode == 0
    assert talk(wire.packed({"kind": "open"})[:7], dict(os.environ)).returncode == 0


def test_without_the_sdk_it_says_so() -> None:
    done = talk(wire.packed({"kind": "open", "dies": [0]}), dict(os.environ))
    assert done.returncode == 1
    message = wire.receive(io.BytesIO(done.stdout))
    assert message is not None
    header = message[0]
    assert (header["kind"], header["reason"], header["fatal"]) == ("error", "import", True)
    assert json.dumps(header["what"]).startswith('"vaststreamx cannot be imported')
