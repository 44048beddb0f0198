"""Where in depth tokens tell each other something.

Analyses that change whole runs of the model, and what they find.

`all_for_one` asks up to which block every token may be kept to itself, and in which blocks the last
one has to look at the others; `knockout_map` from which positions it reads in which blocks. What is
changed, and how it is run, stands in `engine.changes` and `engine.changed_run`; begin there.
"""
