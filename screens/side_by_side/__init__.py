"""Up to four circuits side by side: what each scores, what they share, edge by edge.

The session evaluates them on its own task (`workbench.session.side_by_side`); here they are shown
as a table of edges. Begin with `screen`.
"""
