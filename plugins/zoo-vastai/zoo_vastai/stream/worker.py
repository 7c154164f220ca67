"""The process that talks to vaststreamx; it needs only NumPy and the SDK, on Python 3.8 or later.

It is started as a script by the SDK's interpreter, reads messages on stdin and answers on stdout:
12 bytes (lengths of header and payload, big-endian), a JSON header, raw bytes. What the SDK itself
prints goes to stderr. It takes open, image, facts, close and sends ready, result, error, facts. An
error that is not `fatal` leaves the streams in order; after any other the process ends.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import queue
import signal
import struct
import sys
import threading
from collections import deque
from typing import Any

import numpy as np

HEAD = struct.Struct(">IQ")
BATCH_PATIENCE = 0.02
LEAVING_SECONDS = 3.0


class Failure(Exception):
    """What went wrong, said for a person; `reason` is import, device, model or run."""

    def __init__(self, reason: str, what: str) -> None:
        super().__init__(what)
        self.reason = reason


class Channel:
    """Both directions of the pipe, apart from whatever is printed."""

    def __init__(self) -> None:
        self._source = os.fdopen(os.dup(0), "rb")
        self._sink = os.fdopen(os.dup(1), "wb")
        self._lock = threading.Lock()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(2, 1)

    def receive(self) -> Any:
        """Header and payload of the next message; None at the end."""
        head = self._take(HEAD.size)
        if head is None:
            return None
        text, payload = HEAD.unpack(head)
        header, body = self._take(text), self._take(payload)
        return None if header is None or body is None else (json.loads(header.decode()), body)

    def _take(self, count: int) -> bytearray | None:
        data = bytearray(self._source.read(count))
        return data if len(data) == count else None

    def send(self, header: dict[str, Any], payload: list[Any]) -> None:
        """Write one message whole, whichever threads write at the same time."""
        text = json.dumps(header).encode("utf-8")
        with self._lock:
            self._sink.write(HEAD.pack(len(text), sum(array.nbytes for array in payload)) + text)
            for array in payload:
                self._sink.write(array.tobytes())
            self._sink.flush()

    def result(self, number: int, arrays: list[Any]) -> None:
        """The outputs of one image, in the model's order and dtype."""
        specs = [{"shape": list(a.shape), "dtype": a.dtype.str} for a in arrays]
        self.send({"kind": "result", "id": number, "arrays": specs}, arrays)

    def error(self, number: int | None, error: BaseException, step: str, fatal: bool) -> None:
        """Tell an error of the SDK; a fatal one ends the process."""
        text = str(error).strip() or "no message"
        what = text if isinstance(error, Failure) else f"{step}: {type(error).__name__}: {text}"
        reason = error.reason if isinstance(error, Failure) else "run"
        header = {"kind": "error", "id": number, "what": what, "reason": reason, "fatal": fatal}
        self.send(header, [])
        if fatal:
            leave(1)


class Network:
    """One model with its preprocessing on one die, as a stream."""

    def __init__(self, vsx: Any, die: int, order: dict[str, Any]) -> None:
        self._vsx, self._die = vsx, die
        self.batch = int(order["batch"])
        step = f"set_device({die})"
        try:
            self.enter()
            step = "the model cannot be loaded"
            model = vsx.Model(order["prefix"], self.batch)
            self._op = vsx.ModelOperator(model)
            before = list(vsx.Operator.load_ops_from_json_file(order["vdsp"]))
            if not before:
                raise RuntimeError("there is no operator in " + order["vdsp"])
            graph = vsx.Graph(vsx.GraphOutputType.GRAPH_OUTPUT_TYPE_NCHW_DEVICE)
            graph.add_operators(*before, self._op)
            self.stream = vsx.Stream(graph, vsx.StreamBalanceMode.ONCE)
            self.stream.register_operator_output(self._op)
            self.stream.build()
        except Exception as error:
            reason = "device" if step.startswith("set_device") else "model"
            raise Failure(reason, f"{step}: {type(error).__name__}: {error}") from error
        self._kept = (model, before, graph)

    def enter(self) -> None:
        """Devices belong to threads: each thread that calls the SDK comes through here first."""
        status = self._vsx.set_device(self._die)
        if status != 0:
            raise RuntimeError(f"status {status}, not 0")

    def image(self, array: Any, params: Any) -> tuple[Any, Any]:
        """An image of the device from uint8 [3, height, width], RGB; what operators are told."""
        height, width = array.shape[1:]
        planar = self._vsx.ImageFormat.RGB_PLANAR
        return self._vsx.create_image(array, planar, int(width), int(height), self._die), params

    def run(self, images: list[Any]) -> list[list[Any]]:
        """Outputs image by image, synchronously."""
        return self._arrays(self.stream.run_sync(*self._filled(images)))

    def submit(self, images: list[Any]) -> None:
        """Set the images going; `next` gives their outputs in the order of submission."""
        status = self.stream.run_async(*self._filled(images))
        if type(status) is int and status != 0:
            raise Failure("run", f"run_async gives status {status}")

    def next(self) -> list[list[Any]]:
        """Outputs of the oldest submission, image by image; waits for them."""
        return self._arrays(self.stream.get_operator_output(self._op))

    def _filled(self, images: list[Any]) -> list[Any]:
        rows = images + [images[-1]] * (self.batch - len(images))
        params = {name: [told[name] for _, told in rows] for name in rows[0][1]}
        return [[image for image, _ in rows]] + [params] * bool(params)

    def _arrays(self, outputs: Any) -> list[list[Any]]:
        if len(outputs) != self.batch:
            raise Failure("run", f"the SDK gives {len(outputs)} results for {self.batch} images")
        as_numpy = self._vsx.as_numpy
        return [[np.ascontiguousarray(as_numpy(item)) for item in row] for row in outputs]


class Lane:
    """One die that takes images from the common queue, a bounded number of them in flight."""

    def __init__(self, network: Network, channel: Channel, waiting: Any, most: int) -> None:
        self._network, self._channel, self._waiting = network, channel, waiting
        self._room = threading.Semaphore(max(1, most // network.batch))
        self._flying: deque[list[int]] = deque()
        self._closing = False
        self.threads = [threading.Thread(target=each) for each in (self._feed, self._consume)]
        for thread in self.threads:
            thread.start()

    def _feed(self) -> None:
        self._network.enter()
        while self._room.acquire() and (group := gathered(self._waiting, self._network.batch)):
            if not self._submit(group):
                self._room.release()
        self._closing = True
        self._network.stream.close_input()

    def _submit(self, group: list[Any]) -> bool:
        """Whether anything is in flight now; ids are noted first, for results may be quick."""
        ids, images = [], []
        for number, item in group:
            try:
                images.append(self._network.image(*item))
                ids.append(number)
            except Exception as error:
                self._channel.error(number, error, "create_image", fatal=False)
        if ids:
            self._flying.append(ids)
            try:
                self._network.submit(images)
            except Exception as error:
                self._channel.error(ids[0], error, "run_async", fatal=True)
        return bool(ids)

    def _consume(self) -> None:
        self._network.enter()
        while True:
            try:
                self._answer()
            except Exception as error:
                if self._closing and not self._flying and isinstance(error, ValueError):
                    return
                number = self._flying[0][0] if self._flying else None
                self._channel.error(number, error, "get_operator_output", fatal=True)
            self._room.release()

    def _answer(self) -> None:
        # The call blocks until something is there, so the oldest ids are looked up after it.
        rows = self._network.next()
        for row, number in enumerate(self._flying.popleft()):
            self._channel.result(number, rows[row])


def gathered(waiting: Any, most: int) -> list[Any]:
    """Up to `most` waiting images; none at the end, whose mark is left for the other lanes."""
    group: list[Any] = []
    try:
        while len(group) < most:
            item = waiting.get(timeout=BATCH_PATIENCE if group else None)
            if item is None:
                waiting.put(None)
                break
            group.append(item)
    except queue.Empty:
        pass
    return group


def facts(vsx: Any, dies: list[int]) -> dict[str, Any]:
    """What the SDK tells of itself, the cards and the dies; what it does not is left out."""
    found: dict[str, Any] = {}
    try:
        found["vaststreamx"] = str(getattr(vsx, "__version__", "unknown"))
        found["cards"] = [[str(card.card_type), str(card.uuid)] for card in vsx.get_all_cards()]
        for number in dies:
            die = vsx.Die(number)
            found[f"die_{number}_temperature_c"] = float(die.temperature["temperature"][0] * 0.01)
            found[f"die_{number}_power_w"] = float(die.power["power"][3] * 1e-6)
            found[f"die_{number}_memory_bytes"] = int(die.memory["total"])
    except Exception as error:
        sys.stderr.write(f"facts: {type(error).__name__}: {error}\n")
    return found


def serve(channel: Channel, order: dict[str, Any]) -> None:
    """Open the model on every die, then answer until the parent closes or is gone."""
    try:
        vsx: Any = importlib.import_module("vaststreamx")
    except Exception as error:
        what = f"vaststreamx cannot be imported: {type(error).__name__}: {error}"
        raise Failure("import", what) from error
    networks = [Network(vsx, die, order) for die in order["dies"]]
    waiting: Any = queue.Queue()
    most = int(order["queue"])
    lanes = [Lane(network, channel, waiting, most) for network in networks] if most else []
    channel.send({"kind": "ready"}, [])
    while True:
        header, payload = channel.receive() or leave(0)
        if header["kind"] == "close":
            break
        if header["kind"] == "facts":
            channel.send({"kind": "facts", "facts": facts(vsx, order["dies"])}, [])
            continue
        item = np.frombuffer(payload, np.uint8).reshape(header["shape"]), header.get("params", {})
        if lanes:
            waiting.put((header["id"], item))
        else:
            at_once(networks[0], channel, header["id"], item)
    waiting.put(None)
    for thread in [thread for lane in lanes for thread in lane.threads]:
        thread.join(LEAVING_SECONDS)


def at_once(network: Network, channel: Channel, number: int, item: Any) -> None:
    """One image through the synchronous call: nothing waits before or behind it."""
    step, fatal = "create_image", False
    try:
        image = network.image(*item)
        step, fatal = "run_sync", True
        arrays = network.run([image])[0]
    except Exception as error:
        channel.error(number, error, step, fatal)
        return
    channel.result(number, arrays)


def leave(code: int) -> Any:
    """End at once: a thread that hangs in the SDK would hold an ordinary exit up."""
    sys.stderr.flush()
    os._exit(code)


def main() -> None:
    """Serve one parent; its end, seen as the end of stdin, ends this process too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    faulthandler.enable()
    channel = Channel()
    order, _ = channel.receive() or leave(0)
    try:
        serve(channel, order)
    except Failure as error:
        channel.error(None, error, "open", fatal=True)
    leave(0)


if __name__ == "__main__":
    main()
