"""How a case ended, and how that is judged."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from torture.process import Done

RIGHT, CLEAR, WRONG = "right", "clear error", "wrong"

_MESSAGE = re.compile(r"(error: |training stopped: |interrupted; )\S")
_NOT_DONE = "not done: "  # begins what a sweep says of each run that failed
# What a run says, and goes on, if its log is not what it wrote.
LOG = r"metrics\.jsonl is damaged: its records .*; the run goes on"
# Lines that may stand before the message: how far a command came, and what it noticed on its way.
_NOTICES = (
    re.compile(r"\S+  (step|image) \d+/\d+ "),
    re.compile(r"\S.* is damaged.*; training goes on from the one before"),
    re.compile(rf"\S.*{LOG}"),
    re.compile(r"\S.* is damaged: moved to .*, to be trained again"),
    re.compile(r"(diverged|note|warning): "),
    re.compile(r"\[\d+/\d+\] failed: "),  # of a sweep, whose runs that need it are then not done
    # What libraries in C say of damaged data beside what they raise: libtiff, TensorFlow.
    re.compile(r"\w+Decode: |[IWEF]\d{4} |WARNING: All log messages before absl::"),
    re.compile(r"(Generating|Shuffling) "),  # TFDS, how far it came
)
# A flag, a key of the config, a file, or what else is named without quotes.
_NAMED = re.compile(r"--\w|config\.\w|\w\.\w|/\w|the disk|the same command")
_QUOTED = re.compile(r"['\"]([^'\"]+)['\"]")


class Outcome(NamedTuple):
    """A case that was tried.

    Attributes:
      kind: name of the kind of trouble.
      seed: that repeats it.
      what: what was done, in words.
      ending: RIGHT, CLEAR or WRONG.
      reason: the message of a clear error, or why the ending is wrong.

    """

    kind: str
    seed: int
    what: str
    ending: str
    reason: str = ""


class Verdict(NamedTuple):
    """An ending and its reason, see `Outcome`."""

    ending: str
    reason: str = ""


def judge(done: Done, difference: str = "") -> Verdict:
    """Judge a command that was left alone.

    Args:
      done: how it ended.
      difference: in words, between what it made and what it should have made; read only where it
        says that all is well.

    """
    if done.code is None:
        return Verdict(WRONG, f"hangs for {done.seconds:.0f} s")
    if "Traceback" in done.stderr or "Traceback" in done.stdout:
        return Verdict(WRONG, f"traceback: {_last_words(done.stderr or done.stdout)}")
    if done.code < 0:
        return Verdict(WRONG, f"ended by signal {-done.code}")
    if done.code == 0:
        return Verdict(WRONG, difference) if difference else Verdict(RIGHT)
    stderr = done.stderr.replace("\x1b[A", "")  # of bars that go up a line
    lines = [line for line in stderr.splitlines() if line.strip()]
    messages = [line for line in lines if _MESSAGE.match(line)]
    not_done = [line for line in lines if line.startswith(_NOT_DONE)]
    others = [line for line in lines if line not in messages + not_done and not _is_notice(line)]
    if others:
        return Verdict(WRONG, f"exit code {done.code} and more than a message: {others[0][:300]}")
    if not messages + not_done and not any(line.startswith("diverged: ") for line in lines):
        return Verdict(WRONG, f"exit code {done.code} without a message")
    if len(messages) > 1:
        return Verdict(WRONG, f"exit code {done.code} and {len(messages)} messages")
    message = (messages or not_done or lines)[-1]
    if not _names(message, done.argv):
        return Verdict(WRONG, f"names no file, key or value: {message[:300]}")
    return Verdict(CLEAR, message)


def judge_stopped(done: Done, number: int) -> Verdict:
    """Judge a command that was sent a signal: it ends by it, saves first, or had ended already."""
    verdict = judge(done)
    by_signal = done.code in (-number, 0, 128 + number) and "Traceback" not in done.stderr
    if by_signal and (done.code != 130 or verdict.ending == CLEAR):
        return Verdict(RIGHT)
    if verdict.ending == CLEAR:
        return Verdict(WRONG, f"a signal ended it with: {verdict.reason}")
    return verdict


def _names(message: str, argv: Sequence[str]) -> bool:
    """Return whether a message names a flag, a key, a file, or a value that was given."""
    given = " ".join(argv)
    return bool(_NAMED.search(message)) or any(q in given for q in _QUOTED.findall(message))


def _last_words(text: str) -> str:
    """Return the error of a traceback, and where it was raised."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    places = [line for line in lines if line.startswith("File ")]
    return f"{lines[-1][:300]} ({'; '.join(places[-3:])})"


def _is_notice(line: str) -> bool:
    return any(notice.match(line) for notice in _NOTICES)
