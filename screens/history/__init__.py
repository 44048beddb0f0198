"""All states of a session as a tree: look at one, go there, name it, compare it.

The tree and its drawing come from the session (`workbench.session.state_rows`, `state_graph`); here
they are listed with a strip of the faithfulness and a preview. Begin with `screen`.
"""
