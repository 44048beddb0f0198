"""The command line: one file a command, shared options, what goes to which stream.

Commands check what they are given, call the same functions as scripts do, and print. Begin with
`main`.
"""
