"""Deliver one report to all targets of a task: intent, send, outcome, part by part, target beside target."""

import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

from watchbell.claims import INTENT_TO_SEND, PartState, backoff_seconds, next_send
from watchbell.delivery.interface import (
    OUTCOME_WORDS,
    Delivered,
    NotSent,
    Outcome,
    Part,
    Refused,
    SendKey,
    Stamp,
    Unknown,
)
from watchbell.errors import ConfigError, CredentialError
from watchbell.redaction import redact
from watchbell.reports.interface import Report
from watchbell.services import Limits, Services
from watchbell.stores.interface import Run
from watchbell.tasks import Target, Task

#: One send may take this long; Telegram is known to answer late for what it has delivered.
SEND_SECONDS = 30.0
_TARGETS_AT_ONCE = 8
_TRIES_IN_ONE_TICK = 4


def deliver(services: Services, limits: Limits, run: Run, task: Task, report: Report) -> None:
    """Send what `run` still owes to each target; every intent and outcome is in the ledger when this returns.

    Raises LeaseLost when another process holds the run now, and StoreError when the ledger cannot be written.
    """
    jobs = [_Delivery(services, limits, run, task, target) for target in task.targets]
    if len(jobs) == 1:
        jobs[0].deliver(report)
        return
    with ThreadPoolExecutor(max_workers=min(len(jobs), _TARGETS_AT_ONCE)) as pool:
        # Consumed to the end, so that one target's failure is raised only after the others are through.
        for future in [pool.submit(job.deliver, report) for job in jobs]:
            future.result()


class _Delivery:
    """One report to one target."""

    def __init__(self, services: Services, limits: Limits, run: Run, task: Task, target: Target) -> None:
        self.services = services
        self.limits = limits
        self.run = run
        self.task = task
        self.target = target
        self.provider = services.providers[target.provider]
        self.deliver_until = run.due_at + task.deliver_within

    def deliver(self, report: Report) -> None:
        """Send the parts in order, from the first that did not arrive; stop at one that does not."""
        known = {state.part: state for state in self.run.parts if state.target == str(self.target)}
        parts = self.provider.render(report, self._stamp(repeat=False))
        for part in parts:
            state = known.get(part.number)
            if state is not None and state.outcome == "delivered":
                continue
            if state is not None and not self._is_due(state):
                return
            if state is not None and (state.outcome == "unknown" or state.repeats):
                part = self.provider.render(report, self._stamp(repeat=True))[part.number - 1]
            if not self._send_until_settled(part, state):
                return

    def _stamp(self, *, repeat: bool) -> Stamp:
        late = (self.run.started_at - self.run.due_at).total_seconds()
        return Stamp(
            task_id=self.run.task_id, fire_time=self.run.fire_time, late_seconds=max(0, int(late)), repeat=repeat
        )

    def _is_due(self, state: PartState) -> bool:
        again = next_send(self.task, state)
        return again is not None and again <= self.services.clock.now()

    def _send_until_settled(self, part: Part, state: PartState | None) -> bool:
        """Send one part, again while it surely did not arrive and time allows; return whether it was delivered."""
        for tries in range(1, _TRIES_IN_ONE_TICK + 1):
            if self.limits.seconds_left() < 1 or self.services.clock.now() >= self.run.lease_until:
                return False
            state = self._send_once(part, state)
            if state is None or state.outcome != "not_sent" or state.retry_at is None:
                return state is not None and state.outcome == "delivered"
            pause = (state.retry_at - self.services.clock.now()).total_seconds()
            if tries == _TRIES_IN_ONE_TICK or not self.limits.wait(pause):
                return False
        return False

    def _send_once(self, part: Part, state: PartState | None) -> PartState | None:
        """Write the intent, send, write the outcome; None when the operator has stopped the task."""
        clock = self.services.clock
        intent = PartState(
            target=str(self.target),
            part=part.number,
            of=part.of,
            outcome=None,
            attempts=state.attempts + 1 if state else 1,
            intent_at=clock.now(),
            repeats=(state.repeats + (state.outcome == "unknown")) if state else 0,
        )
        try:
            credentials = self.services.credentials(self.target.provider, self.task)
        except (CredentialError, ConfigError) as error:
            return self._settle_part(intent, Refused(str(error)))
        begun = clock.monotonic()
        withheld = self.services.store.runs.write_intent(self.run, intent)
        if withheld is not None:
            self._settle_part(intent, NotSent(f"withheld: {withheld}"), retries=False)
            return None
        seconds = min(SEND_SECONDS, self.limits.seconds_left())
        if clock.monotonic() - begun > INTENT_TO_SEND.total_seconds() or seconds <= 0:
            return self._settle_part(intent, NotSent("the process was held up before it could send"))
        key = SendKey(task_id=self.run.task_id, fire_time=self.run.fire_time, target=str(self.target), part=part.number)
        try:
            outcome = self.provider.send(self.target.chat_id, part, key=key, credentials=credentials, seconds=seconds)
        except Exception as error:  # noqa: BLE001  a bug after the intent must not look like a crash, nor as not sent
            outcome = Unknown(f"a bug in the {self.target.provider} provider: {type(error).__name__}: {error}")
        return self._settle_part(intent, outcome)

    def _settle_part(self, intent: PartState, outcome: Outcome, *, retries: bool = True) -> PartState:
        """Write what became of a part, and from when on it may be sent again."""
        state = replace(intent, outcome=OUTCOME_WORDS[type(outcome)])
        if isinstance(outcome, Delivered):
            state = replace(state, message_id=outcome.message_id)
        else:
            state = replace(state, error=redact(outcome.error))
        if isinstance(outcome, NotSent) and retries:
            pause = outcome.retry_after
            if pause is None:
                pause = backoff_seconds(intent.attempts, random.random())  # noqa: S311  jitter, not a secret
            again = self.services.clock.now() + timedelta(seconds=pause)
            state = replace(state, retry_at=again if again <= self.deliver_until else None)
        if intent.repeats and state.outcome in ("refused", "not_sent") and state.retry_at is None:
            # The repeat did not arrive; whether the first send did is as unknown as before.
            state = replace(state, outcome="unknown")
        self.services.store.runs.write_outcome(self.run, state)
        return state
