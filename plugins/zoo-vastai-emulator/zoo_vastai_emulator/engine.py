"""What the emulated vamp drives: the emulated vaststreamx, one image after the other."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_vastai_emulator.refusal import RefusedError
from zoo_vastai_emulator.site import vaststreamx as vsx

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BASE_MB = 780.0
_TRIALS = 4


class Engine:
    """A model with its preprocessing on the first of the dies."""

    def __init__(self, prefix: str, vdsp: str, batch: int, devices: tuple[int, ...]) -> None:
        for device in reversed(devices):
            if vsx.set_device(device) != 0:
                raise RefusedError(f"set_device({device}) failed")
        self._device = devices[0]
        self._model = vsx.Model(prefix, batch)
        operators = vsx.Operator.load_ops_from_json_file(vdsp)
        if not operators:
            raise RefusedError(f"{vdsp} is not a vdsp file with OpType and OpConfig")
        self._operator = operators[0]
        graph, output = vsx.Graph(), vsx.ModelOperator(self._model)
        graph.add_operators(self._operator, output)
        self._stream = vsx.Stream(graph)
        self._stream.register_operator_output(output)
        self._stream.build()
        self._prefix = prefix
        self._seconds: list[float] = []

    @property
    def model_us(self) -> int:
        """Median time of an image so far, in microseconds."""
        return max(round(median(self._seconds) * 1e6), 1)

    @property
    def memory_mb(self) -> float:
        """What a die would hold, as a round guess from the weights."""
        return _BASE_MB + Path(self._prefix + ".params").stat().st_size / 1e6

    def header(self) -> list[str]:
        """The lines that vamp starts with."""
        model = self._model
        lines = [f"[max_batch_size_]: {model.max_batch_size}"]
        lines.append(f"[input_count]: {model.input_count}")
        for index, shape in enumerate(model.input_shape):
            lines.append(f"input[{index}]: [{','.join(map(str, shape[1:]))}], dtype:u1")
        lines.append(f"[output_count]: {model.output_count}")
        for index, shape in enumerate(model.output_shape):
            lines.append(f"output[{index}]: [{','.join(map(str, shape))}], dtype:f2")
        return lines

    def warm(self, shape: tuple[int, ...] | None) -> None:
        """Time some images of noise, by default of the size that the vdsp file declares."""
        config, own = self._operator.attributes, self._model.input_shape[0]
        sides = (config.get("IimageHeight", own[2]), config.get("IimageWidth", own[3]))
        noise = np.random.default_rng(0).integers(0, 256, shape or (3, *sides), np.uint8)
        for _ in range(_TRIALS):
            self._run(noise)
        self._seconds = self._seconds[1:]

    def run_npz(self, path: Path) -> list[NDArray[np.float16]]:
        """Outputs of a stored image: `input_0`, uint8 [3, h, w], RGB."""
        try:
            with np.load(path) as stored:
                image = stored["input_0"]
        except (OSError, ValueError, KeyError) as error:
            raise RefusedError(f"{path} cannot be read as an npz with input_0: {error}") from error
        if image.ndim != 3 or image.dtype != np.uint8:
            raise RefusedError(f"{path}: input_0 is {image.dtype} {list(image.shape)}")
        return self._run(image)

    def _run(self, planes: NDArray[np.uint8]) -> list[Any]:
        image_format = self._operator.fused.format
        planar = image_format.name.endswith("PLANAR")
        array = np.ascontiguousarray(planes if planar else planes.transpose(1, 2, 0))
        height, width = planes.shape[1:]
        image = vsx.create_image(array, image_format, width, height, self._device)
        started = time.perf_counter()
        results = self._stream.run_sync([image])[0]
        self._seconds.append(time.perf_counter() - started)
        return [vsx.as_numpy(tensor) for tensor in results]
