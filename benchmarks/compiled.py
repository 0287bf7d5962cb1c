"""Counts of a compiled program, whatever it is compiled for."""

import dataclasses
import re


@dataclasses.dataclass(frozen=True)
class Facts:
    """Counts of one compiled update of all members, or of a call of several updates.

    Attributes:
      stage: its name.
      convolutions: instructions that are one.
      grouped: those of them with more than one group.
      kernels: instructions of the main program that are launched: fusions, calls of libraries and
        copies, those in loops counted once.
      temporary: bytes beside the operands and the results.
      looped: those of the kernels that are in loops: of several updates in a call, or of members.

    """

    stage: str
    convolutions: int
    grouped: int
    kernels: int
    temporary: int
    looped: int = 0


def count(name: str, compiled) -> Facts:
    """Count what a compiled update of a stage of that name consists of."""
    text = compiled.as_text()
    # Of a GPU a convolution is a call of cuDNN's, of a TPU an instruction, in a fusion or not.
    is_one = re.compile(r" convolution\(|__cudnn\$conv")
    lines = [line for line in text.splitlines() if is_one.search(line)]
    groups = [re.search(r"(?:feature|batch)_group_count=(\d+)", line) for line in lines]
    outermost = _outermost(text)
    entry = [part for part in outermost if part.startswith("ENTRY")]
    return Facts(
        stage=name,
        convolutions=len(lines),
        grouped=sum(int(group[1]) > 1 for group in groups if group),
        kernels=_launched(outermost),
        temporary=compiled.memory_analysis().temp_size_in_bytes,
        looped=_launched(outermost) - _launched(entry),
    )


def _launched(parts: list[str]) -> int:
    launched = re.compile(r" (?:fusion|custom-call|copy|convolution|copy-start)\(")
    return sum(len(launched.findall(part)) for part in parts)


def _outermost(text: str) -> list[str]:
    """Return the computations of a program that are not within fusions, each as text."""
    parts = re.split(r"\n(?=\S)", text)
    return [part for part in parts if not part.lstrip("%").startswith("fused")]
