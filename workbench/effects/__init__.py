"""What nodes do to the logits: directly and in all, self-repair, maps of effects."""
