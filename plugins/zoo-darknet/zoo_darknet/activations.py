"""The names of the activations that are done here."""

from __future__ import annotations

ACTIVATIONS = (
    "elu",
    "hard_mish",
    "hard_swish",
    "leaky",
    "linear",
    "logistic",
    "mish",
    "relu",
    "relu6",
    "swish",
    "tanh",
)
