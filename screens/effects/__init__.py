"""The screen of nodes' effects: a map by layer, direct against total, self-repair."""
