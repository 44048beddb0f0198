"""Heads by their weights and patterns: what one moves (OV), where it looks (QK).

`inputs` says what a head is given for a token alone, `ov` and `qk` what it makes of it; `finder`
measures all heads at once by the columns that `columns` lists, and puts them into the plain values
of `table`. Begin with `columns`, then `finder`.
"""
