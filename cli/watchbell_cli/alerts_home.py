"""Where the alert log is: its folder is made before the first line is written."""

from watchbell.errors import ConfigError
from watchbell.settings import Settings


def make_home(settings: Settings) -> None:
    """Make the home if the log is in it, closed to others as `cron add` makes it."""
    try:
        if settings.alert_log.parent == settings.home:
            settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot make the home folder {settings.home}: {error.strerror}") from error
