"""Checkpoints of one training: what a sequence is, and what a circuit scores at each.

`sequence` reads one from a folder, a pattern, a list or revisions of the hub; `scores` evaluates at
each, one model after the other; `results` and `plots` tell of it. A sweep (`sweeps`) has sequences
as an axis, and finds circuits and kinds of heads at each.
"""
