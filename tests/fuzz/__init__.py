"""Readers of files that people bring, fed with damaged files: only a ZooError may leave one.

`test_fuzz.py` does so in short, with hypothesis; `python -m tests.fuzz` as long as you like.
"""
