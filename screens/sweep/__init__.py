"""A sweep of cells as it runs, here or elsewhere: read from its folder, again and again."""
