"""The terminal app: screens and widgets. They talk to a `workbench.session.Session`; none imports torch."""
