"""A device that is not there: a model's tensors kept on the CPU, treated as if elsewhere.

`tensors.py` has the tensors and what may be done with them, `events.py` what is noted of it,
`allowed.py` the places that may wait for the device, `models.py` how a model is brought there.

    with watched() as seen:
        ...what is computed with `on_double(hf_model)`
    seen.check()  # names every line that waits, copies or mixes and is not allowed to
"""
