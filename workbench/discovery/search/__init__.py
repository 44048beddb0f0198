"""What the searches share: going backward, lazy ranking, and how a search ends."""
