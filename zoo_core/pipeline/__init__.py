"""Stages: their keys, the store of finished ones, and what runs the missing ones."""

from __future__ import annotations
