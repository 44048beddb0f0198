"""What a component writes, in words: one file a readout. All that they return is plain.

`logit_lens`, `direct_logit_attribution`, `answer_curve`, `attention` and `residual_lens` read an
experiment's recorded runs and return the dataclasses of `results`. Panels draw them elsewhere.
"""
