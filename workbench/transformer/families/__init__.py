"""The families: how a transformers model of each is taken apart.

An adapter is a function from the model, its modules unwrapped, to `ModelParts`. It says where
things are and how they are used; it computes nothing. That the result is the model is proven
twice: in the tests, on tiny models with unusual shapes, and on loading, on the model itself.
Begin with `catalogue`, which lists the families and loads no torch, then `take_apart`.
"""
