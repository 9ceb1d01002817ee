"""An error that a person can act on."""


class Unusable(Exception):
    """What was asked for can't be done; the text says why, and what can."""
