"""The door of the reports is light: figures are drawn by who needs them."""

import subprocess
import sys


def test_importing_reports_imports_no_matplotlib(repository):
    code = "import sys, adjax.reports; print([m for m in ('matplotlib', 'sklearn', 'tensorflow')"
    code += " if m in sys.modules])"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
