"""The screen of nodes' effects: a map by layer, direct against total, who makes up for what."""
