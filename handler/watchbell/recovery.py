"""Take up runs again: of owners that are gone, and those that wait for a retry."""

from watchbell.claims import Status, owner_is_gone
from watchbell.services import Limits, Services
from watchbell.stores.interface import Run


def take_up(services: Services, limits: Limits, run: Run) -> Run | None:
    """Start a new attempt of a run that is owed; None when its owner is alive, or it is for somebody else."""
    now = services.clock.now()
    crashed = run.status is Status.RUNNING
    if crashed and not _is_abandoned(services, run):
        return None
    declined_here = run.declined_by == services.owner.host.machine
    if declined_here and run.declined_until is not None and now < run.declined_until:
        return None
    return services.store.runs.take_over(
        run, owner=services.owner, lease_until=limits.lease_until, now=now, crashed=crashed
    )


def _is_abandoned(services: Services, run: Run) -> bool:
    owner = run.owner
    if owner is None:
        return True
    return owner_is_gone(
        owner_host=owner.host,
        lease_until=run.lease_until,
        here=services.owner.host,
        lock_is_free=lambda: services.is_gone(owner),
        now=services.clock.now(),
    )
