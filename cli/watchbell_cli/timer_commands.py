"""`watchbell timer install` and `remove`: what starts a tick each minute on this machine."""

import os
import pwd
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from watchbell.errors import ConfigError, UsageError
from watchbell.settings import Settings, load_settings
from watchbell_cli import timer_crontab, timer_hosts, timer_units
from watchbell_cli.lazy import LazyGroup
from watchbell_cli.output import print_text, say, warn
from watchbell_cli.timer_hosts import Systemd

_COMMANDS = {
    "install": (f"{__name__}:install", "Let cron or systemd start a tick each minute."),
    "status": ("watchbell_cli.timer_status:status", "Show whether ticks come, how late, and which were lost."),
    "remove": (f"{__name__}:remove", "Take back what install did."),
}


@click.group(cls=LazyGroup, commands_at=_COMMANDS)
def timer() -> None:
    """What starts a tick each minute on this machine, and how regularly it does.

    \b
    Example:
      watchbell timer install --cron
      watchbell timer status
    """


def _where(command: Callable[..., Any]) -> Callable[..., Any]:
    for name, text in (
        ("--user-systemd", "Your own systemd; ticks while you are logged in, or with lingering."),
        ("--systemd", "The systemd of the system (needs root); the tick runs as the owner of the home."),
        ("--cron", "Your crontab."),
    ):
        command = click.option(name, "where", flag_value=name[2:], help=text)(command)
    return command


@click.command()
@_where
@click.option("--dry-run", is_flag=True, help="Show what would be written, and write nothing.")
def install(where: str | None, dry_run: bool) -> None:
    """Let cron or systemd start a tick on this home each minute. Safe to repeat.

    No token is copied from the environment: the command says where those belong.

    \b
    Example:
      watchbell timer install --cron
      sudo WATCHBELL_HOME=/var/lib/watchbell watchbell timer install --systemd --dry-run
    """
    settings = load_settings()
    home = timer_hosts.home_of(settings)
    if _chosen(where) == "cron":
        _install_line(settings, home, dry_run=dry_run)
    else:
        _install_units(settings, home, Systemd(user=where == "user-systemd"), dry_run=dry_run)
    if names := timer_hosts.left_out(settings.environ):
        warn(
            f"set here, but not for the timer: {', '.join(names)}. Tokens belong in {settings.integrations} "
            f"(mode 0600), addresses in {settings.config_file}; the rest {_elsewhere(where, home)}"
        )


@click.command()
@_where
def remove(where: str | None) -> None:
    """Take back what `timer install` did for this home. Safe to repeat; tasks and history stay.

    Without an option it takes the one timer that is installed for this home.

    \b
    Example:
      watchbell timer remove
      watchbell timer remove --cron
    """
    home = str(load_settings().home.absolute())
    where = where or _only_one(home)
    if where == "cron":
        before = timer_hosts.read_crontab()
        after = timer_crontab.without_line(before, home)
        if after == before:
            say(f"the crontab has no line for {home}")
        else:
            timer_hosts.write_crontab(after, before=before)
            say(f"removed the line for {home} from the crontab; no cron starts ticks now")
        return
    _remove_units(home, Systemd(user=where == "user-systemd"))


def _chosen(where: str | None) -> str:
    if where is None:
        raise UsageError("say which timer: --cron, --systemd or --user-systemd")
    return where


def _only_one(home: str) -> str:
    """Return the one timer that looks after this home; raises UsageError where there are several, or none."""
    found = timer_hosts.installed(home)
    if len(found) > 1:
        names = " and ".join(f"--{name}" for name in found)
        raise UsageError(f"several timers are installed for {home}: say {names}, one after the other")
    if not found:
        raise UsageError(
            f"no timer is installed for {home}, as far as this account can see; set WATCHBELL_HOME for another home, "
            "or say --cron, --systemd or --user-systemd"
        )
    return found[0]


def _install_line(settings: Settings, home: str, *, dry_run: bool) -> None:
    before = timer_hosts.read_crontab()
    environ = timer_crontab.home_setting(home, timer_hosts.default_home(), before) | timer_hosts.carried(settings)
    line = timer_crontab.make_line(timer_hosts.command(), environ, home)
    after = timer_crontab.with_line(before, line, home)
    if dry_run:
        print_text(line.decode())
        return
    for other in timer_crontab.other_homes(before, home):
        say(f"the crontab also has a line for another home, which stays: {other}")
    if after == before:
        say(f"the crontab already has this line for {home}")
        return
    timer_hosts.write_crontab(after, before=before)
    say("the crontab now starts a tick each minute; what ticks print, cron mails (MAILTO)")
    say("in two minutes look at: watchbell timer status")


def _install_units(settings: Settings, home: str, manager: Systemd, *, dry_run: bool) -> None:
    unit = timer_units.Unit(
        command=timer_hosts.command(),
        home=home,
        user=None if manager.user else _owner(home),
        environ=timer_hosts.carried(settings),
    )
    texts = {
        manager.folder / timer_units.SERVICE: timer_units.service_text(unit),
        manager.folder / timer_units.TIMER: timer_units.timer_text(),
    }
    if dry_run:
        print_text("\n".join(f"# {path}\n{text}" for path, text in texts.items()).rstrip("\n"))
        return
    manager.check()
    if unit.user is not None and (folder := timer_hosts.unreachable(unit.user)):
        raise ConfigError(
            f"{unit.user}, the owner of {home}, may not enter {folder} and so cannot run this installation; "
            "install Watchbell where everybody may read it, such as /opt/watchbell"
        )
    _write_units(texts, home, manager)
    say(f"{manager.called}: {timer_units.TIMER} starts a tick each minute")
    if manager.user:
        say(f"to tick also while you are not logged in: loginctl enable-linger {pwd.getpwuid(os.getuid()).pw_name}")
    say("in two minutes look at: watchbell timer status")


def _write_units(texts: dict[Path, str], home: str, manager: Systemd) -> None:
    before = manager.present()
    service = before.get(manager.folder / timer_units.SERVICE)
    if service is not None and not timer_hosts.serves(service, home):
        raise UsageError(f"{timer_units.TIMER} is for another home; remove it there first, or use --cron for this one")
    if before == texts:
        say("the units are already there")
    try:
        manager.folder.mkdir(parents=True, exist_ok=True)
        for path, text in texts.items():
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"the units cannot be written: {error}") from error
    manager.call("daemon-reload")
    manager.call("enable", "--now", timer_units.TIMER)


def _remove_units(home: str, manager: Systemd) -> None:
    present = manager.present()
    service = present.get(manager.folder / timer_units.SERVICE)
    if not present or (service is not None and not timer_hosts.serves(service, home)):
        say(f"{manager.folder} has no units for {home}")
        return
    manager.check()
    manager.call("disable", "--now", timer_units.TIMER, check=False)
    try:
        for path in present:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(f"the units cannot be removed: {error}") from error
    manager.call("daemon-reload")
    say(f"removed {timer_units.TIMER} and {timer_units.SERVICE} from {manager.folder}")


def _owner(home: str) -> str:
    """Return who owns the home: files that a tick writes must stay usable for the commands of the same person."""
    number = Path(home).stat().st_uid
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        raise ConfigError(f"{home} belongs to user id {number}, which has no name here; chown it first") from None


def _elsewhere(where: str | None, home: str) -> str:
    if where == "cron":
        return "in lines NAME=value at the top of the crontab"
    unit = timer_units.Unit(command=(), home=home, user=None if where == "user-systemd" else "")
    return f"in {unit.environment_file} (mode 0600)"
