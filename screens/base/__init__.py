"""What every screen may use, without a session: worker thread, numbers, tokens, marks."""
