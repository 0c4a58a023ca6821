"""Says of new or changed tasks whose reports cannot be built as things are here; they are stored all the same."""

from collections.abc import Iterable

from watchbell.checkup.buildable import doubt_of
from watchbell.settings import load_settings
from watchbell.tasks import Task
from watchbell_cli.output import say, warn


def warn_of_doubts(tasks: Iterable[Task]) -> None:
    """Warn of each; the settings may be others where ticks run."""
    settings = load_settings()
    for task in tasks:
        doubt = doubt_of(task, settings)
        if doubt:
            who = f"{task.id} ({task.name})" if task.name else task.id
            warn(f"{who} can never be built with the settings of this machine: {doubt}")
            say("that is no reason to refuse it: where ticks run, the settings may be others")
