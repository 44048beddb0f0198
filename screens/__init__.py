"""The terminal app: screens and widgets over a session. None imports torch."""
