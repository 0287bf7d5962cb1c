"""Counts of a compiled program, whatever it is compiled for."""

import dataclasses
import re


@dataclasses.dataclass(frozen=True)
class Facts:
    """Counts of one compiled update of all members.

    Attributes:
      stage: its name.
      convolutions: instructions that are one.
      grouped: those of them with more than one group.
      kernels: instructions of the main program that are launched: fusions, calls of libraries and
        copies, those in loops counted once.
      temporary: bytes beside the operands and the results.

    """

    stage: str
    convolutions: int
    grouped: int
    kernels: int
    temporary: int


def count(name: str, compiled) -> Facts:
    """Count what a compiled update of a stage of that name consists of."""
    text = compiled.as_text()
    # Of a GPU a convolution is a call of cuDNN's, of a TPU an instruction, in a fusion or not.
    is_one = re.compile(r" convolution\(|__cudnn\$conv")
    lines = [line for line in text.splitlines() if is_one.search(line)]
    groups = [re.search(r"(?:feature|batch)_group_count=(\d+)", line) for line in lines]
    launched = re.findall(
        r" (?:fusion|custom-call|copy|convolution|copy-start)\(", _outermost(text)
    )
    return Facts(
        stage=name,
        convolutions=len(lines),
        grouped=sum(int(group[1]) > 1 for group in groups if group),
        kernels=len(launched),
        temporary=compiled.memory_analysis().temp_size_in_bytes,
    )


def _outermost(text: str) -> str:
    """Return the computations of a program that are not within fusions, as text."""
    parts = re.split(r"\n(?=\S)", text)
    return "\n".join(part for part in parts if not part.lstrip("%").startswith("fused"))
