"""The computational graph and circuits on it: nodes, edges, masks, comparison, tree.

No model and no torch: what a circuit scores is the engine's business, how it is written down is
that of `formats`. Begin with `graph`, then `circuit`.
"""
