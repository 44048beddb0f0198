"""What several questions need: bootstrap, knock-outs, random circuits, tests.

None of them knows of a question: what is asked stands in `parts`, which calls these with masks or
numbers. Begin with `variants`, by which most questions evaluate many circuits at once.
"""
