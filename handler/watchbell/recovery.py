"""Take up runs again: of owners that are gone, those that wait for a retry, and those that wait in a queue."""

from watchbell.claims import LIVE, Status, owner_is_gone
from watchbell.services import Limits, Services
from watchbell.stores.interface import Run


def take_up(services: Services, limits: Limits, run: Run) -> Run | None:
    """Start a new attempt of a run that is owed; None when its owner is alive, or it is for somebody else."""
    if not is_for_here(services, run):
        return None
    return services.store.runs.take_over(
        run,
        owner=services.owner,
        lease_until=limits.lease_until,
        now=services.clock.now(),
        crashed=is_abandoned(services, run),
    )


def is_for_here(services: Services, run: Run) -> bool:
    """Return whether this machine may start a new attempt of a run that is owed."""
    if run.status is Status.RUNNING and not is_abandoned(services, run):
        return False
    if run.status not in LIVE and not run.adhoc and _another_is_live(services, run):
        return False
    declined_here = services.machine in (run.declined_by or "").split()
    return not (declined_here and run.declined_until is not None and services.clock.now() < run.declined_until)


def has_ended_a_process(services: Services, run: Run) -> bool:
    """Return whether a process that carried this run out has ended over it, and another one may."""
    return run.crashes > 0 or is_abandoned(services, run)


def is_abandoned(services: Services, run: Run) -> bool:
    """Return whether a run is still called running, but its owner has ended."""
    owner = run.owner
    if run.status is not Status.RUNNING or owner is None:
        return run.status is Status.RUNNING
    return owner_is_gone(
        owner_host=owner.host,
        lease_until=run.lease_until,
        here=services.owner.host,
        lock_is_free=lambda: services.is_gone(owner),
        now=services.clock.now(),
    )


def _another_is_live(services: Services, run: Run) -> bool:
    """Return whether a run that waits has to wait for another run of its task, which may make it stale."""
    expected = services.store.tasks.expectation(run.task_id)
    return expected is not None and expected.live_run
