"""Pictures that leave the app: a circuit's graph, and plots, as files for papers.

Plain circuits and values go in, bytes of a file come out; no torch, no screens. What is looked at
in the terminal is drawn by the screens themselves. Begin reading in `draw.py`.
"""
