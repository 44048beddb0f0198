"""Discovery: circuits found by a method, from scores of edges or nodes, or by search.

`methods` has one file a method; what they share stands in `gradients` and `search`, prompts in
clusters in `clusters`. What a circuit is worth is measured in `engine` and `assessment`. Begin with
`catalogue`, which lists the methods and loads no torch, then `run`.
"""
