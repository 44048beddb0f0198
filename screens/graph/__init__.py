"""The graph screen: the circuit by layers or by groups, and the groups' roles.

`picture` says what is drawn, `layer_map` and `group_map` where it stands, as lines of text;
`circuit_map` is the widget that shows them. What groups are is the session's. Begin with `screen`.
"""
