"""Discovery as the user sees it: the dialog, the running method, results, a proposal."""
