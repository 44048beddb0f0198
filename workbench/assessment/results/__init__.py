"""One file a question of an assessment: what was found, in plain values. No torch.

Screens and reports read these; `parts` fills them in.
"""
