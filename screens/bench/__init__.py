"""The bench: stepping backward, edge by edge, with the faithfulness always above.

`screen` puts the panels together; `circuit_tree`, `edges_panel` and `status_bar` are what one sees,
`session_runner` is what asks the session.
"""
