"""CloudWatch: alarms become episodes with true times, and nothing that it cannot know reads as an all-clear."""

from datetime import UTC, datetime, timedelta

import pytest

from fakes.cloudwatch import REGION, FakeCloudWatch
from watchbell.clock import SystemClock
from watchbell.reports.interface import CoverageStatus
from watchbell.reports.sources.cloudwatch import CloudWatch

# moto complains of errors that CloudWatch shares with all of AWS.
pytestmark = pytest.mark.filterwarnings("ignore:Exception.*does not match an error shape")

NOW = datetime.now(UTC).replace(microsecond=0)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture
def aws(monkeypatch):
    with FakeCloudWatch() as fake:
        for name, value in fake.environ.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield fake


def read(start=NOW - DAY, end=NOW, **options):
    return CloudWatch(clock=SystemClock(), **options).read(start, end)


def times(evidence):
    return [(e.labels["alertname"], (e.start - NOW) / HOUR, e.end and (e.end - NOW) / HOUR) for e in evidence.episodes]


def test_an_alarm_s_stays_in_alarm_are_its_episodes(aws):
    aws.alarm("cpu", "ALARM", since=NOW - HOUR)
    aws.alarm("disk", "OK")
    aws.change("cpu", NOW - 9 * HOUR, "OK", "ALARM")
    aws.change("cpu", NOW - 7 * HOUR, "ALARM", "OK")
    aws.change("cpu", NOW - HOUR, "OK", "ALARM")
    evidence = read()
    assert times(evidence) == [("cpu", -9, -7), ("cpu", -1, None)]
    assert evidence.episodes[0].labels == {"alertname": "cpu", "region": REGION}
    assert evidence.episodes[0].annotations["summary"] == "it went ALARM"
    assert (evidence.coverage.status, evidence.coverage.detail) == (CoverageStatus.OK, f"2 alarms in {REGION}")
    assert evidence.covered_from == NOW - DAY


def test_a_window_of_the_past_is_read_back_from_the_state_now(aws):
    aws.alarm("cpu", "OK")
    aws.alarm("old", "ALARM", since=NOW - 100 * DAY)
    aws.change("cpu", NOW - HOUR, "ALARM", "OK")
    evidence = read(NOW - 10 * HOUR, NOW - 5 * HOUR)
    assert times(evidence) == [("old", -2400, None), ("cpu", -34, None)]


def test_composite_alarms_and_deleted_ones_are_seen_too(aws):
    aws.alarm("cpu", "OK")
    aws.alarm("all", "ALARM", since=NOW - HOUR, rule="ALARM(cpu)")
    aws.change("all", NOW - HOUR, "OK", "ALARM", kind="CompositeAlarm")
    aws.change("gone", NOW - 4 * HOUR, "OK", "ALARM")
    aws.edit("gone", NOW - 2 * HOUR, "Delete")
    assert times(read()) == [("gone", -4, -2), ("all", -1, None)]


def test_a_long_history_is_read_page_by_page(aws):
    aws.page = 7
    aws.alarm("cpu", "OK")
    for n in range(50):
        aws.change(
            "cpu", NOW - 20 * HOUR + n * timedelta(minutes=2), *(("OK", "ALARM") if n % 2 == 0 else ("ALARM", "OK"))
        )
    assert len(read().episodes) == 25


def test_a_prefix_narrows_what_is_read(aws):
    aws.alarm("web-cpu", "OK")
    aws.change("web-cpu", NOW - 2 * HOUR, "OK", "ALARM")
    aws.change("web-cpu", NOW - HOUR, "ALARM", "OK")
    aws.change("db-cpu", NOW - HOUR, "OK", "ALARM")
    evidence = read(name_prefix="web-")
    assert times(evidence) == [("web-cpu", -2, -1)]
    assert [rule.name for rule in evidence.rules] == ["web-cpu"]
    assert evidence.rules[0].for_seconds == 180


def test_without_alarms_nothing_is_known(aws):
    aws.alarm("db-cpu", "OK")
    evidence = read(name_prefix="web-")
    assert evidence.coverage.status is CoverageStatus.UNPROVEN
    assert evidence.coverage.detail == "it has no alarms whose name begins with web-, so it cannot know of any"
    assert evidence.covered_from is None


def test_an_alarm_that_lacked_data_for_long_was_not_watching(aws):
    aws.alarm("cpu", "OK")
    aws.change("cpu", NOW - 5 * HOUR, "OK", "INSUFFICIENT_DATA")
    aws.change("cpu", NOW - 3 * HOUR, "INSUFFICIENT_DATA", "OK")
    evidence = read()
    assert evidence.coverage.status is CoverageStatus.UNPROVEN
    assert evidence.coverage.detail.startswith("alarm cpu had insufficient data from ")
    assert evidence.covered_from == NOW - 3 * HOUR
    assert [(event.text, event.until) for event in evidence.events] == [("cpu had insufficient data", NOW - 3 * HOUR)]
    assert read(allow_insufficient_data=True).coverage.status is CoverageStatus.OK


def test_an_alarm_that_lacks_data_now_is_not_watching(aws):
    aws.alarm("cpu", "INSUFFICIENT_DATA", since=NOW - 40 * DAY)
    evidence = read()
    assert (evidence.coverage.status, evidence.covered_from) == (CoverageStatus.UNPROVEN, None)


def test_a_short_lack_of_data_spoils_nothing(aws):
    aws.alarm("cpu", "OK")
    aws.change("cpu", NOW - 5 * HOUR, "OK", "INSUFFICIENT_DATA")
    aws.change("cpu", NOW - 5 * HOUR + timedelta(minutes=10), "INSUFFICIENT_DATA", "OK")
    assert read().coverage.status is CoverageStatus.OK


def test_a_window_longer_than_aws_keeps_history_is_not_proven(aws):
    aws.alarm("cpu", "OK")
    evidence = read(NOW - 20 * DAY)
    assert evidence.coverage.status is CoverageStatus.UNPROVEN
    assert "AWS keeps alarm history for 14 days" in evidence.coverage.detail
    assert abs(evidence.covered_from - (NOW - 14 * DAY)) < HOUR  # from when these tests began to now


def test_what_was_before_the_first_alarm_was_made_is_not_proven(aws):
    aws.alarm("cpu", "OK")
    aws.edit("cpu", NOW - 6 * HOUR, "Create")
    evidence = read()
    assert (evidence.coverage.status, evidence.covered_from) == (CoverageStatus.UNPROVEN, NOW - 6 * HOUR)
    assert [event.text for event in evidence.events] == ['Alarm "cpu" created']


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("AccessDeniedException", "it needs cloudwatch:DescribeAlarms and cloudwatch:DescribeAlarmHistory"),
        ("ExpiredTokenException", "credentials that have expired"),
        ("InvalidNextToken", "CloudWatch refused describe_alarm_history (InvalidNextToken): no"),
    ],
)
def test_a_refusal_is_a_failed_source_with_what_to_do(aws, code, words):
    aws.alarm("cpu", "OK")
    aws.refusal = (code, "no")
    coverage = read().coverage
    assert coverage.status is CoverageStatus.FAILED
    assert words in coverage.detail


def test_being_throttled_is_a_failed_source(aws):
    aws.alarm("cpu", "OK")
    aws.refusal = ("ThrottlingException", "Rate exceeded")
    coverage = read().coverage
    assert (coverage.status, "throttled" in coverage.detail) == (CoverageStatus.FAILED, True)
    assert len(aws.asked) > 1


def test_history_that_cannot_be_read_is_a_failed_source(aws):
    aws.alarm("cpu", "OK")
    aws.change("cpu", NOW - HOUR, "OK", "ALARM")
    aws.items[0]["HistoryData"] = '{"version": "1.0", "newSta'
    assert read().coverage.status is CoverageStatus.FAILED


def test_without_credentials_or_region_or_server_it_says_so(monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert "no AWS region is set" in read().coverage.detail
    assert read(region=REGION).coverage.detail == "there are no AWS credentials"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    coverage = read(region=REGION).coverage
    assert (coverage.status, coverage.detail) == (CoverageStatus.FAILED, "CloudWatch cannot be reached")
