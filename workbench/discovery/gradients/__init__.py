"""What the methods by gradients share: a tape of one pass, slopes of parts, scores.

Begin with `edge_gradients`, then `tape`.
"""
