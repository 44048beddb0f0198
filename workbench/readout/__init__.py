"""What a component writes, in words: one file a readout. All that they return is plain."""
