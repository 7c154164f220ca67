"""PyTorch as old repositories expect it: a GPU that is the CPU, and the exporter of their time."""

from __future__ import annotations

import functools
import sys
from typing import Any


def load_tensors(_opset: int) -> None:
    """`torch.load` to the CPU, nothing but tensors."""
    _patch_load(weights_only=True)


def load_anything(_opset: int) -> None:
    """`torch.load` to the CPU, whole modules too."""
    _patch_load(weights_only=False)


def _patch_load(**fixed: Any) -> None:
    import torch

    load = torch.load

    @functools.wraps(load)
    def load_to_cpu(file: Any, *_args: Any, **options: Any) -> Any:
        options.update(fixed)
        options["map_location"] = "cpu"
        return load(file, **options)

    torch.load = load_to_cpu  # type: ignore[assignment]


def use_cpu(_opset: int) -> None:
    """Every mention of a GPU means the CPU."""
    import torch
    from torch.overrides import TorchFunctionMode

    class OnCpu(TorchFunctionMode):
        """Calls of torch's functions with devices replaced."""

        def __torch_function__(
            self, function: Any, _types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            if function is torch.Tensor.cuda:
                return args[0]
            given = {name: _on_cpu(value) for name, value in (kwargs or {}).items()}
            return function(*map(_on_cpu, args), **given)

    OnCpu().__enter__()  # type: ignore[no-untyped-call]
    load = torch.load
    torch.load = lambda file, *args, **options: load(
        file, *args[1:], **{**options, "map_location": "cpu"}
    )
    torch.nn.Module.cuda = lambda module, *_args, **_options: module  # type: ignore[method-assign]
    for name in ("synchronize", "empty_cache", "set_device", "manual_seed", "manual_seed_all"):
        setattr(torch.cuda, name, lambda *_args, **_options: None)
    for name in ("is_available", "is_bf16_supported"):
        setattr(torch.cuda, name, lambda *_args, **_options: False)
    for kind in ("Float", "Double", "Half", "Long", "Int", "Byte", "Bool"):
        setattr(torch.cuda, f"{kind}Tensor", getattr(torch, f"{kind}Tensor"))


def _on_cpu(value: Any) -> Any:
    import torch

    if isinstance(value, torch.device):
        return torch.device("cpu") if value.type == "cuda" else value
    is_gpu = isinstance(value, str) and value.partition(":")[0] == "cuda"
    return "cpu" if is_gpu else value


def export_as_before(opset: int, free: bool = False) -> None:
    """`torch.onnx.export` by the TorchScript exporter, at this opset, as for inference."""
    import torch
    import torch.onnx

    export = torch.onnx.export

    @functools.wraps(export)
    def export_for_inference(model: Any, args: Any, *rest: Any, **options: Any) -> Any:
        asked = options.get("opset_version")
        sys.stderr.write(f"zoo: the script asks for opset {asked}, it gets {opset}\n")
        options["opset_version"] = opset
        if _knows_dynamo(export):
            options["dynamo"] = False
        for name in ("verbose", "example_outputs", "operator_export_type", "training"):
            options.pop(name, None)
        module = model.eval() if hasattr(model, "eval") else model
        # The script's example may want gradients, for which every activation would be kept.
        with torch.no_grad():
            if free:
                _free_batch(options, module, args)
            return export(module, args, *rest, **options)

    torch.onnx.export = export_for_inference  # type: ignore[assignment]


def free_batch(opset: int) -> None:
    """As `export_as_before`, with a free first axis of every input and output."""
    export_as_before(opset, free=True)


def _free_batch(options: Any, module: Any, args: Any) -> None:
    """Dynamic axes for all inputs and outputs; the script's own names stay, others are given."""
    given = tuple(args) if isinstance(args, (tuple, list)) else (args,)
    counts = {"input": len(given), "output": len(list(_tensors(module(*given))))}
    axes = dict(options.get("dynamic_axes") or {})
    for kind, count in counts.items():
        names = list(options.get(f"{kind}_names") or [])
        names += [f"{kind}{number}" for number in range(len(names), count)]
        options[f"{kind}_names"] = names
        for name in names:
            own = axes.get(name) or {}
            rest = dict(own) if isinstance(own, dict) else {axis: f"{name}_{axis}" for axis in own}
            axes[name] = {**rest, 0: "batch"}
    options["dynamic_axes"] = axes


def _tensors(value: Any) -> Any:
    """The tensors in nested lists, tuples and dicts, in the exporter's order."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _tensors(item)
    elif value is not None:
        yield value


def _knows_dynamo(export: Any) -> bool:
    import inspect

    return "dynamo" in inspect.signature(export).parameters
