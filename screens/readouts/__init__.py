"""The panel of readouts: what a component writes, as text, curves and heat maps."""
