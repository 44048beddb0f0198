"""The pocket model: how the small transformer in the package was made and is made again.

`vocabulary` names its tokens, `grammar` writes the sentences that it is trained on, `split` keeps
combinations of words back, `recipe` trains it, `examination` asks it what it has never seen, and
`card` writes the results down.  The weights lie in `workbench/data/pocket`.

Glossary: docs/glossary.md#pocket.
"""
