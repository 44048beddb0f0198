"""Jobs: computations that go on by themselves, whatever becomes of their terminal.

A job is a folder in the state folder: what is asked, the pieces that are finished (`base.ledger`),
a log and the result. A process of its own computes it; killed at any moment, it goes on from its
last finished piece. How a method finds what it finds is not its business, nor how a session shows
it. Begin with `detach`, then `folder` and `work`.
"""
