"""Tables of names, written as text."""


def words(text: str) -> frozenset[str]:
    """The words in a text."""
    return frozenset(text.split())
