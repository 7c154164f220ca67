"""The README.md and the licences of a package."""

from __future__ import annotations

import shutil
from importlib import metadata
from typing import TYPE_CHECKING, Any

from zoo_core.errors import counted
from zoo_core.vision.agreement import PIXELS, SCORE, SURE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from zoo_core.api import PackageRequest

_CORE = "zoo-core"
_PATTERNS = ("LICENSE*", "LICENCE*", "COPYING*")

_README = """# {title}

Made by `zoo package` from a run of zoo; it needs no zoo. {figures}

| file | what |
| --- | --- |
| `model.py` | preprocessing, engine, decoder and post-processing by the protocol, in one file |
| `artefact/` | the network as {backend} runs it |
| `golden/` | {cases}: the tensor that goes in and what came out{images} |
| `verify.py` | runs the golden inputs here and compares |
| `report/` | the run's report and manifest: figures, protocol, digests, versions |
| `licences/` | whose network and code this is |
| `package.json` | digests of all files |

```bash
python -m venv venv
venv/bin/pip install -r requirements.txt
venv/bin/python verify.py
venv/bin/python model.py IMAGE...
```

`verify.py` prints a line for each golden input and exits with 0 if all agree, 1 if one differs, 2
if it cannot compare. Detections agree if each of a score of {sure} or more is found again with its
label, within {pixels:g} pixel and {score:g} of the score; other results if all numbers are within
{score:g}.
{engine_note}
OpenCV is needed only for image files: `model.predict_tensor` takes tensors without it.

Input: {steps}.
Protocol: {protocol}.
{warning}"""

_INT8 = """
An int8 network may round otherwise on another kind of processor; how far, `verify.py` shows.
"""

_COPIES = """
`golden/images/` holds copies of images of the data set, and `golden/` their tensors. Whether you
may pass them on is a matter of their licences, which zoo does not know; `zoo package --no-images`
leaves the images out, not the tensors.
"""


def readme(request: PackageRequest, cases: int, copied: int) -> str:
    """The text of README.md; `copied` of the `cases` golden inputs have their image with them."""
    values = ", ".join(f"{name} {value}" for name, value in request.protocol.items())
    return _README.format(
        title=title(request),
        figures=_figures(request.report),
        backend=request.target["backend"],
        cases=counted(cases, "input"),
        images=f", and {copied} of the images" if copied else "",
        sure=SURE,
        pixels=PIXELS,
        score=SCORE,
        engine_note=_INT8 if request.target["precision"] == "int8" else "",
        steps=", ".join(map(_step, request.preprocess)),
        protocol=values,
        warning=_COPIES if copied else "",
    )


def title(request: PackageRequest) -> str:
    """What is packed, in a few words."""
    report = request.report
    return f"{report['name'] or report['model']} {report['precision']} on {report['backend']}"


def _figures(report: Mapping[str, Any]) -> str:
    known = [(name, v) for name, v in (report.get("metrics") or {}).items() if v is not None]
    if not known:
        return "The run has no metrics."
    name, value = known[0]
    bounds = (report.get("intervals") or {}).get(name)
    interval = f", 95 % interval {bounds[0]:.4f} to {bounds[1]:.4f}" if bounds else ""
    subset = report.get("subset")
    of = f" of {subset['of']}" if subset else ""
    images = f"{report['images']}{of} images of {report['dataset']}"
    return f"The run has {name} {value:.4f} on {images}{interval}."


def _step(step: Mapping[str, Any]) -> str:
    rest = " ".join(f"{key} {value}" for key, value in step.items() if key != "op")
    return f"{step['op']} {rest}".strip()


def licences(folder: Path, request: PackageRequest) -> None:
    """Leave README.md, zoo's licence, and what licences lie beside the user's weights."""
    folder.mkdir()
    card, kind = request.card, request.report["assets"]["weights"]
    source = card.repository
    given = "given by you, not known to zoo; the card's: " if kind == "given" else ""
    rows = [
        (f"network, after {source.url} {source.commit or ''}", source.license or "not stated"),
        (f"weights ({kind})", f"{given}{card.license}"),
        ("model.py and verify.py, from zoo", _licence(_CORE)),
    ]
    places = sorted({path.parent for path in request.weights})
    found = [path for place in places for pattern in _PATTERNS for path in place.glob(pattern)]
    for number, path in enumerate(sorted(path for path in found if path.is_file())):
        name = f"weights-{number or ''}{path.name}"
        shutil.copyfile(path, folder / name)
        rows.append((f"found beside the weights: {path.name}", name))
    if text := _text(_CORE):
        (folder / "zoo-LICENSE").write_text(text, encoding="utf-8")
    table = "".join(f"| {what} | {licence} |\n" for what, licence in rows)
    head = "# Licences\n\nAs the card of the model states them: read them at the source before you "
    text = f"{head}pass this on.\n\n| part | licence |\n| --- | --- |\n{table}"
    (folder / "README.md").write_text(text, encoding="utf-8")


def _licence(distribution: str) -> str:
    facts = metadata.metadata(distribution)
    names = [name for name in ("License-Expression", "License") if name in facts]
    return facts[names[0]] if names else "not stated"


def _text(distribution: str) -> str:
    found = metadata.distribution(distribution)
    return found.read_text("licenses/LICENSE") or found.read_text("LICENSE") or ""


def pinned(packages: Sequence[str]) -> list[str]:
    """Distribution==version of packages that are imported."""
    known = metadata.packages_distributions()
    names = {sorted(known.get(package, [package]))[0] for package in packages}
    return [f"{name}=={metadata.version(name)}" for name in sorted(names)]
