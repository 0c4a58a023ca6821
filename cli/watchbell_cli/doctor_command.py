"""`watchbell doctor`: one screen that says what is wrong, and what to do about it."""

import os
import sys

import click

from watchbell.checkup.checkup import examine
from watchbell.clock import SystemClock
from watchbell_cli.check_views import print_checks


@click.command(short_help="Say what is wrong, and what to do about it.")
@click.option("--offline", is_flag=True, help="Ask no provider and no monitoring system.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(offline: bool, as_json: bool) -> None:
    """Look at the home, the store, the clock, the timer, the tasks, their runs, and all that they need from outside.

    Nothing is sent and nothing is changed. Exits with 0 where nothing is a problem, else with the first of these that
    was found: 5 the store, 3 settings, home, clock, timer or tasks, 4 a credential, 6 a source, 7 a delivery.

    \b
    Example:
      watchbell doctor
    """
    sys.exit(print_checks(examine(os.environ, SystemClock(), offline=offline), as_json=as_json))
