"""AWS Lambda: `tick_handler` for a schedule, `deliver_handler` for the queue; template.yaml wires both.

Nothing connects at import; a warm process keeps its clients. Lambda may invoke twice, late and at the same time as
another: claims, not Lambda, see to it that each fire is settled once. (Powertools' idempotency would not: it forgets a
call that failed, and does not fence a slow one.)
"""

import logging
import os
import sys
import threading
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter

from watchbell.claims import AHEAD, Status
from watchbell.clock import SystemClock
from watchbell.errors import ConfigError, TryAgain, UsageError, WatchbellError
from watchbell.instants import floor_minute, format_minute, parse_instant
from watchbell.secrets.redaction import RedactingFilter, redact, redact_json
from watchbell.telling.afterwards import heartbeat_after
from watchbell.tick import TickResult, begin, run_tick
from watchbell.wiring.warm import WarmServices
from watchbell.work import WorkResult
from watchbell.workers import PATIENCE_SECONDS

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from watchbell.batches import BatchResult
    from watchbell.queueing import Message

#: Before Lambda ends the process: work in hand comes to its end, what hangs is given back, the operator is told.
_MARGIN = timedelta(seconds=PATIENCE_SECONDS + 10)
#: Exit codes of a tick that was broken off.
_BROKEN = (1, 5)
#: Only after these is a tick worth repeating; Lambda's alarm is for nothing else.
_RAISED = (*_BROKEN, 75)
_NAMESPACE = "Watchbell"


class _Redacted(LambdaPowertoolsFormatter):
    def serialize(self, log: dict[str, Any]) -> str:  # type: ignore[override]
        """Write one line of JSON, with every secret in it masked."""
        return super().serialize(redact_json(log))


# Configures logging.getLogger("watchbell"), which all of Watchbell writes to; what others write goes to Lambda's own.
logger = Logger(service="watchbell", logger_formatter=_Redacted(serialize_stacktrace=False))
log = logging.getLogger("watchbell")
for _handler in logging.getLogger().handlers:
    _handler.addFilter(RedactingFilter())

_warm = WarmServices(timer="lambda")


class TickFailed(Exception):
    """A tick that did not come to its end."""


def tick_handler(event: Mapping[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """Do the work of one minute: of the event's scheduled time, else of the clock.

    `event` is EventBridge Scheduler's input `{"scheduled_time": "<aws.scheduler.scheduled-time>"}`, the event of a
    classic rule (`time`), or empty. Raises TickFailed where another try may help: a bug, the store, or too little time.
    """
    logger.append_keys(request_id=context.aws_request_id)
    with heartbeat_after(os.environ) as ending:
        answer = _tick(event, context)
        ending.exit_code = answer["exit_code"]
    if answer["exit_code"] in _RAISED:
        raise TickFailed(f"exit code {answer['exit_code']}: {'; '.join(answer['errors']) or 'see the runs'}")
    return answer


def _tick(event: Mapping[str, Any], context: "LambdaContext") -> dict[str, Any]:
    minute = _minute(event if isinstance(event, Mapping) else {})
    try:
        services = _warm.for_tick(os.environ)
        result = run_tick(services, minute, begin(services, threading.Event(), most=_time_left(context)))
    except WatchbellError as error:
        result = TickResult(minute=minute)
        result.fail(error)
    else:
        # A chat that is down leaves runs waiting (75): ticks go on all the same, and the alarm for dead ones is quiet.
        completed = result.is_complete and result.exit_code not in _BROKEN
        _emit(result, missed=sum(gap.count for gap in result.gaps), completed=completed)
        _end_if_hung(result)
    statuses = Counter(str(run.status) for run in result.runs)
    if statuses or result.gaps:
        log.info("tick %s: %s", format_minute(minute), dict(statuses))
    return {
        "minute": format_minute(minute),
        "runs": dict(statuses),
        "missed": sum(gap.count for gap in result.gaps),
        "errors": [redact(error) for error in result.errors],
        "exit_code": result.exit_code,
    }


def deliver_handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """Carry out what a batch of SQS messages asks for; those that must come again are named in the answer.

    Raises WatchbellError when the settings or the store cannot be used at all: then the whole batch comes again.
    """
    if not (isinstance(event, dict) and event.get("Records")):  # by hand: SQS never sends an empty batch
        return {"batchItemFailures": []}
    from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response

    logger.append_keys(request_id=context.aws_request_id)
    result = _deliver(event, context)

    def outcome(record: "SQSRecord") -> None:
        _read(record.body, record.message_id)
        if record.message_id not in result.done:
            raise TryAgain(f"message {record.message_id} ({record.body}): {'; '.join(result.errors) or 'not begun'}")

    processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False, logger=log)
    return dict(process_partial_response(event, outcome, processor, context))


def _deliver(event: Mapping[str, Any], context: "LambdaContext") -> "BatchResult":
    from watchbell.batches import run_batch

    messages = {}
    for record in event.get("Records", ()):
        try:
            messages[record["messageId"]] = _read(record["body"], record["messageId"])
        except UsageError as error:
            log.error("%s; it goes to the dead-letter queue", error)
    services = _warm.for_tick(os.environ)
    result = run_batch(services, messages, begin(services, threading.Event(), most=_time_left(context)))
    _emit(result)
    _end_if_hung(result)
    return result


def _read(body: str, message_id: str) -> "Message":
    from watchbell.queueing import Message

    try:
        return Message.from_text(body)
    except UsageError as error:
        raise UsageError(f"message {message_id} is {error}") from None


def _minute(event: Mapping[str, Any]) -> datetime:
    """Return the minute that an invocation was meant for; a text that is no time, or one far ahead, is not believed."""
    now = SystemClock().now()
    meant = event.get("scheduled_time") or event.get("time")
    if not meant:
        return floor_minute(now)
    try:
        minute = floor_minute(parse_instant(str(meant)))
    except ValueError as error:
        log.warning("the event's time is not usable: %s; this is a tick of the present minute", error)
        return floor_minute(now)
    if minute > now + AHEAD:
        log.warning("the event's time %s lies ahead; this is a tick of the present minute", meant)
        return floor_minute(now)
    return minute


def _time_left(context: "LambdaContext") -> timedelta:
    left = timedelta(milliseconds=context.get_remaining_time_in_millis()) - _MARGIN
    if left <= timedelta():
        raise ConfigError(f"the function's time-out is too short: give it more than {_MARGIN.seconds} seconds")
    return left


def _emit(result: WorkResult, *, missed: int = 0, completed: bool = False) -> None:
    """Write metrics to the log, in CloudWatch's embedded format."""
    from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

    metrics = EphemeralMetrics(namespace=_NAMESPACE)
    if completed:
        metrics.add_metric("TickCompleted", MetricUnit.Count, 1)
    for status, count in Counter(str(run.status) for run in result.runs).items():
        metrics.add_metric(f"Runs{status.capitalize()}", MetricUnit.Count, count)
    if missed:
        metrics.add_metric("MissedFires", MetricUnit.Count, missed)
    for run in result.runs:
        if run.status is Status.QUEUED:
            continue  # it has not started yet
        late = max(0.0, (run.started_at - run.due_at).total_seconds())
        metrics.add_metric("LateSeconds", MetricUnit.Seconds, late)
    if metrics.metric_set:
        metrics.flush_metrics()


def _end_if_hung(result: WorkResult) -> None:
    """End the process if a thread was left behind: in a frozen one it would go on at some later time."""
    if result.hung:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(75)
