"""All checks, in the order in which a person would look; what cannot be looked at is a finding of its own."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from watchbell.checkup.buildable import check_buildable
from watchbell.checkup.checks import CONFIG, Check, Level, ok, problem, warning
from watchbell.checkup.home import check_home
from watchbell.checkup.ledger import active, check_runs, check_tasks
from watchbell.checkup.pipelines import check_pipelines
from watchbell.checkup.reach import check_reach
from watchbell.checkup.store_health import check_store, holds_anything
from watchbell.checkup.times import SINCE, check_against_servers, check_clock, check_timer, check_zone_data
from watchbell.clock import Clock
from watchbell.errors import ConfigError, TryAgain, WatchbellError
from watchbell.instants import epoch_seconds
from watchbell.settings import Settings, load_settings
from watchbell.stores.interface import Store
from watchbell.tasks import Task
from watchbell.telling.heartbeat import FAILING
from watchbell.wiring.stores import open_store

_STALE_METRICS_SECONDS = 300


def examine(environ: Mapping[str, str], clock: Clock, *, offline: bool = False) -> list[Check]:
    """Look at everything; never raises for what it finds."""
    settings, checks = _settings(environ)
    if settings is None:
        return checks
    checks += _guarded("home", lambda: check_home(settings))
    checks.append(check_zone_data(clock.now()))
    health = _guarded("store", lambda: check_store(settings, clock))
    checks += health
    is_usable = settings.dynamodb_prefix is not None or settings.home.is_dir()
    if is_usable and not any(check.exit_code for check in health):
        checks += _guarded("store", lambda: _with_store(settings, clock, offline=offline))
    checks += _guarded("advice", lambda: _told_to_others(settings, clock))
    return checks


def examine_store(settings: Settings, clock: Clock) -> list[Check]:
    """Look at the store and the definitions in it, and at nothing else; never raises for what it finds."""
    checks = _guarded("home", lambda: check_home(settings))
    checks += _guarded("store", lambda: check_store(settings, clock))
    if holds_anything(settings) and not any(check.exit_code for check in checks):
        checks += _guarded("tasks", lambda: _definitions(settings))
    return checks


def _definitions(settings: Settings) -> Iterator[Check]:
    with open_store(settings) as store:
        yield from check_tasks(store)


def _settings(environ: Mapping[str, str]) -> tuple[Settings | None, list[Check]]:
    """Read the settings; where config.toml is wrong, go on without it."""
    try:
        return load_settings(environ), []
    except (ConfigError, TryAgain) as error:
        advice = f"mend the line, or take it out; every tick ends with {error.exit_code} until then"
        found = [problem("settings", str(error), advice, error.exit_code)]
    try:
        return load_settings({**environ, "WATCHBELL_CONFIG": os.devnull}), found
    except (ConfigError, TryAgain):
        return None, found


def _with_store(settings: Settings, clock: Clock, *, offline: bool) -> Iterator[Check]:
    """Look at tasks, runs and the timer, and at what the tasks need from outside."""
    tasks: list[Task] = []
    if holds_anything(settings):
        with open_store(settings) as store:
            yield from _ledger(store, clock, tasks)
        yield from check_buildable(settings, tasks)
    else:
        yield warning("tasks", "there are none", "watchbell cron add --help")
    yield from check_pipelines(settings, tasks, offline=offline)
    checks, times = check_reach(settings, tasks, clock, offline=offline)
    yield from checks if tasks else map(_softened, checks)
    yield from check_against_servers(times, clock.now())


def _ledger(store: Store, clock: Clock, tasks: list[Task]) -> Iterator[Check]:
    """Look at what the store holds, and add the tasks that expect to fire to `tasks`."""
    now = clock.now()
    records = store.ticks.records(now - SINCE)
    yield check_clock(records, now)
    try:
        tasks += active(store.tasks.listing().tasks)
    except ConfigError as error:
        yield problem("tasks", str(error), "the last good definitions go on firing; mend the file", CONFIG)
        yield check_timer(records, now)
        return
    yield from check_tasks(store)
    yield from check_runs(store, now)
    timer = check_timer(records, now)
    yield timer if tasks else _softened(timer)


def _softened(check: Check) -> Check:
    """Return a problem as a warning: nobody waits for a report yet."""
    return replace(check, level=Level.WARNING, exit_code=0) if check.level is Level.PROBLEM else check


def _told_to_others(settings: Settings, clock: Clock) -> Iterator[Check]:
    """Whether somebody hears of it when things go wrong, or when nothing goes at all."""
    if settings.ops_target is None:
        advice = 'ops_target = "slack:C0OPS" in config.toml lets an operator hear of failures in a chat'
        yield ok("ops target", "none; failures are in the log only", advice)
    else:
        yield ok("ops target", str(settings.ops_target))
    failing = settings.home / FAILING
    if failing.exists():
        said = failing.read_text(encoding="utf-8", errors="replace").strip()
        yield warning("heartbeat", f"it does not arrive {said}", "check WATCHBELL_HEARTBEAT_URL and the network")
    elif settings.heartbeat_url is None:
        advice = "set WATCHBELL_HEARTBEAT_URL for the timer, so that somebody notices when no tick runs at all"
        yield ok("heartbeat", "none in this environment", advice)
    else:
        yield ok("heartbeat", "after each tick")
    if settings.metrics_file is not None:
        yield _metrics(settings, clock)


def _metrics(settings: Settings, clock: Clock) -> Check:
    path = settings.metrics_file
    assert path is not None
    try:
        age = epoch_seconds(clock.now()) - path.stat().st_mtime
    except OSError:
        return warning("metrics", f"there is no {path}", "can the timer's user write there? does a tick run?")
    if age > _STALE_METRICS_SECONDS:
        return warning("metrics", f"{path} is {age // 60:.0f} min old", "can the timer's user write there?")
    return ok("metrics", str(path))


def _guarded(name: str, look: Callable[[], Iterable[Check]]) -> list[Check]:
    """Return what a check finds, and what kept it from looking on."""
    found: list[Check] = []
    try:
        found.extend(look())
    except WatchbellError as error:
        found.append(problem(name, str(error), "mend this first", error.exit_code))
    except OSError as error:
        found.append(problem(name, f"cannot be looked at: {error.strerror or error}", "is it this user's?", CONFIG))
    return found
