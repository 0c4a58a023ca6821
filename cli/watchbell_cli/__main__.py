"""`python -m watchbell_cli` is the `watchbell` command."""

from watchbell_cli.entry import run

run()
