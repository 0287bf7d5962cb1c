"""The hardening campaign: `python -m torture --help`, or `make torture`.

It does to adjax what people, disks and schedulers do: it kills commands, damages files and
images, mistypes configs and flags, fills the disk, turns the clock, and judges how commands end. A
case is right (exit code 0 and the undisturbed numbers), a clear error (one line that names the
file, key or value), or wrong: a traceback, a hang, other numbers.

Every command is `launch.py`'s own: `server` has done the imports and forks a process for each.
"""
