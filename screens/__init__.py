"""The terminal app: screens and widgets over a `workbench.session.Session`. None imports torch."""
