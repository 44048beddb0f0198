"""The clusters screen: prompts in clusters, a circuit for each.

The clusters are found in `workbench.discovery.clusters`, in turns with the session's commands; here
they are asked for (`settings`), listed and put into words (`text`). Begin with `screen`.
"""
