"""Where log lines go: standard error, one line each, with every secret masked."""

import logging
import sys
import time
from typing import TextIO

from watchbell.secrets.redaction import RedactingFilter
from watchbell_cli.tables import clean


class _Stderr(logging.StreamHandler[TextIO]):
    """Tells our handler from those of others, so that a second start replaces the first."""


class _OneLine(logging.Formatter):
    """Begins one line for each record, whatever a source or a provider has put into it."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  the base class's name
        """Return the line; a traceback follows it on lines of its own."""
        return clean(super().formatMessage(record))


def start_logging(verbosity: int) -> None:
    """Begin to log: 0 shows what happened, 1 also how. Libraries are heard from WARNING on."""
    root = logging.getLogger()
    for old in [handler for handler in root.handlers if isinstance(handler, _Stderr)]:
        root.removeHandler(old)
    root.addHandler(_handler())
    root.setLevel(logging.WARNING)
    logging.getLogger("watchbell").setLevel(logging.DEBUG if verbosity else logging.INFO)
    for library in ("httpx", "httpcore"):
        logging.getLogger(library).setLevel(logging.WARNING)


def _handler() -> logging.Handler:
    handler = _Stderr(sys.stderr)
    formatter = _OneLine("%(asctime)sZ %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    handler.addFilter(RedactingFilter())
    return handler
