"""A program that builds reports: what it is given, and what becomes of whatever it does."""

import json
import os
import re
import shutil
import sys
import time
from pathlib import Path

import pytest

from fakes.watching import Watching, episode, request
from watchbell.clock import SystemClock
from watchbell.errors import SourceError
from watchbell.reports.interface import CoverageStatus, Verdict
from watchbell.reports.pipeline import BuiltinPipeline, build_or_notice
from watchbell.reports.pipelines.command import CommandPipeline
from watchbell.reports.pipelines.vouching import own_account
from watchbell.secrets.redaction import remember_secret
from watchbell.tasks import Kind

PATH = os.environ["PATH"]


def pipeline(script, *, environ=None, source=None, **options):
    builtin = BuiltinPipeline([source or Watching()])
    return CommandPipeline(
        script if isinstance(script, list) else [sys.executable, "-c", script],
        name="opensre",
        account=lambda asked: own_account(builtin.material(asked)),
        environ={"PATH": PATH} if environ is None else environ,
        clock=SystemClock(),
        **options,
    )


def error_of(script, **options):
    with pytest.raises(SourceError) as raised:
        pipeline(script, **options).build(request())
    return str(raised.value)


def gone(pid):
    """Whether the process ends within a moment (a zombie has ended)."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def test_markdown_becomes_a_report():
    report = pipeline("print('# Checkout\\nis slow')").build(request())
    assert (report.sections[0].title, report.sections[0].lines) == ("Checkout", ("is slow",))
    assert report.verdict is Verdict.ATTENTION


def test_json_becomes_a_report():
    answer = {"verdict": "DEGRADED", "reason": "p99 is up", "sections": [{"title": "p99", "lines": ["0.8 s"]}]}
    report = pipeline(f"print({json.dumps(answer)!r})").build(request())
    assert (report.verdict, report.reason, report.sections[0].lines) == (Verdict.DEGRADED, "p99 is up", ("0.8 s",))


def test_a_program_reads_the_question_on_its_standard_input():
    script = "import json,sys; q = json.load(sys.stdin); print('kind:', q['kind'], 'own:', q['findings']['verdict'])"
    assert pipeline(script).build(request()).sections[0].lines == ("kind: daily_summary own: OK",)


def test_a_program_that_reads_nothing_may_answer():
    asked = request(Kind.CUSTOM_INVESTIGATION, filler="x" * 500_000)
    assert pipeline("print('fine')").build(asked).sections[0].lines == ("fine",)


def test_a_program_sees_only_the_environment_that_it_is_given(monkeypatch):
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-1")
    script = "import json, os; print(' '.join(sorted(k for k in os.environ if k != 'LC_CTYPE')))"
    assert pipeline(script, environ={"PATH": PATH, "TZ": "UTC"}).build(request()).sections[0].lines == ("PATH TZ",)


def test_no_shell_takes_part():
    assert pipeline(["echo", "$HOME; ls"]).build(request()).sections[0].lines == ("$HOME; ls",)


def test_a_relative_program_is_meant_from_its_folder(tmp_path):
    script = tmp_path / "report.sh"
    script.write_text("#!/bin/sh\necho from $(basename $(pwd))\n")
    script.chmod(0o755)
    report = pipeline(["./report.sh"], folder=tmp_path).build(request())
    assert report.sections[0].lines == (f"from {tmp_path.name}",)


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        ("import sys; print('half'); sys.exit('no such host')", "ended with exit code 1: no such host"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "was ended by signal SIGSEGV"),
        ("", "answered with no text"),
        ("print('{\"verdict\": ')", "answered with broken JSON"),
        (["/nowhere/opensre"], "cannot be started"),
        (["opensre-is-not-here"], f"is not in PATH {PATH}; write its full path"),
        (["/etc/passwd"], "cannot be started: Permission denied"),
    ],
)
def test_every_failure_is_one_clear_line(script, complaint):
    error = error_of(script)
    assert complaint in error
    assert error.startswith("pipeline opensre: ")
    assert "\n" not in error


def test_a_failed_program_is_a_notice_for_the_audience_or_an_error_for_the_operator():
    broken = pipeline("import sys; sys.exit(3)")
    assert build_or_notice(broken, request()).reason.startswith("pipeline unavailable: pipeline opensre: ")
    with pytest.raises(SourceError, match="exit code 3"):
        build_or_notice(broken, request(Kind.SYNTHETIC_RUN))


@pytest.mark.parametrize(
    ("script", "options"),
    [
        (["false"], {}),
        ('print(\'{"verdict": "OK"}\'); raise SystemExit(1)', {}),
        ("print('{\"verdict\": ')", {}),
        (["/nowhere/opensre"], {}),
        (["sleep", "60"], {"timeout_seconds": 0.2}),
        (["yes"], {"most_bytes": 1000}),
    ],
)
def test_the_notice_of_a_failed_program_tells_what_the_sources_say_and_blames_the_program(script, options):
    firing = Watching(episode(minutes=None, severity="critical"))
    report = build_or_notice(pipeline(script, source=firing, **options), request())
    assert report.verdict is Verdict.UNKNOWN
    assert report.reason.startswith("pipeline unavailable: pipeline opensre: ")
    assert report.reason.endswith("; the sources say DEGRADED: 1 alert firing, 1 of them urgent")
    assert [(one.source, one.status) for one in report.coverage] == [("prometheus", CoverageStatus.OK)]
    assert {one.name: one.value for one in report.numbers} == {"new": 1, "resolved": 0, "still firing": 1}
    assert len(report.still_firing) == 1
    assert report.actions == ("Mend the pipeline: see [pipelines.opensre] in config.toml",)
    assert report.source_error.startswith("pipeline opensre: ")


def test_sources_that_are_ill_too_are_named_beside_the_failed_program():
    report = build_or_notice(pipeline(["false"], source=Watching(status=CoverageStatus.UNPROVEN)), request())
    assert report.reason.endswith("; the sources say UNKNOWN: prometheus: it is unproven")
    assert [action.partition(": ")[2] for action in report.actions] == [
        "see [pipelines.opensre] in config.toml",
        "watchbell doctor says what to do about each source",
    ]
    assert {one.value for one in report.numbers} == {None}


def test_long_complaints_do_not_push_away_what_the_sources_say():
    report = build_or_notice(pipeline("import sys; sys.exit('x' * 1000 + ' the end')"), request())
    assert len(report.reason) < 300
    assert report.reason.endswith("…; the sources say OK: no incidents")
    assert report.sections[0].lines[0].endswith("x the end")


def test_only_the_end_of_the_complaints_is_told_without_secrets():
    remember_secret("hunter22-hunter22")
    error = error_of("import sys; sys.exit('x' * 100000 + ' key hunter22-hunter22 refused')")
    assert error.endswith("key *** refused")
    assert len(error) < 600


def test_a_key_that_the_program_was_given_is_masked_in_its_complaints():
    given = {"PATH": PATH, "DESK_API_KEY": "plainwords-of-a-key"}
    error = error_of("import os, sys; sys.exit('refused ' + os.environ['DESK_API_KEY'] + ' today')", environ=given)
    assert error.endswith("refused *** today")


def test_a_program_that_takes_too_long_ends_with_all_that_it_started(tmp_path):
    pids = tmp_path / "pids"
    script = f"sleep 60 & echo $! $$ > {pids}; echo waiting >&2; wait"
    began = time.monotonic()
    error = error_of(["sh", "-c", script], timeout_seconds=0.5)
    assert error.endswith("did not end within 0.5 s: waiting")
    assert time.monotonic() - began < 5
    assert all(gone(pid) for pid in pids.read_text().split())


def test_a_program_that_will_not_be_asked_to_end_is_killed(tmp_path):
    pid = tmp_path / "pid"
    script = (
        f"import os, signal, time; signal.signal(15, signal.SIG_IGN); open({str(pid)!r}, 'w').write(str(os.getpid()))"
        "; time.sleep(60)"
    )
    assert "did not end within" in error_of(script, timeout_seconds=1)
    assert gone(pid.read_text())


def test_what_a_program_leaves_running_neither_delays_the_report_nor_lives_on(tmp_path):
    pid = tmp_path / "pid"
    began = time.monotonic()
    report = pipeline(["sh", "-c", f"sleep 60 & echo $! > {pid}; echo done"]).build(request())
    assert report.sections[0].lines == ("done",)
    assert time.monotonic() - began < 10
    assert gone(pid.read_text().strip())


def test_an_endless_answer_is_cut_off():
    began = time.monotonic()
    assert error_of(["yes"], most_bytes=100_000).endswith("wrote more than 97 KiB")
    assert time.monotonic() - began < 10


@pytest.mark.skipif(not shutil.which("jq"), reason="the documented script needs jq")
@pytest.mark.parametrize(("code", "built"), [(0, True), (1, False)])
def test_the_documented_script_for_opensre_hands_question_and_answer_on(tmp_path, code, built):
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "pipelines.md").read_text()
    stand_in = f"""#!{sys.executable}
import json, sys
assert sys.argv[1:] == ["investigate", "--input", "-"]
alert = json.load(sys.stdin)
print(json.dumps({{"report": "*Cause* of " + alert["alert_name"], "root_cause": ""}}))
sys.exit({code})
"""
    for name, text in (
        ("report.sh", re.search(r"```sh\n(#!/bin/sh\n.*?)```", page, re.DOTALL)[1]),
        ("opensre", stand_in),
    ):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    made = pipeline(["./report.sh"], folder=tmp_path, environ={"PATH": f"{tmp_path}:{PATH}"})
    asked = request(Kind.CUSTOM_INVESTIGATION, question="Why is checkout slow?")
    if built:
        assert made.build(asked).sections[0].lines == ("Cause of Why is checkout slow?",)
    else:
        with pytest.raises(SourceError, match="exit code 1"):
            made.build(asked)
