"""What a component writes, in words: one file a readout. Everything returned is plain (see `views`)."""
