"""Jobs in the app: the list of all, what is done to one, and what comes back into a session."""
