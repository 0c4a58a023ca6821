"""`python -m watchbell_cli`: the `watchbell` command for an interpreter whose scripts are not on the PATH."""

from watchbell_cli.entry import run

run()
