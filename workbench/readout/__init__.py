"""What a component writes, in words: one file a readout. All that they return is plain.

`logit_lens.lens`, `direct_logit_attribution.attribution`, `curve.curve`, `attention.pattern` and
`residual.residual_lens` read a workspace's recorded runs and return the dataclasses of `views`.
"""
