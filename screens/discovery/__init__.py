"""Discovery as the user sees it: the dialog, the running method, results, a proposal.

The methods stand in `workbench.discovery`, the keys that lead here in `screens.bench`. Begin with
`dialog`, which asks what to run, then `runner`, which runs it beside the session's commands.
"""
