"""`python -m adjax` is the command `adjax`."""

from adjax.command import run

if __name__ == "__main__":
    run()
