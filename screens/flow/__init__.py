"""The screen that shows where in depth tokens tell each other something.

It shows what `session.flow` finds, all for one and the attention knock-out, as maps over layers;
nothing is computed here. Begin with `screen`.
"""
