"""The panel of readouts: what a component writes, as text, curves and heat maps.

The numbers are computed in `workbench.readouts` and come as plain values through the session;
`requests` says which are asked for. Begin with `panel`, then `text`.
"""
