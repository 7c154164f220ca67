"""Stages: plans with their keys, the store of finished stages, and the executor."""

from __future__ import annotations
