"""The `watchbell` command: a plain tick goes straight to the idle gate, all else (and a busy tick) to the commands."""

import os
import sys


def run() -> None:
    """Run the command line and exit with its code."""
    if sys.argv[1:] == ["tick"]:
        from watchbell.idle import is_idle

        if is_idle(os.environ):
            return
    from watchbell_cli.main import main

    main(sys.argv[1:])
