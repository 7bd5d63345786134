"""What the user has to be told in one line."""


class Failure(Exception):
    """Ends the command with exit status 2 and this message."""
