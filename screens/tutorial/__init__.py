"""The tutorial: the bench and the graph with a guide above."""
