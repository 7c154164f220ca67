"""Programs of others: their repositories, the environments they need, and how they are run."""

from __future__ import annotations

from zoo_core.system.repository.tree import describe_tree, left_out
from zoo_core.toolkit.foreign.environment import INSTALLED, Environment, prepare_environment
from zoo_core.toolkit.foreign.process import Limits, clean_variables, run_program

__all__ = [
    "INSTALLED",
    "Environment",
    "Limits",
    "clean_variables",
    "describe_tree",
    "left_out",
    "prepare_environment",
    "run_program",
]
