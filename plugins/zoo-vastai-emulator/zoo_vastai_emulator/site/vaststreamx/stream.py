"""Graphs, and streams that run them in a thread of their own."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from .channel import Channel, ClosedError
from .constants import GraphOutputType, StreamBalanceMode
from .data import Image, Tensor
from .device import current_device
from .faults import Broken, ImageFaults, faults
from .operators import ModelOperator, Operator

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    Inputs = list[Image | list[Tensor]]
    Outputs = dict[int, list[list[Tensor]]]

DEPTH = 16
"""Submissions that wait, and results that wait for each output, before a stream blocks."""


class Graph:
    """Operators in the order of their running: a preprocessing one or none, and the model."""

    def __init__(
        self,
        output_type: GraphOutputType | bool = GraphOutputType.GRAPH_OUTPUT_TYPE_NCHW_DEVICE,
        do_copy: bool = True,
    ) -> None:
        if output_type is GraphOutputType.GRAPH_OUTPUT_TYPE_884_DEVICE:
            raise RuntimeError("tiled outputs (884) are not emulated")
        self.preprocess: Operator | None = None
        self.model: ModelOperator | None = None

    def add_operators(self, *operators: Operator | ModelOperator) -> None:
        """Append operators; raises RuntimeError for another order than preprocessing, model."""
        for operator in operators:
            if isinstance(operator, ModelOperator) and self.model is None:
                self.model = operator
            elif isinstance(operator, Operator) and self.preprocess is None and not self.model:
                self.preprocess = operator
            else:
                raise RuntimeError("emulated graphs are one preprocessing operator, then one model")

    def __contains__(self, operator: object) -> bool:
        return operator is not None and operator in (self.preprocess, self.model)


class Stream:
    """Runs a graph: inputs in, results out in the order of submission, both bounded."""

    def __init__(
        self, graph: Graph, balance_mode: StreamBalanceMode = StreamBalanceMode.ONCE
    ) -> None:
        current_device("Stream")
        if graph.model is None:
            raise RuntimeError("Stream: the graph has no model")
        self._graph, self._model = graph, graph.model.model
        self._operators: dict[Any, Any] = {}
        self._outputs: dict[Any, Channel] = {}
        self._inputs = Channel(DEPTH)
        self._faults = ImageFaults(faults())
        self._broken: Broken | None = None
        self._worker: threading.Thread | None = None

    def register_operator_output(self, *arguments: Any) -> None:
        """(operator), (name, operator) or (name, preprocessing operator, shapes); before build."""
        if self._worker is not None:
            raise RuntimeError("register_operator_output: the stream is built; register before")
        named = isinstance(arguments[0], str)
        operator = arguments[1] if named else arguments[0]
        if operator not in self._graph:
            raise RuntimeError("register_operator_output: the operator is not of this graph")
        self._operators[arguments[0]] = operator

    def build(self) -> None:
        """Start the stream."""
        current_device("Stream.build")
        if self._worker is not None:
            raise RuntimeError("build: the stream is built")
        self._outputs = {key: Channel(DEPTH) for key in self._operators}
        self._worker = threading.Thread(target=self._work, name="emulated die", daemon=True)
        self._worker.start()

    def run_sync(self, inputs: Inputs, params: Mapping[str, Any] | None = None) -> Any:
        """Outputs of each input: a list of tensors with a leading 1."""
        outputs = self._computed(self._checked("run_sync", inputs), params or {})
        return outputs[id(self._graph.model)]

    def run_async(self, inputs: Inputs, params: Mapping[str, Any] | None = None) -> int:
        """Submit inputs; blocks while the stream is full. Returns the status 0."""
        checked = self._checked("run_async", inputs)
        try:
            self._inputs.put((checked, dict(params or {})))
        except ClosedError:
            raise RuntimeError("run_async: the input is closed") from None
        return 0

    def get_operator_output(self, key: Any) -> list[list[Tensor]]:
        """The next submission's results of a registered output, one list of tensors an input.

        Blocks until there is one. Raises ValueError once the input is closed and all is drained.
        """
        current_device("get_operator_output")
        if key not in self._outputs:
            raise RuntimeError("get_operator_output: this was not registered before build")
        try:
            result = self._outputs[key].get()
        except ClosedError:
            raise ValueError("stream is closed, all of its outputs are drained") from None
        if isinstance(result, Exception):
            raise result
        return result  # type: ignore[no-any-return]

    def close_input(self) -> None:
        """No more inputs; what was submitted is still computed."""
        self._inputs.close()

    def wait_until_done(self) -> None:
        """Wait until all that was submitted is computed; the input has to be closed."""
        if self._worker is not None:
            self._worker.join()

    def _checked(self, doing: str, inputs: Inputs) -> Inputs:
        device = current_device(doing)
        if self._worker is None:
            raise RuntimeError(f"{doing}: the stream is not built")
        if device != self._model.device_id:
            own = self._model.device_id
            raise RuntimeError(f"{doing}: a stream on device {own}, this thread's is {device}")
        if not isinstance(inputs, list) or not inputs:
            raise TypeError(f"{doing}: inputs are a list with one element for each sample")
        for item in inputs:
            parts = [item] if isinstance(item, Image) else item
            if not isinstance(parts, list) or any(part.device_id != device for part in parts):
                raise RuntimeError(f"{doing}: not an image or tensors on device {device}: {item!r}")
        return list(inputs)

    def _work(self) -> None:
        try:
            while True:
                inputs, params = self._inputs.get()
                result = self._answer(inputs, params)
                for key, operator in self._operators.items():
                    failed = isinstance(result, Exception)
                    self._outputs[key].put(result if failed else result[id(operator)])
        except ClosedError:
            for channel in self._outputs.values():
                channel.close()

    def _answer(self, inputs: Inputs, params: Mapping[str, Any]) -> Any:
        """The outputs, or the exception that a caller shall get in their place."""
        try:
            return self._computed(inputs, params)
        except Exception as error:
            return error

    def _computed(self, inputs: Inputs, params: Mapping[str, Any]) -> Outputs:
        """Results of each operator, by its id; raises what a broken stream answers."""
        if self._broken is None:
            try:
                return self._all(inputs, params)
            except Broken as broken:
                self._broken = broken
        raise self._broken.answer

    def _all(self, inputs: Inputs, params: Mapping[str, Any]) -> Outputs:
        outputs: Outputs = {id(self._graph.preprocess): [], id(self._graph.model): []}
        for index, item in enumerate(inputs):
            if isinstance(item, Image):
                self._faults.meet(item.pixels)
            arrays = self._prepared(item, _of_image(params, index))
            device = self._model.device_id
            prepared = [Tensor(array, device) for array in arrays]
            results = [Tensor(array, device) for array in self._model.run(arrays)]
            outputs[id(self._graph.preprocess)].append(prepared)
            outputs[id(self._graph.model)].append(results)
        return outputs

    def _prepared(self, item: Image | list[Tensor], per_image: tuple[int, ...] | None) -> list[Any]:
        if not isinstance(item, Image):
            return [tensor.values for tensor in item]
        if self._graph.preprocess is None:
            raise RuntimeError("an image for a graph without a preprocessing operator")
        height, width = self._model.input_shape[0][2:4]
        return [self._graph.preprocess.fused.run(item, (height, width), per_image)[None]]


def _of_image(params: Mapping[str, Any], index: int) -> tuple[int, ...] | None:
    for name in params:
        if name not in ("rgb_letterbox_ext", "crop_resize_ext"):
            raise RuntimeError(f"the parameter {name} is not emulated")
        return tuple(params[name][index])
    return None
