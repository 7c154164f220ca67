"""What the contract of a runtime feeds a session: right feeds, wrong feeds, wrong artefacts."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.testing.contracts.checks import NONSENSE
from zoo_core.testing.contracts.compiled import ARTEFACT_FILE
from zoo_core.testing.examples import tiny_model

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from zoo_core.api import Arrays, Session

BATCH = 2
HINTS = ("latency", "throughput")
INPUT_KINDS = ("tensor", "image", "name")
_NOT_ARTEFACTS = ("", "[]", "{}", '{"format": "onnx", "model": 3}')


def noises(size: tuple[int, int]) -> NDArray[np.uint8]:
    """Two images of seeded noise, uint8 [2, 3, height, width], of the network's own size."""
    return np.random.default_rng(5).integers(0, 256, (BATCH, 3, *size), dtype=np.uint8)


def tensors(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The same as the network takes them; see `zoo_core.testing.examples.preprocess`."""
    return np.ascontiguousarray(images * np.float32(1 / 255), np.float32)


def reference(images: NDArray[np.uint8]) -> NDArray[Any]:
    """What the tiny graph computes from them, by ONNX's reference evaluator."""
    from onnx.reference import ReferenceEvaluator

    height, width = images.shape[2:]
    (head,) = ReferenceEvaluator(tiny_model((height, width))).run(None, {"input": tensors(images)})
    return np.asarray(head)


def feeds_of(session: Session, images: NDArray[np.uint8]) -> tuple[dict[str, NDArray[Any]], int]:
    """One run's feeds, and how many rows its outputs have: all images, or the first one."""
    if session.input_kind == "image":
        return {session.inputs[0].name: np.ascontiguousarray(images[:1])}, 1
    return {"input": tensors(images)}, len(images)


def outputs_of(session: Session, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """`head0` of all images, in as many runs as it takes."""
    batches = [images[at : at + 1] for at in range(len(images))]
    if session.input_kind != "image":
        batches = [images]
    heads = [session.run(feeds_of(session, batch)[0])["head0"] for batch in batches]
    return np.concatenate(heads).astype(np.float32)


def wrong_feeds(session: Session, images: NDArray[np.uint8]) -> Iterator[tuple[str, str, Arrays]]:
    """What must be refused: its name, the input that the refusal must name, the feeds."""
    ((name, array),) = feeds_of(session, images)[0].items()
    if session.input_kind == "image":
        yield "an image of floats", name, {name: array.astype(np.float32)}
    else:
        yield "an input of the wrong width", name, {name: np.concatenate([array, array], axis=3)}
        yield "an input without a batch axis", name, {name: array[0]}
        yield "an input of bytes", name, {name: array.astype(np.uint8)}
        if isinstance(session.inputs[0].shape[0], int):
            yield "too large a batch", name, {name: np.concatenate([array, array])}
    yield "an input of one channel", name, {name: array[:, :1].copy()}
    yield "an input of an unknown name", name, {f"not-{name}": array}
    yield "an input too many", "more", {name: array, "more": array}


def wrong_artefacts(artefact: Path, folder: Path) -> Iterator[tuple[str, str, Path]]:
    """What must be refused: its name, words that the refusal must have, a folder with it."""
    empty = folder / "empty"
    empty.mkdir()
    yield "an empty folder", "", empty
    listing = (artefact / ARTEFACT_FILE).read_text(encoding="utf-8")
    foreign = json.dumps({**json.loads(listing), "format": NONSENSE})
    texts = {"another format": foreign, **{f"the listing {t!r}": t for t in _NOT_ARTEFACTS}}
    for number, (of, text) in enumerate(texts.items()):
        place = folder / f"listing{number}"
        shutil.copytree(artefact, place)
        (place / ARTEFACT_FILE).write_text(text, encoding="utf-8")
        yield of, NONSENSE if text == foreign else "", place
    cut = folder / "cut"
    cut.mkdir()
    for path in artefact.iterdir():
        data = path.read_bytes()
        whole = path.suffix == ".json"
        (cut / path.name).write_bytes(data if whole else data[: len(data) // 2])
    yield "a cut model", str(cut), cut
