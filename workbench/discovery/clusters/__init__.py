"""Prompts in clusters by the edges that they need, and a circuit for each.

`run` is the whole of it, `clustering` puts vectors into clusters, `find` chooses how many.
"""
