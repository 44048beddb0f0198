"""What an MLP's neurons do: effects, attribution, tokens, inputs, prompts, a search.

`results` holds what is found, plain values without torch; one file a question computes it.
"""
