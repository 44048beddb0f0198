"""Metrics: the catalogue of them, and their values for a group of pairs.

`catalogue` has names and definitions and loads no torch; `metric` computes.
"""
