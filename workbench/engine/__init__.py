"""The exact value of a circuit: from nothing, edit by edit, many alternatives at once.

`docs/engine.md` has the algorithm on one page. Begin with `evaluator`, which is what the rest of
the workbench calls; below it stand `plan` (what has to be computed), `incremental` (a run kept up
to date) and `alternatives` (a batch of what-ifs).
"""
