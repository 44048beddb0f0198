"""What the searches share: going backward, lazy ranking, and how a search ends.

The searches themselves stand in `methods`; the exact values that they decide by come from `engine`.
Begin with `finish`, then `backward`.
"""
