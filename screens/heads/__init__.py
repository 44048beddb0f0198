"""The screen of all heads: where each looks, what it copies, what it seems to be.

The numbers are the session's (`session.heads`), measured in the background. Begin with `screen`.
"""
