"""What the workbench costs: engine, discovery and app, in forward passes.

`workbench bench` runs them. Begin with `engine`.
"""
