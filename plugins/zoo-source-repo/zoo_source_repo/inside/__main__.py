"""Runs a repository's command with shims, as the other environment's Python would run it.

A program of its own, run as a folder in another process and by another Python (3.8 or later); it
imports nothing of zoo.

    python FOLDER JOB.json

JOB.json holds {"command": [words], "shims": [names], "stubs": [modules], "opset", "seed"}.
"""

from __future__ import annotations

import importlib
import json
import os
import runpy
import signal
import sys
import threading
import traceback

MARK = "ZOO_PROGRAM"

SHIMS = {
    "torch-load": ("torch_shims", "load_tensors"),
    "torch-load-any": ("torch_shims", "load_anything"),
    "torch-cpu": ("torch_shims", "use_cpu"),
    "onnx-export": ("torch_shims", "export_as_before"),
    "dynamic-batch": ("torch_shims", "free_batch"),
    "numpy-aliases": ("module_shims", "restore_numpy_names"),
    "imghdr": ("module_shims", "provide_imghdr"),
    "pkg-resources": ("module_shims", "provide_pkg_resources"),
    "torchvision": ("vision_shims", "provide_torchvision"),
}


def main(job_file: str) -> None:
    """Apply the shims, and run the command as `__main__`."""
    with open(job_file, encoding="utf-8") as stream:  # noqa: PTH123
        job = json.load(stream)
    end_with_zoo()
    apply(job)
    look = importlib.import_module("missing_modules").missing_modules
    del sys.path[0]  # this folder
    here = os.getcwd()  # noqa: PTH109
    try:
        run(job["command"])
    except ModuleNotFoundError as error:
        traceback.print_exc()
        names = {(error.name or "").partition(".")[0], *look(job["command"], here)}
        sys.exit("missing modules: " + ", ".join(sorted(names - {""})))


def end_with_zoo() -> None:
    """Kill this process group, and what carries its mark, when the pipe from zoo ends."""
    watched = os.environ.pop("ZOO_WATCH", "")
    if not watched:
        return

    def wait() -> None:
        os.read(int(watched), 1)
        kill_marked()
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=wait, daemon=True, name="zoo-watch").start()


def kill_marked() -> None:
    """Kill processes that this one or its children began in sessions of their own (Linux)."""
    mark = (MARK + "=" + os.environ.get(MARK, "")).encode()
    for name in os.listdir("/proc") if os.path.isdir("/proc") else ():  # noqa: PTH112, PTH208
        if name.isdigit() and int(name) != os.getpid():
            try:
                with open("/proc/" + name + "/environ", "rb") as stream:  # noqa: PTH123
                    if mark in stream.read().split(b"\0"):
                        os.kill(int(name), signal.SIGKILL)
            except OSError:
                continue


def apply(job: dict) -> None:  # type: ignore[type-arg]
    """Stand-ins first, then the shims in the card's order, then the seed."""
    importlib.import_module("module_shims").provide_stubs(job["stubs"])
    for name in job["shims"]:
        module, function = SHIMS[name]
        getattr(importlib.import_module(module), function)(job["opset"])
    if job["seed"] is not None:
        importlib.import_module("module_shims").seed_all(job["seed"])


def run(command: list) -> None:  # type: ignore[type-arg]
    """Run `python FILE ...`, `python -m MODULE ...`, `python -c CODE ...`, or a script by name."""
    program, *rest = command
    here = os.getcwd()  # noqa: PTH109
    if program not in ("python", "python3"):
        rest = [os.path.join(os.path.dirname(sys.executable), program), *rest]  # noqa: PTH118, PTH120
    kind = rest[0] if rest else ""
    if kind in ("-m", "-c"):
        sys.path.insert(0, here)
        sys.argv = [kind, *rest[2:]]
        if kind == "-m":
            runpy.run_module(rest[1], run_name="__main__", alter_sys=True)
        else:
            main_module = sys.modules["__main__"].__dict__
            exec(compile(rest[1], "<command>", "exec"), main_module)
        return
    script = os.path.abspath(kind)  # noqa: PTH100
    if not os.path.isfile(script):  # noqa: PTH113
        sys.exit(f"no such script: {kind}")
    sys.path[:0] = list(dict.fromkeys([os.path.dirname(script), here]))  # noqa: PTH120
    sys.argv = [kind, *rest[1:]]
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1])
