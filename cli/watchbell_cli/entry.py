"""The `watchbell` command: a plain tick goes straight to the idle gate, all else (and a busy tick) to the commands."""

import os
import sys


def run() -> None:
    """Run the command line and exit with its code."""
    _open_missing_streams()
    arguments = sys.argv[1:]
    if arguments == ["tick"] or (arguments[:2] == ["tick", "--metrics-file"] and len(arguments) == 3):
        from watchbell.idle import is_idle, tells_others

        if is_idle(os.environ):
            if len(arguments) > 1 or tells_others(os.environ):
                _tell_others(*arguments[2:])
            return
    from watchbell_cli.main import main

    main(sys.argv[1:])


def _open_missing_streams() -> None:
    """Give each standard stream that the caller has closed an end: Python has None in its place."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115, PTH123  it stays open, and pathlib costs time


def _tell_others(metrics_file: str | None = None) -> None:
    """Ping and write metrics after an idle tick: where that is wanted, it may take longer to start."""
    from watchbell.telling.afterwards import after_idle_tick
    from watchbell_cli.logs import start_logging

    start_logging(0)
    after_idle_tick(os.environ, metrics_file)
