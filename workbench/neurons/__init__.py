"""What the neurons of an MLP do: effects, attribution, tokens, inputs, prompts, and which suffice.

`results` holds what is found, plain values without torch; one file a question computes it.
"""
