"""`watchbell alerts record`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


def payload(name: str = "DiskFull") -> dict[str, Any]:
    alert = {"status": "firing", "labels": {"alertname": name}, "startsAt": "2026-11-22T01:00:00Z"}
    return {"version": "4", "status": "firing", "alerts": [alert, alert]}


def recorded(home: Path) -> list[str]:
    if not (home / "alerts.jsonl").exists():
        return []
    lines = (home / "alerts.jsonl").read_text().splitlines()
    return [json.loads(line)["payload"]["alerts"][0]["labels"]["alertname"] for line in lines]


@pytest.mark.parametrize("arguments", [(), ("-",)])
def test_one_payload_from_standard_input_is_added_however_it_is_laid_out(
    watchbell: Run, home: Path, arguments: tuple[str, ...]
) -> None:
    for indent in (None, 4):
        ended = watchbell("alerts", "record", *arguments, stdin=json.dumps(payload(), indent=indent))
        assert (ended.code, ended.out) == (0, "")
        assert "recorded 2 alert(s)" in ended.err
    assert recorded(home) == ["DiskFull", "DiskFull"]
    assert home.stat().st_mode & 0o777 == 0o700


def test_many_payloads_as_json_lines_from_a_file_are_added_in_order(watchbell: Run, home: Path, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text("\n".join(json.dumps(payload(name)) for name in "abc") + "\n\n")
    assert watchbell("alerts", "record", str(tmp_path / "in.jsonl")).code == 0
    assert recorded(home) == ["a", "b", "c"]


def test_the_configured_alert_log_is_the_one_that_is_written(watchbell: Run, home: Path, tmp_path: Path) -> None:
    home.mkdir()
    (home / "config.toml").write_text(f'[sources.alert_log]\npath = "{tmp_path}/elsewhere.jsonl"\n')
    assert watchbell("alerts", "record", stdin=json.dumps(payload())).code == 0
    assert (tmp_path / "elsewhere.jsonl").exists()


@pytest.mark.parametrize(
    ("stdin", "said"),
    [
        ("", "there is no payload"),
        ("hello", "line 1, column 1"),
        ('{"alerts": [', "line 1"),
        ("[]", "not an Alertmanager webhook payload"),
        ("{}", "`alerts`"),
        ('{"alerts": [{"status": "firing", "labels": []}]}', "labels must be an object"),
        (b"\xff\xfe", "UTF-8"),
        ("[" * 100_000, "line 1"),
    ],
)
def test_what_is_no_payload_is_one_line_and_exit_code_2_and_nothing_is_recorded(
    watchbell: Run, home: Path, stdin: str | bytes, said: str
) -> None:
    ended = watchbell("alerts", "record", stdin=stdin)
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err
    assert len(ended.err.splitlines()) == 1
    assert recorded(home) == []


def test_a_bad_payload_among_good_ones_is_named_by_its_line_with_what_was_recorded_before_it(
    watchbell: Run, home: Path
) -> None:
    ended = watchbell("alerts", "record", stdin=f"{json.dumps(payload('a'))}\n\n{{}}\n{json.dumps(payload('b'))}")
    assert ended.code == 2
    assert "line 3: " in ended.err
    assert "the 1 before it" in ended.err
    assert recorded(home) == ["a"]


def test_a_payload_that_no_line_of_the_log_can_hold_is_refused_with_what_to_do(watchbell: Run, home: Path) -> None:
    ended = watchbell("alerts", "record", stdin=json.dumps(payload() | {"externalURL": "x" * 16 * 1024 * 1024}))
    assert (ended.code, ended.out) == (2, "")
    assert "line 1: this payload would take 16777" in ended.err
    assert "send smaller groups (group_by: ['...'] in Alertmanager)" in ended.err
    assert len(ended.err.splitlines()) == 1
    assert recorded(home) == []


def test_a_missing_file_is_named(watchbell: Run) -> None:
    ended = watchbell("alerts", "record", "/nowhere/payload.json")
    assert ended.code == 2
    assert "/nowhere/payload.json" in ended.err
