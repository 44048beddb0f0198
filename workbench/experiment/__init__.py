"""A model, a task, a metric and an ablation, run once: what every analysis starts from.

`experiment` keeps both runs; `prepare` makes it from names; `settings` and `ablations` say what can
be asked for, without torch. Circuits are evaluated in `engine`.
"""
