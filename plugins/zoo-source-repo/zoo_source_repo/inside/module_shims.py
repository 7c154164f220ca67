"""Modules and names that are gone, and stand-ins for modules that an export does not need."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from types import ModuleType
from typing import Any

_ALIASES = {
    "int": int, "float": float, "bool": bool, "object": object, "str": str, "complex": complex,
    "long": int, "unicode": str,
}  # fmt: skip
_RENAMED = {
    "Inf": "inf", "Infinity": "inf", "infty": "inf", "NaN": "nan", "NAN": "nan",
    "float_": "float64", "complex_": "complex128", "unicode_": "str_", "string_": "bytes_",
    "product": "prod", "cumproduct": "cumprod", "alltrue": "all", "sometrue": "any",
    "round_": "round", "in1d": "isin", "row_stack": "vstack", "trapz": "trapezoid",
}  # fmt: skip


def restore_numpy_names(_opset: int) -> None:
    """NumPy's removed aliases, where this NumPy lacks them."""
    import numpy as np

    for name, value in _ALIASES.items():
        if name not in vars(np):
            setattr(np, name, value)
    for name, today in _RENAMED.items():
        if name not in vars(np) and hasattr(np, today):
            setattr(np, name, getattr(np, today))


def provide_imghdr(_opset: int) -> None:
    """`imghdr.what` for the kinds of images that networks read."""
    if importlib.util.find_spec("imghdr") is not None:
        return
    heads = {b"\xff\xd8\xff": "jpeg", b"\x89PNG": "png", b"GIF8": "gif", b"BM": "bmp"}

    def what(file: Any, h: Any = None) -> Any:
        if h is None:
            with open(file, "rb") as stream:  # noqa: PTH123
                h = stream.read(16)
        return next((kind for head, kind in heads.items() if h.startswith(head)), None)

    module: Any = ModuleType("imghdr")
    module.what = what
    sys.modules["imghdr"] = module


def provide_pkg_resources(_opset: int) -> None:
    """The few functions of `pkg_resources` that repositories compare versions with."""
    if importlib.util.find_spec("pkg_resources") is not None:
        return
    import re
    from importlib import metadata

    class Version(tuple):  # type: ignore[type-arg]
        """A version as its numbers."""

    def parse_version(text: str) -> Any:
        try:
            from packaging.version import parse
        except ImportError:
            return Version(int(part) for part in re.findall(r"\d+", text.partition("+")[0])[:4])
        return parse(text)

    class Distribution:
        """An installed distribution."""

        def __init__(self, name: str) -> None:
            self.project_name = self.key = name
            self.version = metadata.version(name)

    def parse_requirements(lines: Any) -> Any:
        texts = lines.splitlines() if isinstance(lines, str) else lines
        return [line.strip() for line in texts if line.strip() and not line.startswith("#")]

    module: Any = ModuleType("pkg_resources")
    module.parse_version = parse_version
    module.get_distribution = Distribution
    module.require = lambda *_names: []
    module.parse_requirements = parse_requirements
    module.DistributionNotFound = metadata.PackageNotFoundError
    module.VersionConflict = type("VersionConflict", (Exception,), {})
    sys.modules["pkg_resources"] = module


def seed_all(seed: int) -> None:
    """The seeds of random, NumPy and torch, as far as they are installed."""
    import random

    random.seed(seed)
    if importlib.util.find_spec("numpy") is not None:
        import numpy as np

        np.random.seed(seed % (1 << 32))
    if importlib.util.find_spec("torch") is not None:
        import torch

        torch.manual_seed(seed % (1 << 63))


def provide_stubs(names: Any) -> None:
    """Stand-ins for modules that are not installed: all names are there, and do nothing."""
    absent = [name for name in names if importlib.util.find_spec(name) is None]
    if absent:
        sys.meta_path.append(_Finder(tuple(absent)))


class Stub(type):
    """A class that stands for anything: its attributes are such classes, calls return one.

    As a decorator it returns the function that it decorates.
    """

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return stub(name)

    def __call__(cls, *args: Any, **_options: Any) -> Any:
        """Nothing is made."""
        return args[0] if len(args) == 1 and callable(args[0]) else cls

    def __iter__(cls) -> Any:
        return iter(())

    def __enter__(cls) -> Any:
        return cls

    def __exit__(cls, *_error: object) -> None:
        return None

    def __bool__(cls) -> bool:
        return False


def stub(name: str) -> Any:
    """A new stand-in, which a class can inherit from."""
    return Stub(name, (), {})


class _StubModule(ModuleType):
    __path__: list[str] = []  # noqa: RUF012

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return stub(name)


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names

    def find_spec(self, fullname: str, _path: Any = None, _target: Any = None) -> Any:
        if fullname.partition(".")[0] in self._names or fullname in self._names:
            return importlib.machinery.ModuleSpec(fullname, self, is_package=True)
        return None

    def create_module(self, spec: Any) -> ModuleType:
        return _StubModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        sys.stderr.write(f"zoo: {module.__name__} is a stand-in\n")
