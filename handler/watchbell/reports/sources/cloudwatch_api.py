"""Two questions to CloudWatch, page by page, with short time-outs; every failure is a SourceError of one line.

Credentials, region and endpoint come by AWS's standard settings (environment, profile, role).
"""

import threading
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from watchbell.aws.session import new_client
from watchbell.errors import ConfigError, SourceError
from watchbell.reports.sources.http import Deadline

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient

#: Without it AWS answers for metric alarms only.
TYPES = ["MetricAlarm", "CompositeAlarm"]
PAGE = 100
#: A hundred thousand changes: more is no history of alarms, and never read to its end.
MOST_PAGES = 1000

_CONNECT_SECONDS = 3.0
_READ_SECONDS = 10.0
_TRIES = 3

_ADVICE = (
    ("AccessDenied", "may not do this: it needs cloudwatch:DescribeAlarms and cloudwatch:DescribeAlarmHistory"),
    ("Throttl", "is throttled; fewer reports at once, or another minute"),
    ("RequestLimit", "is throttled; fewer reports at once, or another minute"),
    ("ExpiredToken", "has credentials that have expired"),
    ("UnrecognizedClient", "has credentials that AWS does not know"),
    ("InvalidClientTokenId", "has credentials that AWS does not know"),
    ("SignatureDoesNotMatch", "has a secret key that does not fit its access key"),
)


class CloudWatchApi:
    """Safe to share between threads; connects at the first question."""

    def __init__(self, region: str | None = None) -> None:
        self._wanted_region = region
        self._client: CloudWatchClient | None = None
        self._lock = threading.Lock()

    @property
    def region(self) -> str:
        """The region that is asked; raises SourceError when none is set."""
        return str(self._connected().meta.region_name)

    def alarms(self, prefix: str, deadline: Deadline) -> list[dict[str, Any]]:
        """Return every metric and composite alarm as it is now."""
        form: dict[str, Any] = {"AlarmTypes": TYPES, "MaxRecords": PAGE}
        if prefix:
            form["AlarmNamePrefix"] = prefix
        pages = self._pages("describe_alarms", form, deadline)
        return [alarm for page in pages for kind in ("MetricAlarms", "CompositeAlarms") for alarm in page.get(kind, ())]

    def history(self, kind: str, start: datetime, end: datetime, deadline: Deadline) -> Iterator[Mapping[str, Any]]:
        """Yield the items of one kind in [start, end], oldest first, of alarms that are gone as well."""
        form = {"AlarmTypes": TYPES, "HistoryItemType": kind, "StartDate": start, "EndDate": end}
        form |= {"MaxRecords": PAGE, "ScanBy": "TimestampAscending"}
        for page in self._pages("describe_alarm_history", form, deadline):
            yield from page["AlarmHistoryItems"]

    def _pages(self, operation: str, form: Mapping[str, Any], deadline: Deadline) -> Iterator[dict[str, Any]]:
        ask = getattr(self._connected(), operation)
        import botocore.exceptions as faults

        token: dict[str, str] = {}
        for _ in range(MOST_PAGES):
            deadline.remaining()
            try:
                page = ask(**form, **token)
            except faults.ClientError as error:
                raise SourceError(_refusal(error.response, operation)) from None
            except faults.BotoCoreError as error:
                raise SourceError(_what_broke(error)) from None
            yield page
            if not page.get("NextToken"):
                return
            token = {"NextToken": page["NextToken"]}
        raise SourceError(f"CloudWatch has more than {MOST_PAGES * PAGE:,} entries for this window")

    def _connected(self) -> "CloudWatchClient":
        with self._lock:
            if self._client is None:
                self._client = _new_client(self._wanted_region)
            return self._client


def _new_client(region: str | None) -> "CloudWatchClient":
    try:
        import botocore.exceptions as faults
        from botocore.config import Config
    except ImportError:
        raise SourceError("CloudWatch needs boto3: pip install 'watchbell[aws]'") from None
    retries: Any = {"mode": "standard", "total_max_attempts": _TRIES}
    config = Config(connect_timeout=_CONNECT_SECONDS, read_timeout=_READ_SECONDS, retries=retries)
    try:
        client: CloudWatchClient = new_client("cloudwatch", config, region)
        return client
    except ConfigError as error:
        raise SourceError(str(error)) from None
    except faults.BotoCoreError as error:
        raise SourceError(_what_broke(error)) from None


def _refusal(response: Mapping[str, Any], operation: str) -> str:
    error = response.get("Error", {})
    code = str(error.get("Code", ""))
    known = next((words for sign, words in _ADVICE if sign in code), None)
    if known:
        return f"CloudWatch refused ({code}): this account {known}"
    words = " ".join(str(error.get("Message", "")).split())[:200]
    return f"CloudWatch refused {operation} ({code}): {words}"


def _what_broke(error: Exception) -> str:
    """Never str(error) as it is: an address may hold what nobody should see."""
    known = {
        "NoCredentialsError": "there are no AWS credentials",
        "PartialCredentialsError": "the AWS credentials are incomplete",
        "NoRegionError": 'no AWS region is set: write region = "eu-central-1", or set AWS_REGION',
        "ProfileNotFound": "the AWS profile does not exist",
        "EndpointConnectionError": "CloudWatch cannot be reached",
        "ConnectTimeoutError": "CloudWatch cannot be reached in time",
        "ReadTimeoutError": f"CloudWatch did not answer within {_READ_SECONDS:g} s",
        "ConnectionClosedError": "CloudWatch broke off its answer",
    }
    name = type(error).__name__
    return known.get(name, f"asking CloudWatch failed ({name})")
