"""One file out of definitions of several modules."""

from __future__ import annotations

import importlib
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from zoo_package.bundle import bundle
from zoo_package.modules import Definition, module_path, read_module

from zoo_core.errors import ZooError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HEAD = "from __future__ import annotations\n\n"
Modules = dict[str, str]


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Modules], str]]:
    """Makes a package `zoo_made` of these modules; returns its name."""

    def make(modules: Modules) -> str:
        folder = tmp_path / "zoo_made"
        folder.mkdir()
        for name, text in {"__init__": "", **modules}.items():
            (folder / f"{name}.py").write_text(HEAD + text)
        monkeypatch.syspath_prepend(str(tmp_path))
        return "zoo_made"

    yield make
    for name in [name for name in sys.modules if name.startswith("zoo_made")]:
        del sys.modules[name]
    read_module.cache_clear()
    module_path.cache_clear()
    importlib.invalidate_caches()


def run(text: str, expression: str) -> Any:
    """The value of an expression in a bundle, in a Python that has no other path."""
    code = f"{text}\nimport sys\nassert not [m for m in sys.modules if m.startswith('zoo')]"
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"{code}\nprint(repr({expression}))"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return eval(done.stdout)


def test_two_definitions_of_one_name_stay_apart(written: Callable[[Modules], str]) -> None:
    written(
        {
            "one": "from zoo_made.two import twice\n\n_STEP = 1\n\n\ndef _f(x: int) -> int:\n"
            "    return x + _STEP\n\n\ndef both(x: int) -> int:\n    return _f(x) + twice(x)\n",
            "two": "_STEP = 10\n\n\ndef _f(x: int) -> int:\n    return x * _STEP\n\n\n"
            "def twice(x: int) -> int:\n    return 2 * _f(x)\n\n\ndef unused() -> None: ...\n",
        }
    )
    done = bundle([Definition("zoo_made.one", "both")], {})

    assert run(done.text, f"{done.names[Definition('zoo_made.one', 'both')]}(3)") == 4 + 60
    assert "unused" not in done.text
    assert "zoo_made.one import" not in done.text
    assert "import zoo" not in done.text


def test_only_methods_that_are_called_are_taken(written: Callable[[Modules], str]) -> None:
    written(
        {
            "one": '''import json
from dataclasses import dataclass


class Base:
    def shared(self) -> int:
        return 5

    def never(self) -> str:
        return json.dumps(self)


class Thing(Base):
    """Kept."""

    kind = "thing"

    def run(self) -> int:
        return self._inner() + super().shared()

    def _inner(self) -> int:
        return Row(1).value

    def score(self) -> str:
        return json.dumps(self)


@dataclass
class Row:
    score: int

    @property
    def value(self) -> int:
        return self.score

    def text(self) -> str:
        return json.dumps(self.score)
''',
        }
    )
    thing = Definition("zoo_made.one", "Thing")
    done = bundle([thing], {thing: ["run"]})

    assert run(done.text, "Thing().run()") == 6
    assert done.packages == ()
    for gone in ("never", "def score", "def text", "import json"):
        assert gone not in done.text
    assert '"""Kept."""' in done.text


def test_imports_inside_functions_and_of_other_packages(written: Callable[[Modules], str]) -> None:
    written(
        {
            "one": "import numpy as np\n\n\ndef load(n: int) -> object:\n"
            "    from zoo_made.two import Made\n\n    return Made(np.arange(n).sum())\n",
            "two": "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n"
            "    from collections.abc import Sequence\n\n    from zoo_made.three import Other\n\n\n"
            "class Made:\n    def __init__(self, value: Sequence[Other]) -> None:\n"
            "        import math\n\n        self.value = math.floor(value)\n",
            "three": "class Other: ...\n",
        }
    )
    done = bundle([Definition("zoo_made.one", "load")], {})

    assert done.packages == ("numpy",)
    assert run(done.text, "vars(load(4))") == {"value": 6}
    assert "class Other" not in done.text
    assert "Other = Any" in done.text


def test_constants_come_before_what_uses_them(written: Callable[[Modules], str]) -> None:
    written(
        {
            "a_late": 'from zoo_made.z_early import TABLE\n\nBOTH = {**TABLE, "b": 2}\n"""All."""\n'
            "\n\ndef get(key: str = next(iter(BOTH))) -> int:\n    return BOTH[key]\n",
            "z_early": 'TABLE = {"a": 1}\n',
        }
    )
    done = bundle([Definition("zoo_made.a_late", "get")], {})

    assert run(done.text, "(get(), get('b'))") == (1, 2)
    assert '"""All."""' in done.text


def test_a_whole_module_is_refused(written: Callable[[Modules], str]) -> None:
    written(
        {
            "one": "from zoo_made import two\n\n\ndef f() -> int:\n    return two.X\n",
            "two": "X = 1\n",
        }
    )
    with pytest.raises(ZooError, match="is used as a whole") as caught:
        bundle([Definition("zoo_made.one", "f")], {})
    assert caught.value.where == "module zoo_made.two"


def test_a_module_without_source_is_refused() -> None:
    with pytest.raises(ZooError, match="has no source"):
        bundle([Definition("zoo_nowhere", "f")], {})
