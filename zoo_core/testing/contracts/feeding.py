"""What the contract of a runtime feeds a session, as the session wants it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.testing.given import tiny_model

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from zoo_core.api import Arrays, Session

BATCH = 2
HINTS = ("latency", "throughput")
INPUT_KINDS = ("tensor", "image", "name")


def noises(size: tuple[int, int]) -> NDArray[np.uint8]:
    """Two images of seeded noise, uint8 [2, 3, height, width], of the network's own size."""
    return np.random.default_rng(5).integers(0, 256, (BATCH, 3, *size), dtype=np.uint8)


def tensors(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The same as the network takes them; see `zoo_core.testing.given.preprocess`."""
    return np.ascontiguousarray(images * np.float32(1 / 255), np.float32)


def reference(images: NDArray[np.uint8]) -> NDArray[Any]:
    """What the tiny graph makes of them, by ONNX's reference evaluator."""
    from onnx.reference import ReferenceEvaluator

    height, width = images.shape[2:]
    (found,) = ReferenceEvaluator(tiny_model((height, width))).run(None, {"input": tensors(images)})
    return np.asarray(found)


def feeds_of(session: Session, images: NDArray[np.uint8]) -> tuple[dict[str, NDArray[Any]], int]:
    """One run's feeds, and how many rows its outputs have: all images, or the first one."""
    if session.input_kind == "image":
        return {session.inputs[0].name: np.ascontiguousarray(images[:1])}, 1
    return {"input": tensors(images)}, len(images)


def outputs_of(session: Session, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """`head0` of all images, in as many runs as it takes."""
    if session.input_kind != "image":
        return session.run({"input": tensors(images)})["head0"].astype(np.float32)
    single = [feeds_of(session, images[at : at + 1])[0] for at in range(len(images))]
    return np.concatenate([session.run(feeds)["head0"] for feeds in single]).astype(np.float32)


def wrong_feeds(session: Session, images: NDArray[np.uint8]) -> Iterator[tuple[str, Arrays]]:
    """What must be refused, each with its name."""
    right, _ = feeds_of(session, images)
    ((name, array),) = right.items()
    if session.input_kind == "image":
        yield "an image of floats", {name: array.astype(np.float32)}
    else:
        yield "an input of the wrong width", {name: np.concatenate([array, array], axis=3)}
    yield "an input of one channel", {name: array[:, :1].copy()}
    yield "an input of an unknown name", {f"not-{name}": array}
