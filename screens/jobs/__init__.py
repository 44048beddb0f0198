"""Jobs in the app: the list of all, and what is done to one."""
