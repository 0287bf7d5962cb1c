"""The exceptions that a user sees as one line."""


class UserError(ValueError):
    """Bad input: one line that names the file, key or value and what to do.

    `launch.py` prints the message alone and exits with code 2.
    """


class DivergedError(RuntimeError):
    """Every member of a run met a value that is not finite: names stage, step and member.

    `launch.py` prints the message alone and exits with code 3. `failed` lists the members, a dict
    each: member, stage, step, reason.
    """

    def __init__(self, message: str, failed: list[dict] = ()):
        """Say `message` about the members of `failed`."""
        super().__init__(message)
        self.failed = list(failed)
