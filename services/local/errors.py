"""What went wrong on this machine, in words for the person who ran the command."""


class LocalError(Exception):
    """Something here needs a person: the message says what happened and what to do about it.

    Command lines print the message alone; a traceback would bury it.
    """
