"""Places in a Markdown page whose text is made by a command; all else is written by hand.

A place is what stands between a pair of lines

    <!-- KIND: NAME -->
    <!-- end of KIND: NAME -->
"""

import re


def markers(kind: str, name: str) -> tuple[str, str]:
    """The lines that open and close a place."""
    return f"<!-- {kind}: {name} -->", f"<!-- end of {kind}: {name} -->"


def place(kind: str, name: str, text: str) -> str:
    """A place with its text."""
    start, end = markers(kind, name)
    return f"{start}\n\n{text.strip()}\n\n{end}"


def has_place(page: str, kind: str, name: str) -> bool:
    """Whether a page has this place."""
    return _pattern(kind, name).search(page) is not None


def fill(page: str, kind: str, name: str, text: str) -> str:
    """The page with this place's text replaced."""
    return _pattern(kind, name).sub(lambda _: place(kind, name, text), page)


def _pattern(kind: str, name: str) -> re.Pattern:
    return re.compile(".*?".join(map(re.escape, markers(kind, name))), re.DOTALL)
