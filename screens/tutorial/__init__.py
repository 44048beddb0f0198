"""The tutorial: the bench and the graph with a guide above.

The steps, and how they are seen to be done, stand in `workbench.tutorial`; here is the panel that
shows them, over the real screens. Begin with `guided`.
"""
