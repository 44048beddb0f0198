"""The clusters screen: prompts in clusters, a circuit for each."""
