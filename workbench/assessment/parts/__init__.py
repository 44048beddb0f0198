"""One file a question of an assessment: how its answer is computed.

What was found stands in `results`, and what several questions need in `tools`.
"""
