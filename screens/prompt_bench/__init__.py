"""The prompt bench: the session's pairs, one that is typed, and what model and circuit make of it.

What a pair is worth is computed by `Session.pairs`; here are its list, its fields and its words.
Begin with `screen`.
"""
