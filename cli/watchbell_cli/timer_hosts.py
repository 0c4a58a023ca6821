"""The timers of this machine: the user's crontab, and systemd. Where one is missing, one line says so."""

import os
import pwd
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from watchbell.errors import ConfigError, TryAgain
from watchbell.settings import Settings
from watchbell_cli import timer_units
from watchbell_cli.timer_crontab import has_line

_SYSTEM_UNITS = Path("/etc/systemd/system")
_CARRIED = ("WATCHBELL_STORE", "WATCHBELL_QUEUE_URL", "WATCHBELL_INTEGRATIONS")
#: Where AWS is asked for anything, these go along as well …
_CARRIED_FOR_AWS = ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB")
#: … and these, being secrets, are missed.
_MATTER_FOR_AWS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_ASKS_AWS = ("dynamodb:", "ssm:", "secretsmanager:")
_PATIENCE_SECONDS = 30
_MATTER = ("_BOT_TOKEN", "_WEBHOOK_URL")
_MATTER_WHOLE = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")


def command() -> tuple[str, ...]:
    """Return how a timer calls this installation: an absolute path, links kept, so that upgrades keep it valid."""
    called = shutil.which(sys.argv[0]) if Path(sys.argv[0]).name == "watchbell" else None
    beside = Path(sys.executable).with_name("watchbell")
    if called:
        return (str(Path(called).absolute()),)
    return (str(beside),) if os.access(beside, os.X_OK) else (sys.executable, "-P", "-m", "watchbell_cli")


def unreachable(user: str) -> Path | None:
    """Return the first folder that keeps `user` from running this installation; a timer would fail each minute."""
    account = pwd.getpwnam(user)
    programs = (Path(command()[0]), Path(sys.executable).resolve(), Path(__file__).resolve())
    return None if account.pw_uid == 0 else closed_folder(programs, account.pw_uid, account.pw_gid)


def closed_folder(files: Iterable[Path], user: int, group: int) -> Path | None:
    """Return the first folder on the way to `files` that an account may not enter."""
    for folder in (folder for file in files for folder in reversed(file.parents)):
        found = folder.stat()
        right = stat.S_IXGRP if found.st_gid == group else stat.S_IXOTH
        if not found.st_mode & (stat.S_IXUSR if found.st_uid == user else right):
            return folder
    return None


def home_of(settings: Settings) -> str:
    """Return the home as an absolute path; raises ConfigError when there is none, for a timer would only fail.

    With another store the home holds settings at most, and is made: units name it.
    """
    if settings.dynamodb_prefix is not None:
        settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not settings.home.is_dir():
        raise ConfigError(f"there is no home folder {settings.home}; add a task first, or set WATCHBELL_HOME")
    return str(settings.home.absolute())


def default_home() -> str:
    """Return the home that a tick finds with no environment but its user's."""
    return str(Path(pwd.getpwuid(os.getuid()).pw_dir) / ".config" / "watchbell")


def carried(settings: Settings) -> dict[str, str]:
    """Return the settings that go into a timer besides the home; nothing that could be a secret is among them."""
    names = _CARRIED + (_CARRIED_FOR_AWS if _asks_aws(settings.environ) else ())
    found = {name: settings.environ[name] for name in names if settings.environ.get(name)}
    if settings.environ.get("WATCHBELL_CONFIG"):
        place = settings.config_file
        found["WATCHBELL_CONFIG"] = str(place.absolute() if isinstance(place, Path) else place)
    return found


def left_out(environ: Mapping[str, str]) -> list[str]:
    """Return the names of variables that matter here and now, and that a timer will not have."""
    known = {"WATCHBELL_HOME", "WATCHBELL_CONFIG", "WATCHBELL_TIMER", "WATCHBELL_DEBUG", *_CARRIED}
    ours = {name for name in environ if name.startswith("WATCHBELL_") or name.endswith(_MATTER)} - known
    usual = {name for name in environ if name.upper() in _MATTER_WHOLE}
    of_aws = environ.keys() & set(_MATTER_FOR_AWS) if _asks_aws(environ) else set()
    return sorted(name for name in ours | usual | of_aws if environ[name])


def _asks_aws(environ: Mapping[str, str]) -> bool:
    """Say whether the store, or settings and tokens, are kept with AWS."""
    return any(
        value.startswith(_ASKS_AWS)
        for name, value in environ.items()
        if name.startswith("WATCHBELL_") or name.endswith(_MATTER)
    )


def read_crontab() -> bytes:
    """Return this user's crontab, empty when there is none."""
    done = _run(["crontab", "-l"])
    if done.returncode == 0:
        return done.stdout
    words = done.stderr.decode(errors="replace").strip()
    if "no crontab" in words or "No such file" in words:
        return b""
    raise ConfigError(f"the crontab cannot be read: {words or f'crontab -l ended with {done.returncode}'}")


def write_crontab(text: bytes, *, before: bytes) -> None:
    """Install `text` in the place of `before`; an empty one goes away."""
    if read_crontab() != before:
        raise TryAgain("the crontab was changed by somebody else in this moment; nothing was written, try again")
    done = _run(["crontab", "-"], text) if text else _run(["crontab", "-r"])
    if done.returncode != 0:
        raise ConfigError(f"the crontab was refused: {done.stderr.decode(errors='replace').strip()}")


@dataclass(frozen=True, slots=True)
class Systemd:
    """The system's manager, or that of a user."""

    user: bool

    @property
    def folder(self) -> Path:
        """Where units of one's own belong."""
        if not self.user:
            return _SYSTEM_UNITS
        base = os.environ.get("XDG_CONFIG_HOME")
        return (Path(base) if base else Path.home() / ".config") / "systemd" / "user"

    @property
    def called(self) -> str:
        """How a person calls its command."""
        return "systemctl --user" if self.user else "systemctl"

    def check(self) -> None:
        """Raise ConfigError in one line unless this manager runs and may be changed."""
        state = self.call("is-system-running", check=False)
        if state in ("", "offline", "unknown"):
            whose = "no systemd of this user" if self.user else "no systemd"
            raise ConfigError(f"there is {whose} running here; use --cron, or run `watchbell cron start`")
        if not self.user and os.geteuid() != 0:
            raise ConfigError("units of the system need root: use sudo and set WATCHBELL_HOME, or use --user-systemd")

    def call(self, *arguments: str, check: bool = True) -> str:
        """Run systemctl; raises ConfigError with its words."""
        done = _run(["systemctl", *(["--user"] if self.user else []), *arguments])
        if check and done.returncode != 0:
            words = done.stderr.decode(errors="replace").strip() or f"ended with {done.returncode}"
            raise ConfigError(f"{self.called} {' '.join(arguments)}: {words}")
        return done.stdout.decode(errors="replace").strip()

    def present(self) -> dict[Path, str]:
        """Return our unit files that are there; raises ConfigError for one of the same name that is not ours."""
        found = {}
        for path in (self.folder / timer_units.SERVICE, self.folder / timer_units.TIMER):
            try:
                text = path.read_text(encoding="utf-8")
            except FileNotFoundError:
                continue
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigError(f"{path} cannot be read: {error}") from error
            if not text.startswith(timer_units.MADE_BY):
                raise ConfigError(f"{path} was not made by `watchbell timer install`; it stays: move it away first")
            found[path] = text
        return found


def installed(home: str) -> list[str]:
    """Return which timers on this machine look after `home`, as far as this user can see; never fails."""
    found = []
    with suppress(ConfigError):  # no cron on this machine
        found += ["cron"] if has_line(read_crontab(), home) else []
    for name, manager in (("systemd", Systemd(user=False)), ("user-systemd", Systemd(user=True))):
        with suppress(ConfigError, RuntimeError):  # in a container an account may have no home
            found += [name] if any(serves(text, home) for text in manager.present().values()) else []
    return found


def serves(service: str, home: str) -> bool:
    """Return whether a service of ours is for this home."""
    return timer_units.home_setting(home) in service


def _run(arguments: Sequence[str], stdin: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    program = shutil.which(arguments[0])
    if program is None:
        other = "--systemd or --user-systemd" if arguments[0] == "crontab" else "--cron"
        raise ConfigError(f"there is no {arguments[0]} on this machine; use {other}, or run `watchbell cron start`")
    try:
        return subprocess.run(  # noqa: S603  crontab and systemctl, as found on PATH
            [program, *arguments[1:]],
            input=stdin,
            capture_output=True,
            check=False,
            timeout=_PATIENCE_SECONDS,
            env={**os.environ, "LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(f"{arguments[0]} does not work here: {error}") from error
