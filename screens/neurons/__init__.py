"""The screen of an MLP's neurons: what each does, which the circuit keeps, and a search."""
