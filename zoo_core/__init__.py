"""A plugin-based model zoo: from a source repository's weights to traceable figures.

`import zoo_core as zoo` is the Python API; its functions are in `zoo_core.commands.public`.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing itself is a long import, and the first one: see `zoo_core.cli`
if TYPE_CHECKING:
    from zoo_core.commands.public import ImagePrediction as ImagePrediction
    from zoo_core.commands.public import backends as backends
    from zoo_core.commands.public import bench as bench
    from zoo_core.commands.public import compare as compare
    from zoo_core.commands.public import eval as eval
    from zoo_core.commands.public import explain as explain
    from zoo_core.commands.public import load as load
    from zoo_core.commands.public import models as models
    from zoo_core.commands.public import package as package
    from zoo_core.commands.public import predict as predict
    from zoo_core.commands.public import replay as replay
    from zoo_core.commands.public import rescore as rescore
    from zoo_core.commands.public import run as run
    from zoo_core.commands.public import tune as tune

__version__ = "0.1.0"

_PUBLIC = (
    "ImagePrediction",
    "backends",
    "bench",
    "compare",
    "package",
    "replay",
    "eval",
    "explain",
    "load",
    "models",
    "predict",
    "rescore",
    "run",
    "tune",
)


def __getattr__(name: str) -> object:
    """The API is imported when it is first used: importing zoo_core stays light."""
    if name in _PUBLIC:
        from zoo_core.commands import public

        return getattr(public, name)
    raise AttributeError(f"module 'zoo_core' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
