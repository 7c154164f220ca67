"""The stages that every plan has, whatever the model and the backend."""

from __future__ import annotations
