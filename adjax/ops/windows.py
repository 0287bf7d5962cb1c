"""Positions of sliding windows."""


def window_starts(size: int, window: int, stride: int) -> tuple[int, ...]:
    """Return the starts of windows along an axis: every `stride`, and one flush with the border.

    Raises:
      ValueError: if they do not fit or leave gaps.

    """
    if not 1 <= stride <= window <= size:
        raise ValueError(
            f"windows of {window} px at stride {stride} do not cover {size} px: needs "
            "1 <= stride <= window <= image"
        )
    return *range(0, size - window, stride), size - window
