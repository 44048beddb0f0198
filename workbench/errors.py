"""The two exceptions that cross rooms: one to tell the user, one to stop."""


class WorkbenchError(Exception):
    """Something the user can mend: the message is one sentence, what is wrong and what to do."""


class Cancelled(Exception):
    """A long computation was asked to stop; the state is as it was before."""
