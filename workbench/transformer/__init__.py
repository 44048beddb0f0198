"""The engine's view of a transformer: parts, attention, one pass and what it wrote.

Where the parts come from in each family is told in `families`; how models are found and loaded in
`models`; what is done with a recorded run in `experiment` and `engine`. Begin with `parts`.
"""
