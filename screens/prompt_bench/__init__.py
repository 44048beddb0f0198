"""The prompt bench: the session's pairs, and one that is typed and tried.

What a pair is worth is computed by `Session.pairs`; here are its list, its fields and its words.
Begin with `screen`.
"""
