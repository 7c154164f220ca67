"""Layers of a compiled network beside those of the float one."""
