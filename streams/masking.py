"""Secrets out of texts: of what is logged, and of what a destination says, for some repeat all they get."""

from collections.abc import Iterable

MASK = "***"
#: Shorter values are not masked: they would mask ordinary words.
SHORTEST_SECRET = 4


class Masking:
    """Replaces every secret in a text."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = sorted((s for s in secrets if len(s) >= SHORTEST_SECRET), key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        return text

    def head(self, text: str) -> str:
        """The same for a text that was cut somewhere: it may end in the middle of a secret."""
        text = self(text)
        for secret in self._secrets:
            for length in range(len(secret) - 1, SHORTEST_SECRET - 1, -1):
                if text.endswith(secret[:length]):
                    return text[:-length] + MASK
        return text
