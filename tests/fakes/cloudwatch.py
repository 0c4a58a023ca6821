"""CloudWatch by moto's server, with the history of alarms, which moto does not keep, beside it.

with FakeCloudWatch() as aws:
    aws.alarm("cpu", "OK")
    aws.change("cpu", hour_ago, "OK", "ALARM")
"""

import json
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from moto.cloudwatch.models import cloudwatch_backends
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.server import ThreadedMotoServer

REGION = "eu-central-1"
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


class Refused(ServiceException):
    """An error of AWS, by its code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class FakeCloudWatch:
    """An account with the alarms that a test gives it."""

    def __init__(self, page: int = 100) -> None:
        self.items: list[dict[str, Any]] = []
        self.asked: list[dict[str, Any]] = []
        self.refusal: tuple[str, str] | None = None
        self.page = page
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)

    @property
    def environ(self) -> dict[str, str]:
        """What a process needs to find this account by AWS's standard settings."""
        host, port = self._server.get_host_and_port()
        return {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
        }

    def __enter__(self) -> "FakeCloudWatch":
        self._backend.alarms.clear()
        CloudWatchResponse.describe_alarm_history = lambda response: self._history(response)  # type: ignore[attr-defined]
        self._server.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._server.stop()
        del CloudWatchResponse.describe_alarm_history  # type: ignore[attr-defined]

    @property
    def _backend(self) -> Any:
        return cloudwatch_backends[DEFAULT_ACCOUNT_ID][REGION]

    def alarm(self, name: str, state: str, *, since: datetime = LONG_AGO, rule: str | None = None) -> None:
        """Make an alarm that is in a state since an instant; with a rule it is a composite one."""
        alarm = self._backend.put_metric_alarm(
            name=name, namespace="AWS/EC2", metric_name="CPU", metric_data_queries=None, comparison_operator=None,
            evaluation_periods=3, datapoints_to_alarm=None, period=60, threshold=1.0, statistic="Sum",
            extended_statistic=None, description=f"{name} is high", dimensions=[], alarm_actions=[], ok_actions=None,
            insufficient_data_actions=None, unit=None, actions_enabled=True, treat_missing_data=None,
            evaluate_low_sample_count_percentile=None, threshold_metric_id=None, rule=rule, tags=None,
        )  # fmt: skip
        alarm.state_value, alarm.state_updated_timestamp = state, since

    def change(self, name: str, at: datetime, old: str, new: str, *, kind: str = "MetricAlarm") -> None:
        """Let an alarm change its state."""
        data = {
            "version": "1.0",
            "oldState": {"stateValue": old},
            "newState": {"stateValue": new, "stateReason": f"it went {new}"},
        }
        self._add(name, at, "StateUpdate", f"Alarm updated from {old} to {new}", data, kind)

    def edit(self, name: str, at: datetime, what: str) -> None:
        """Create, Update or Delete an alarm."""
        self._add(name, at, "ConfigurationUpdate", f'Alarm "{name}" {what.lower()}d', {"type": what}, "MetricAlarm")

    def _add(self, name: str, at: datetime, item: str, summary: str, data: Any, kind: str) -> None:
        self.items.append(
            {
                "AlarmName": name,
                "AlarmType": kind,
                "Timestamp": at,
                "HistoryItemType": item,
                "HistorySummary": summary,
                "HistoryData": data if isinstance(data, str) else json.dumps(data),
            }
        )

    def _history(self, response: CloudWatchResponse) -> ActionResult:
        names = ("AlarmTypes", "HistoryItemType", "StartDate", "EndDate", "NextToken", "ScanBy", "MaxRecords")
        form = {name: response._get_param(name) for name in names}
        self.asked.append(form)
        if self.refusal:
            raise Refused(*self.refusal)
        start, end = (_instant(form[name]) for name in ("StartDate", "EndDate"))
        fitting = [
            item
            for item in sorted(self.items, key=lambda item: item["Timestamp"])
            if item["AlarmType"] in (form["AlarmTypes"] or ["MetricAlarm"])
            and item["HistoryItemType"] == form["HistoryItemType"]
            and start <= item["Timestamp"] <= end
        ]
        first = int(form["NextToken"] or 0)
        answer: dict[str, Any] = {"AlarmHistoryItems": fitting[first : first + self.page]}
        if first + self.page < len(fitting):
            answer["NextToken"] = str(first + self.page)
        return ActionResult(answer)


def _instant(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    return datetime.fromtimestamp(float(value), UTC)
