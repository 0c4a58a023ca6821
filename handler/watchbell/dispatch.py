"""Deliver one report to all targets of a task, target beside target and part by part: intent, send, outcome.

What may have arrived already is settled first, as far as the provider has the means: by a repeat that it drops, or by
asking it.
"""

import random
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

from watchbell.deliveries import (
    FIRST_IMAGE,
    INTENT_TO_SEND,
    QUESTION_PAUSES,
    SEND_TIME,
    Means,
    PartState,
    Step,
    backoff_seconds,
    next_step,
    question_at,
)
from watchbell.delivery.interface import (
    OUTCOME_WORDS,
    Absent,
    AttachesImages,
    CannotTell,
    Delivered,
    Envelope,
    Found,
    NotSent,
    Outcome,
    Part,
    Provider,
    Refused,
    SendKey,
    Stamp,
    Unknown,
)
from watchbell.errors import ConfigError, CredentialError, TryAgain
from watchbell.reports.interface import Image, Report
from watchbell.secrets.redaction import redact
from watchbell.services import Limits, Services, SharedSeat
from watchbell.stores.interface import Run
from watchbell.tasks import Target, Task

#: Threads that wait for one slow provider must not hold up the others.
_TARGETS_AT_ONCE = 64
_TRIES_IN_ONE_TICK = 4


def deliver(services: Services, limits: Limits, run: Run, task: Task, report: Report) -> None:
    """Send what `run` still owes to each target; every intent and outcome is in the ledger when this returns.

    Raises LeaseLost when another process holds the run now, and StoreError when the ledger cannot be written.
    """
    if len(task.targets) == 1:
        _Delivery(services, limits, run, task, task.targets[0]).deliver(report)
        return
    seat = SharedSeat(limits.seats, len(task.targets))
    limits = replace(limits, seats=seat)

    def job(target: Target) -> None:
        try:
            _Delivery(services, limits, run, task, target).deliver(report)
        finally:
            seat.leave()

    with ThreadPoolExecutor(max_workers=min(len(task.targets), _TARGETS_AT_ONCE)) as pool:
        futures = [pool.submit(job, target) for target in task.targets]
    seat.take()
    for future in futures:  # only now: one target's failure is raised after the others are through
        future.result()


def ask(services: Services, limits: Limits, run: Run, task: Task) -> datetime | None:
    """Ask about what may have arrived of a run that is sent no more; return when to ask again."""
    again = [_Delivery(services, limits, run, task, target).ask() for target in task.targets]
    return min((moment for moment in again if moment is not None), default=None)


def means_of(services: Services, target: str) -> Means:
    """Return what the provider of a target offers against doubles."""
    provider_name, _, chat_id = target.partition(":")
    provider = services.providers[provider_name]
    return provider.means(chat_id)


class _Delivery:
    """One report to one target."""

    def __init__(self, services: Services, limits: Limits, run: Run, task: Task, target: Target) -> None:
        self.services = services
        self.limits = limits
        self.run = run
        self.task = task
        self.target = target
        self.provider: Provider = services.providers[target.provider]
        self.means = means_of(services, str(target))
        self.states = {state.part: state for state in run.parts if state.target == str(target)}

    def deliver(self, report: Report) -> None:
        """Send the parts in order, from the first that did not arrive; stop at one that does not."""
        for part in self.provider.render(report, self._stamp(repeat=False)):
            state = self.states.get(part.number)
            if state is None or state.outcome != "delivered":
                state = self._bring_to_an_end(report, part, state)
            if state is None or state.outcome != "delivered":
                return
        self._attach(report.images)

    def ask(self) -> datetime | None:
        """Ask what is to be asked now, and send nothing; return when to ask again."""
        for state in list(self.states.values()):
            moment = question_at(state, self.means)
            if moment is not None and moment <= self._now() and self._may_go_on():
                try:
                    self._ask(state, self.services.credentials(self.target, self.task))
                except (CredentialError, ConfigError, TryAgain) as error:
                    self._ask_later(state, str(error))
        again = [question_at(state, self.means) for state in self.states.values()]
        return min((moment for moment in again if moment is not None), default=None)

    def _stamp(self, *, repeat: bool) -> Stamp:
        late = (self.run.started_at - self.run.due_at).total_seconds()
        return Stamp(
            task_id=self.run.task_id, fire_time=self.run.fire_time, late_seconds=max(0, int(late)), repeat=repeat
        )

    def _bring_to_an_end(self, report: Report, part: Part, state: PartState | None) -> PartState | None:
        """Go on with one part while time allows; return how it stands then, None when it was not begun."""
        for tries in range(_TRIES_IN_ONE_TICK):
            step = Step.SEND
            if state is not None:
                planned = next_step(self.task, state, self.means, self._now())
                if planned is None:
                    return state
                step, moment = planned
                pause = (moment - self._now()).total_seconds()
                # What a tick does not find due, or takes minutes, is left to a later one.
                is_slow = tries == 0 or step in (Step.ASK, Step.REPEAT_MARKED)
                if pause > 0 and (is_slow or not self.limits.wait(pause)):
                    return state
            if not self._may_go_on():
                return state
            state = self._take(step, report, part, state)
            if state is None or state.outcome in ("delivered", "refused"):
                return state
        return state

    def _may_go_on(self) -> bool:
        return self.limits.seconds_left() >= 1 and self._now() < self.run.lease_until

    def _take(self, step: Step, report: Report, part: Part, state: PartState | None) -> PartState | None:
        """Do one step about one part."""
        try:
            credentials = self.services.credentials(self.target, self.task)
        except (CredentialError, ConfigError, TryAgain) as error:
            if state is not None and step is not Step.SEND:
                return self._ask_later(state, str(error))
            refusal = NotSent(str(error)) if isinstance(error, TryAgain) else Refused(str(error))
            return self._settle(self._intent(part, state), refusal)
        if step is Step.ASK and state is not None:
            return self._ask(state, credentials)
        if not self._wait_for_a_place(credentials) or not self._is_still(step, state):
            return state
        if step is Step.REPEAT_MARKED or (state is not None and state.repeats):
            part = self.provider.render(report, self._stamp(repeat=True))[part.number - 1]
        intent = self._intent(part, state)
        if step is Step.REPEAT_SAME and state is not None:
            # The window runs from the first send, so this one must not look younger.
            intent = replace(intent, intent_at=state.intent_at, repeats=state.repeats)
        return self._send(step, intent, part, credentials)

    def _wait_for_a_place(self, credentials: Mapping[str, str]) -> bool:
        """Keep within the provider's rates; return False when that takes longer than there is time."""
        seconds = self.provider.reserve(self.target.chat_id, credentials, self.limits.seconds_left())
        return seconds <= 0 or self.limits.wait(seconds)

    def _is_still(self, step: Step, state: PartState | None) -> bool:
        """Return whether there is time left for a step after a wait, and it is still the right one."""
        if state is None:
            return self._may_go_on()
        planned = next_step(self.task, state, self.means, self._now())
        return self._may_go_on() and planned is not None and planned[0] is step

    def _intent(self, part: Part, state: PartState | None) -> PartState:
        return PartState(
            target=str(self.target),
            part=part.number,
            of=part.of,
            outcome=None,
            attempts=state.attempts + 1 if state else 1,
            intent_at=self._now(),
            repeats=(state.repeats + (state.outcome == "unknown")) if state else 0,
            questions=state.questions if state else 0,
        )

    def _send(self, step: Step, intent: PartState, part: Part, credentials: Mapping[str, str]) -> PartState | None:
        """Write the intent, send, write the outcome; None when the operator has stopped the task."""
        settle = self._settle_same if step is Step.REPEAT_SAME else self._settle
        clock = self.services.clock
        begun, begun_at = clock.monotonic(), self._now()
        withheld = self.services.store.runs.write_intent(self.run, intent)
        if withheld is not None:
            settle(intent, NotSent(f"withheld: {withheld}"), retries=False)
            return None
        # By both clocks: while a machine sleeps or a function is frozen the monotonic one may stand still.
        held_up = max(timedelta(seconds=clock.monotonic() - begun), self._now() - begun_at)
        seconds = self._seconds()
        if held_up > INTENT_TO_SEND or seconds <= 0:
            return settle(intent, NotSent("the process was held up before it could send"))
        try:
            outcome = self.provider.send(part, self._envelope(part.number, credentials), seconds)
        except Exception as error:  # noqa: BLE001  a bug after the intent must not look like a crash, nor as not sent
            outcome = Unknown(f"a bug in the {self.target.provider} provider: {type(error).__name__}: {error}")
        return settle(intent, outcome)

    def _settle_same(self, intent: PartState, outcome: Outcome, *, retries: bool = True) -> PartState:
        """Write what became of a repeat under the same key; one that fails tells nothing of the send before it."""
        if isinstance(outcome, Delivered):
            return self._settle(intent, outcome)
        pause = self._pause(intent, outcome if isinstance(outcome, NotSent) else None)
        again = self._now() + timedelta(seconds=pause)
        return self._write(replace(intent, outcome="unknown", error=redact(outcome.error), retry_at=again))

    def _settle(self, intent: PartState, outcome: Outcome, *, retries: bool = True) -> PartState:
        """Write what became of a part, and from when on it may be sent again."""
        state = replace(intent, outcome=OUTCOME_WORDS[type(outcome)])
        if isinstance(outcome, Delivered):
            note = None if outcome.note is None else redact(outcome.note)
            return self._write(replace(state, message_id=outcome.message_id, note=note))
        state = replace(state, error=redact(outcome.error))
        if isinstance(outcome, NotSent) and retries:
            again = self._now() + timedelta(seconds=self._pause(intent, outcome))
            state = replace(state, retry_at=again if again <= self.run.deliver_until else None)
        if isinstance(outcome, Unknown) and self.means.repeat_window:
            state = replace(state, retry_at=self._now() + timedelta(seconds=self._pause(intent, None)))
        if intent.repeats and state.outcome in ("refused", "not_sent") and state.retry_at is None:
            # The repeat did not arrive; whether the first send did is as unknown as before.
            state = replace(state, outcome="unknown")
        return self._write(state)

    def _pause(self, intent: PartState, outcome: NotSent | None) -> float:
        if outcome is not None and outcome.retry_after is not None:
            return outcome.retry_after
        return backoff_seconds(intent.attempts, random.random())  # noqa: S311  jitter, not a secret

    def _ask(self, state: PartState, credentials: Mapping[str, str]) -> PartState:
        """Ask the provider what became of a part; believe "not there" only from a provider that proves it."""
        assert state.intent_at is not None
        try:
            answer = self.provider.find(self._envelope(state.part, credentials), state.intent_at, self._seconds())
        except Exception as error:  # noqa: BLE001  a bug must not decide what became of a message
            answer = CannotTell(f"a bug: {type(error).__name__}: {error}")
        if isinstance(answer, Found):
            return self._write(
                replace(state, outcome="delivered", message_id=answer.message_id, error=None, retry_at=None)
            )
        if isinstance(answer, Absent):
            return self._write(replace(state, outcome="not_sent", error="it did not arrive", retry_at=self._now()))
        return self._ask_later(state, answer.why)

    def _ask_later(self, state: PartState, why: str) -> PartState:
        """Leave a part of unknown fate as it is for a while; after the last question the task decides at once."""
        pause = QUESTION_PAUSES[min(state.questions, len(QUESTION_PAUSES) - 1)]
        again = self._now() + (timedelta() if state.questions == len(QUESTION_PAUSES) else pause)
        told = f"it may have arrived; {self.target.provider} cannot tell: {redact(why)}"
        return self._write(replace(state, questions=state.questions + 1, error=told, retry_at=again))

    def _attach(self, images: tuple[Image, ...]) -> None:
        """Send the images, once each, below the text; the text is delivered whatever becomes of them."""
        if not isinstance(self.provider, AttachesImages):
            return
        for number, image in enumerate(images, FIRST_IMAGE):
            if number not in self.states:
                self._attach_one(number, image)

    def _attach_one(self, number: int, image: Image) -> None:
        assert isinstance(self.provider, AttachesImages)
        intent = self._intent(Part(number=number, of=number, body={}), None)
        try:
            credentials = self.services.credentials(self.target, self.task)
        except (CredentialError, ConfigError, TryAgain) as error:
            self._settle(intent, Refused(str(error)))
            return
        if not (self._may_go_on() and self._wait_for_a_place(credentials) and self._may_go_on()):
            self._settle(intent, NotSent("there was no time left to send it"), retries=False)
            return
        if self.services.store.runs.write_intent(self.run, intent) is not None:
            return
        try:
            outcome = self.provider.attach(image, self._envelope(number, credentials), self._seconds())
        except Exception as error:  # noqa: BLE001  an image never costs the text
            outcome = Unknown(f"a bug in the {self.target.provider} provider: {type(error).__name__}: {error}")
        self._settle(intent, outcome, retries=False)

    def _write(self, state: PartState) -> PartState:
        self.services.store.runs.write_outcome(self.run, state)
        self.states[state.part] = state
        return state

    def _envelope(self, part: int, credentials: Mapping[str, str]) -> Envelope:
        first = self.states.get(1)
        return Envelope(
            chat_id=self.target.chat_id,
            key=SendKey(task_id=self.run.task_id, fire_time=self.run.fire_time, target=str(self.target), part=part),
            credentials=credentials,
            first_id=first.message_id if first is not None else None,
        )

    def _seconds(self) -> float:
        """Return how long one request may take."""
        return min(SEND_TIME.total_seconds(), self.limits.seconds_left())

    def _now(self) -> datetime:
        return self.services.clock.now()
