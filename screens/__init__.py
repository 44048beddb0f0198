"""The terminal app: screens and widgets over a `workbench.session.session.Session`.

None imports torch.
"""
