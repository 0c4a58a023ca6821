"""What a tick tells others when it is over, where that is configured: a heartbeat and a file of metrics.

Nothing here changes how the tick ends: what goes wrong is one line in the log.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from watchbell.clock import SystemClock
from watchbell.errors import WatchbellError
from watchbell.secrets.references import SHARED, is_reference
from watchbell.settings import Settings, home_folder, load_settings
from watchbell.stores.interface import Store

log = logging.getLogger("watchbell")


class Ending:
    """How a tick ends; None while that is not known."""

    exit_code: int | None = None


@contextmanager
def heartbeat_after(environ: Mapping[str, str]) -> Iterator[Ending]:
    """Ping after the block, with the exit code that it left or that its error stands for."""
    ending = Ending()
    try:
        yield ending
    except WatchbellError as error:
        ending.exit_code = error.exit_code
        raise
    except Exception:
        ending.exit_code = WatchbellError.exit_code
        raise
    finally:
        if ending.exit_code is not None:
            send_heartbeat(environ, ending.exit_code)


def send_heartbeat(environ: Mapping[str, str], exit_code: int) -> None:
    """Ping the address in the environment, or that a reference there stands for, if there is one; never raises."""
    url = environ.get("WATCHBELL_HEARTBEAT_URL")
    if is_reference(url):
        try:
            url = SHARED.secret(url, environ)
        except WatchbellError as error:
            log.warning("the heartbeat was not sent: %s", error)
            return
    if url:
        from watchbell.telling.heartbeat import beat

        beat(url, exit_code, home=home_folder(environ), now=SystemClock().now())


def write_metrics_file(path: Path | None, store: Store, exit_code: int) -> None:
    """Write the metrics, if there is a file for them."""
    if path is None:
        return
    from watchbell.telling.metrics import write_metrics

    try:
        write_metrics(path, store, now=SystemClock().now(), exit_code=exit_code)
    except WatchbellError as error:
        log.error("no metrics were written: %s", error)
    except Exception:
        log.exception("a bug: no metrics were written")


def metrics_file(settings: Settings, named: str | None) -> Path | None:
    """Return where the metrics go: what the command says, else config.toml."""
    return Path(named).expanduser() if named else settings.metrics_file


def after_idle_tick(environ: Mapping[str, str], named: str | None) -> None:
    """Tell others of a tick that the gate has sent home; never raises."""
    from watchbell.wiring.stores import open_store

    try:
        settings = load_settings(environ)
        path = metrics_file(settings, named)
        if path is not None:
            with open_store(settings) as store:
                write_metrics_file(path, store, 0)
    except WatchbellError as error:
        log.error("no metrics were written: %s", error)
    except Exception:
        log.exception("a bug: no metrics were written")
    send_heartbeat(environ, 0)
