"""Finding, reading and checking models: short names, folders, GGUF files, the hub.

A model ends up as a `Model`, with the engine's view of it and the proof that the engine computes
it. Code that comes with a model is never run. Begin with `model`, then `source`.
"""
