"""`watchbell cron`: everything about tasks."""

import click

from watchbell_cli.lazy import LazyGroup

_COMMANDS = {
    "add": ("watchbell_cli.change_commands:add", "Add a task."),
    "list": ("watchbell_cli.look_commands:list_tasks", "Show all tasks, with their next fire and last run."),
    "show": ("watchbell_cli.look_commands:show", "Show everything about one task."),
    "edit": ("watchbell_cli.change_commands:edit", "Change a task; only what is given changes."),
    "remove": ("watchbell_cli.change_commands:remove", "Delete a task; its history stays readable."),
    "pause": ("watchbell_cli.change_commands:pause", "Skip fires for a while, or until resumed."),
    "resume": ("watchbell_cli.change_commands:resume", "End a pause."),
    "run": ("watchbell_cli.run_commands:run", "Run a task now, once, beside its schedule."),
    "retry": ("watchbell_cli.resolve_commands:retry", "Send a saved report to those who did not get it."),
    "resolve": ("watchbell_cli.resolve_commands:resolve", "Decide what became of a message of unknown fate."),
    "logs": ("watchbell_cli.history_commands:logs", "Show what ran and what did not, newest first."),
    "next": ("watchbell_cli.when_commands:next_fires", "Show when a task or an expression fires next."),
    "why": ("watchbell_cli.when_commands:why", "Explain why a task fires, or does not, at a minute."),
    "upcoming": ("watchbell_cli.upcoming_command:upcoming", "Show what fires in the next hours, of all tasks."),
    "audit": ("watchbell_cli.audit_command:audit_tasks", "Prove that no fire was lost and none ran twice."),
    "export": ("watchbell_cli.export_command:export", "Print definitions for another home or a file of tasks."),
    "import": ("watchbell_cli.import_command:import_tasks", "Add the tasks of an export, or of OpenSRE."),
    "apply": ("watchbell_cli.apply_command:apply", "Make the tasks what a file says: tasks as code."),
    "preview": ("watchbell_cli.preview_command:preview", "Build a report and show it; nothing is sent."),
    "start": ("watchbell_cli.start_command:start", "Tick once a minute until told to stop."),
}


@click.group(cls=LazyGroup, commands_at=_COMMANDS)
def cron() -> None:
    """Tasks: what is reported, when, and to whom.

    TASK is the id of a task, the beginning of one that no other task has, or a task's exact name.

    \b
    Example:
      watchbell cron add --kind daily_summary --cron "0 9 * * 1-5" --tz Asia/Kolkata \\
          --provider telegram --chat-id -1001234567890
      watchbell cron list
    """
