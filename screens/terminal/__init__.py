"""What is written to the terminal: of each frame only the cells that differ.

Textual repaints whole panels; `Line` keeps in mind what the terminal shows and lets through what
is new. `light_driver` puts it between Textual and the terminal.
"""
