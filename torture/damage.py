"""What befalls files: flipped bits, lost ends, zeros, absence."""

import random
from pathlib import Path

DAMAGES = ("flip", "flip", "flip", "truncate", "zeros", "empty", "delete")


def damage(path: Path, how: str, draw: random.Random) -> str:
    """Damage a file; return what was done in words."""
    content = bytearray(path.read_bytes())
    if how == "delete":
        path.unlink()
        return "deleted"
    if how == "empty" or not content:
        path.write_bytes(b"")
        return "emptied"
    place = draw.randrange(len(content))
    if how == "flip":
        bit = draw.randrange(8)
        content[place] ^= 1 << bit
        path.write_bytes(content)
        return f"bit {bit} of byte {place} flipped"
    if how == "truncate":
        path.write_bytes(content[:place])
        return f"cut after {place} of {len(content)} bytes"
    if how == "zeros":
        length = min(len(content) - place, draw.choice((1, 16, 512, 4096)))
        content[place : place + length] = bytes(length)
        path.write_bytes(content)
        return f"{length} zeros at byte {place}"
    raise ValueError(how)
