"""`python -m torture --help` says what it takes."""

import sys

from adjax.errors import UserError
from torture import command

if __name__ == "__main__":
    try:
        sys.exit(command.run(sys.argv[1:]))
    except UserError as error:
        sys.exit(f"error: {error}")
