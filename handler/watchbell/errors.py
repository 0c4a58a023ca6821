"""The one tree of errors, each family with the exit code that a timer or a script sees.

    WatchbellError            1   a bug: nothing else ends a process with 1
    ├── UsageError            2   what was typed cannot be done
    │   ├── ScheduleError         a cron expression or zone outside the dialect
    │   └── NotFound              no such task or run
    ├── ConfigError           3   settings, or a tasks file that cannot be read
    │   └── TaskError             one task in the file is wrong
    ├── CredentialError       4   a token is missing or unusable
    ├── StoreError            5   the store cannot be read or written
    │   └── LeaseLost             another process holds the run now
    ├── DamagedReport         5   one saved report cannot be read; the rest of the store can
    ├── SourceError           6   a monitoring system or a report failed
    ├── DeliveryError         7   some target did not get its report
    └── TryAgain             75   busy or interrupted: the same call may work in a moment

Messages say what failed, with which value, and what to do next; they never hold a secret.
"""


class WatchbellError(Exception):
    """Something in Watchbell itself went wrong; please report it."""

    exit_code = 1

    def __init__(self, message: str = "") -> None:
        super().__init__(message or self.__doc__ or "")


class UsageError(WatchbellError):
    """The command cannot be carried out as typed."""

    exit_code = 2


class ScheduleError(UsageError):
    """The cron expression or the time zone is not in the dialect.

    `field` names the cron field (`minute` … `day of week`), `expression` or `timezone`; `token` is the offending text.
    """

    def __init__(self, message: str, *, field: str, token: str) -> None:
        super().__init__(message)
        self.field = field
        self.token = token


class NotFound(UsageError):
    """There is no such task or run."""


class ConfigError(WatchbellError):
    """The settings or the tasks file cannot be used."""

    exit_code = 3


class TaskError(ConfigError):
    """One task is wrong; `path` says where in the file, such as `[2].cron`."""

    def __init__(self, message: str, *, path: str = "") -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.path = path


class CredentialError(WatchbellError):
    """A credential is missing or unusable."""

    exit_code = 4


class StoreError(WatchbellError):
    """The store cannot be read or written."""

    exit_code = 5


class LeaseLost(StoreError):
    """This process no longer holds the run; whoever does goes on with it."""


class DamagedReport(WatchbellError):
    """A saved report cannot be read, though the store can."""

    exit_code = 5


class SourceError(WatchbellError):
    """A monitoring system did not answer as needed, or the report could not be built."""

    exit_code = 6


class DeliveryError(WatchbellError):
    """Some target did not get its report."""

    exit_code = 7


class TryAgain(WatchbellError):
    """Busy or interrupted; the same call may work in a moment."""

    exit_code = 75


#: A tick that met several failures exits with the first of these that arose in it.
TICK_EXIT_PRECEDENCE = (1, 5, 3, 4, 6, 7, 75)


def worst_exit_code(codes: set[int]) -> int:
    """Return the exit code of a tick in which `codes` arose (0 when none did)."""
    return next((code for code in TICK_EXIT_PRECEDENCE if code in codes), 0)
