"""Assessment: how far a circuit can be trusted, one file a question.

`parts` computes the answers, `results` has them as plain values, `report` writes them down and
`tools` is what several questions need. The value of a circuit itself comes from `engine`. Begin
with `catalogue`, which lists the questions and loads no torch, then `assess`.
"""
