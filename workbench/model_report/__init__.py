"""A model in words, and the memory that a batch will take, predicted before any work.

The command line and the app show the same lines. Begin with `facts`.
"""
