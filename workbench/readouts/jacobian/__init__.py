"""The Jacobian lens: its matrices, its files, and how one is fitted to a model."""
