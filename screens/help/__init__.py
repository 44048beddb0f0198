"""Help on the panel in focus: its keys, and what the numbers on the screen mean."""
