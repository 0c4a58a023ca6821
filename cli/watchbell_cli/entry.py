"""The `watchbell` command: a plain tick goes straight to the idle gate, everything else to the command tree."""

import sys


def run() -> None:
    """Run the command line and exit with its code."""
    from watchbell_cli.main import main

    main(sys.argv[1:])
