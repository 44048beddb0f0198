"""What knows nothing of circuits: work in pieces, files, folders, failures, plain text.

Everything else stands on it, and it imports none of it. Nothing here loads torch. Begin with
`work` (long computations that can be stopped) and `failures` (what users are told).
"""
