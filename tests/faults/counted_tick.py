"""The `watchbell` command as it is, but for the pipeline of dying_tick.py: `python counted_tick.py BUILDS tick …`."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from faults.dying_tick import CountedPipeline
from watchbell.services import Services
from watchbell.wiring import open_services
from watchbell_cli import tick_command
from watchbell_cli.main import main


@contextmanager
def with_counted_pipeline(*args: Any, **kwargs: Any) -> Iterator[Services]:
    with open_services(*args, **kwargs) as services:
        yield replace(services, pipeline=CountedPipeline(Path(sys.argv[1])))


tick_command.open_services = with_counted_pipeline  # type: ignore[assignment]
main(sys.argv[2:])
