"""Everything that tasks need from outside: each credential and each source, tried at the same time."""

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial

from watchbell.checkup.chat_probes import Probed, probe_chat
from watchbell.checkup.checks import CREDENTIALS, SOURCE, Check, named, ok, problem
from watchbell.checkup.references import NAME, check_reference, references_in, without_asking
from watchbell.clock import Clock
from watchbell.delivery.place import is_webhook
from watchbell.errors import ConfigError, CredentialError, TryAgain, WatchbellError
from watchbell.secrets.credentials import WITHOUT_TOKEN, resolve
from watchbell.secrets.references import AS_WRITTEN, is_reference
from watchbell.settings import Settings
from watchbell.settings.sources import SourceSettings
from watchbell.tasks import Target, Task

_PATIENCE_SECONDS = 25.0
_NETWORK = ("prometheus", "alertmanager", "cloudwatch")

Job = tuple[str, Callable[[], Probed]]


def check_reach(
    settings: Settings, tasks: Sequence[Task], clock: Clock, *, offline: bool
) -> tuple[list[Check], dict[str, datetime]]:
    """Return the checks, and what time it was where a server said so."""
    checks: list[Check] = []
    jobs = [
        *_references(settings, checks, offline=offline),
        *_chats(settings, tasks, checks, offline=offline),
        *_sources(settings, clock, checks, offline=offline),
    ]
    times: dict[str, datetime] = {}
    for (name, _), probed in zip(jobs, _at_once(jobs), strict=True):
        if probed is None:
            advice = "is the network there? does a proxy hold it up?"
            checks.append(problem(name, f"no answer within {_PATIENCE_SECONDS:.0f} s", advice, SOURCE))
            continue
        checks.append(probed.check)
        if probed.server_time is not None:
            times[name] = probed.server_time
    return checks, times


def _references(settings: Settings, checks: list[Check], *, offline: bool) -> Iterator[Job]:
    for reference in references_in(settings):
        untried = without_asking(reference) if offline else None
        if untried is not None:
            checks.append(untried)
        else:
            yield NAME, partial(check_reference, settings, reference)


def _chats(settings: Settings, tasks: Sequence[Task], checks: list[Check], *, offline: bool) -> Iterator[Job]:
    """Resolve the credential of each target as a delivery does, and yield one job for each that is there."""
    found: dict[tuple[str, str, str], str] = {}
    missing: dict[tuple[str, str, int], list[str]] = {}
    wanted = [(target, task) for task in tasks for target in task.targets]
    for target, task in [*wanted, *([(settings.ops_target, None)] if settings.ops_target else [])]:
        if target.provider in WITHOUT_TOKEN:
            continue
        try:
            for field, secret in _resolved(settings, target, task, offline=offline).items():
                found.setdefault((target.provider, field, secret), _name_of(target))
        except (CredentialError, ConfigError, TryAgain) as error:
            who = task.name or task.id if task else "the ops target"
            missing.setdefault((_name_of(target), str(error), error.exit_code), []).append(who)
    for (name, words, code), users in missing.items():
        checks.append(problem(name, f"{words}; needed by {named(users)}", _advice(name, words, code), code))
    for (provider, field, secret), name in found.items():
        if offline:
            checks.append(ok(name, "a credential is there; not tried (--offline)"))
        else:
            yield name, _chat_job(settings, provider, field, secret, name)


def _chat_job(settings: Settings, provider: str, field: str, secret: str, name: str) -> Callable[[], Probed]:
    return lambda: probe_chat(settings, provider, field, secret, name)


def _resolved(settings: Settings, target: Target, task: Task | None, *, offline: bool) -> dict[str, str]:
    params = task.params if task is not None else {}
    return dict(
        resolve(
            target.provider,
            integrations=settings.integrations,
            environ=settings.environ,
            params=params,
            chat_id=target.chat_id,
            references=AS_WRITTEN if offline else settings.references,
        )
    )


def _name_of(target: Target) -> str:
    return f"{target.provider} {target.chat_id}" if is_webhook(target.chat_id) else target.provider


def _advice(name: str, words: str, code: int) -> str:
    if is_reference(words.split(" ")[0].rstrip(":")):
        return "mend it where the secret is kept, or store another reference"
    if code != CREDENTIALS:
        return "mend integrations.json by hand; it is never overwritten"
    return f"watchbell integrations set {name.partition(' ')[0]}; the timer may have variables that this shell has not"


def _sources(settings: Settings, clock: Clock, checks: list[Check], *, offline: bool) -> Iterator[Job]:
    from watchbell.checkup.source_probes import probe_source

    for source in settings.sources:
        name = f"source {source.options.get('name', source.kind)}".replace("_", " ")
        if offline and source.kind in _NETWORK:
            checks.append(ok(name, "configured; not read (--offline)"))
        else:
            yield name, _source_job(probe_source, settings, source, clock, name)


def _source_job(
    probe: Callable[[Settings, SourceSettings, Clock, str], Probed],
    settings: Settings,
    source: SourceSettings,
    clock: Clock,
    name: str,
) -> Callable[[], Probed]:
    return lambda: probe(settings, source, clock, name)


def _at_once(jobs: Sequence[Job]) -> list[Probed | None]:
    """Do the jobs in threads of their own; one that hangs is left behind."""
    results: list[Probed | None] = [None] * len(jobs)

    def run(index: int) -> None:
        name, look = jobs[index]
        try:
            results[index] = look()
        except Exception as error:  # noqa: BLE001  one check that breaks must not hide the others
            said = f"a bug in this check: {type(error).__name__}"
            results[index] = Probed(problem(name, said, "please report it", WatchbellError.exit_code))

    threads = [threading.Thread(target=run, args=(index,), daemon=True) for index in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_PATIENCE_SECONDS)
    return results
