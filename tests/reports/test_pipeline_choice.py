"""config.toml alone defines pipelines; a task's params, or its kind, choose among them."""

import json
import sys
from pathlib import Path

import pytest

from fakes.model_server import ModelServer, fails, says
from fakes.monitoring import FakeMonitoring
from fakes.watching import request
from watchbell.clock import SystemClock
from watchbell.errors import ConfigError, SourceError
from watchbell.reports.interface import Verdict
from watchbell.reports.pipeline import build_or_notice
from watchbell.secrets.redaction import redact
from watchbell.settings import load_settings
from watchbell.settings.pipelines import PIPELINE_KEYS
from watchbell.tasks import Kind
from watchbell.wiring.pipelines import make_pipeline

ECHO = f"""
[pipelines.echo]
command = [{json.dumps(sys.executable)}, "-c", "print('echo')"]
kinds = ["daily_summary", "synthetic_run"]
"""


@pytest.fixture
def home(tmp_path):
    return tmp_path


def settings(home, config, **environ):
    (home / "config.toml").write_text(config)
    return load_settings({"WATCHBELL_HOME": str(home), **environ})


def pipeline(home, config, **environ):
    return make_pipeline(settings(home, config, **environ), SystemClock())


def by(report):
    return report.sections[0].title if report.sections else report.reason


def test_without_configuration_the_built_in_one_builds(home):
    assert "pipeline unavailable: alert log" in pipeline(home, "").build(request()).reason


def test_a_kind_goes_to_the_pipeline_that_takes_it(home):
    made = pipeline(home, ECHO)
    assert by(made.build(request(Kind.SYNTHETIC_RUN))) == "By echo"
    assert "alert log" in made.build(request(Kind.WEEKLY_AUDIT)).reason


def test_a_task_may_name_its_pipeline(home):
    made = pipeline(home, ECHO)
    assert by(made.build(request(Kind.WEEKLY_AUDIT, pipeline="echo"))) == "By echo"
    assert "alert log" in made.build(request(Kind.DAILY_SUMMARY, pipeline="builtin")).reason


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("ecco", "params.pipeline: there is no pipeline 'ecco' in config.toml; known are builtin, echo"),
        (["sh", "-c", "id"], "params.pipeline must be the name of a pipeline"),
        ({"command": ["id"]}, "params.pipeline must be the name of a pipeline"),
    ],
)
def test_a_task_can_choose_a_pipeline_and_never_define_one(home, name, complaint):
    with pytest.raises(SourceError) as raised:
        pipeline(home, ECHO).build(request(pipeline=name))
    assert complaint in str(raised.value)


def test_an_unknown_pipeline_is_told_to_the_audience_of_a_summary(home):
    report = build_or_notice(pipeline(home, ECHO), request(pipeline="ecco"))
    assert (report.verdict, report.reason[:38]) == (Verdict.UNKNOWN, "pipeline unavailable: params.pipeline:")


@pytest.mark.parametrize("params", [{"pipeline": "ecco"}, {"prompt": "why?"}])
def test_a_pipeline_that_is_not_there_does_not_hide_what_the_sources_say(home, params):
    with FakeMonitoring() as prometheus:
        made = pipeline(home, ECHO + f'[sources.prometheus]\nurl = "{prometheus.url}"\n')
        report = build_or_notice(made, request(Kind.CUSTOM_INVESTIGATION, **params))
    assert report.reason.endswith("; the sources say OK: no incidents")
    assert [one.source for one in report.coverage] == ["prometheus"]
    assert report.actions == ("Mend the task's params, or [pipelines] in config.toml",)


def test_a_question_goes_to_the_model_that_is_configured(home):
    with ModelServer() as server:
        server.script = [fails(401)]
        config = f'[pipelines.writer]\nmodel = "openai:m"\nbase_url = "{server.openai_url}"\n'
        report = pipeline(home, config).build(request(Kind.CUSTOM_INVESTIGATION, prompt="why?"))
    assert by(report) == "No generated text"
    assert "refused the key (401)" in report.sections[0].lines[0]


@pytest.mark.parametrize(("config", "named"), [("", {}), ("[pipelines.ai]\nmodel='openai:m'", {"pipeline": "builtin"})])
def test_a_question_without_a_model_is_an_error(home, config, named):
    with pytest.raises(SourceError, match="needs a model"):
        pipeline(home, config).build(request(Kind.CUSTOM_INVESTIGATION, prompt="why?", **named))


def test_the_key_of_a_model_is_taken_from_where_it_is_kept_and_masked(home):
    with ModelServer() as server, FakeMonitoring() as prometheus:
        server.script = [says("All clear.")]
        config = f"""
[sources.prometheus]
url = "{prometheus.url}"
[pipelines.ai]
model = "anthropic:m"
api_key = "env:MY_KEY"
base_url = "{server.anthropic_url}"
kinds = ["custom_investigation"]
"""
        asked = request(Kind.CUSTOM_INVESTIGATION, prompt="why?")
        pipeline(home, config, MY_KEY="sk-very-secret-1").build(asked)
        assert "sk-very-secret-1" in str(server.requests[0][1])  # the headers
    assert redact("it was sk-very-secret-1") == "it was ***"


def test_a_key_that_is_not_there_leaves_the_report_without_a_text(home):
    config = '[pipelines.ai]\nmodel = "openai:m"\napi_key = "env:MY_KEY"\n'
    report = pipeline(home, config).build(request(Kind.CUSTOM_INVESTIGATION, prompt="why?"))
    assert "env:MY_KEY is not set" in report.sections[0].lines[0]


def test_without_the_extra_the_report_says_what_to_install(home, monkeypatch):
    monkeypatch.setitem(sys.modules, "pydantic_ai", None)
    monkeypatch.delitem(sys.modules, "watchbell.reports.pipelines.ai.model", raising=False)
    config = '[pipelines.ai]\nmodel = "openai:m"\n'
    report = pipeline(home, config).build(request(Kind.CUSTOM_INVESTIGATION, prompt="why?"))
    assert "pip install 'watchbell[ai]'" in report.sections[0].lines[0]


def test_a_command_gets_the_harmless_environment_and_what_its_table_names(home):
    script = "import os; print(' '.join(sorted(k for k in os.environ if k != 'LC_CTYPE')))"
    config = (
        f'[pipelines.x]\ncommand = [{json.dumps(sys.executable)}, "-c", {json.dumps(script)}]\nenvironment = ["MORE"]'
    )
    environ = {"SLACK_BOT_TOKEN": "xoxb-1", "PATH": "/usr/bin:/bin", "MORE": "1", "TZ": "UTC"}
    report = pipeline(home, config, **environ).build(request(pipeline="x"))
    assert report.sections[0].lines == ("MORE PATH TZ",)


def test_a_command_runs_beside_its_configuration(home):
    (home / "mine.sh").write_text("#!/bin/sh\necho mine\n")
    (home / "mine.sh").chmod(0o755)
    config = '[pipelines.x]\ncommand = ["./mine.sh"]'
    assert pipeline(home, config, PATH="/usr/bin:/bin").build(request(pipeline="x")).sections[0].lines == ("mine",)


def test_sources_that_are_not_configured_do_not_make_a_foreign_report_unknown(home):
    answer = {
        "verdict": "OK",
        "reason": "fine",
        "coverage": [{"source": "traces", "status": "ok", "detail": "all spans"}],
    }
    config = f"[pipelines.x]\ncommand = ['echo', '{json.dumps(answer)}']\n"
    environ = {"PATH": "/usr/bin:/bin"}
    assert pipeline(home, config, **environ).build(request(pipeline="x")).verdict is Verdict.OK
    down = config + "[sources.prometheus]\nurl = 'http://127.0.0.1:9'\n"
    report = pipeline(home, down, **environ).build(request(pipeline="x"))
    assert (report.verdict, "x says OK" in report.reason) == (Verdict.UNKNOWN, True)


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ("[pipelines.a]", "pipelines.a needs exactly one of command, url and model"),
        ("[pipelines.a]\nurl='https://h'\nmodel='openai:m'", "pipelines.a needs exactly one of"),
        ("[pipelines.builtin]\nurl='https://h'", "'builtin' cannot be a name"),
        ("[pipelines.'a b']\nurl='https://h'", "'a b' cannot be a name"),
        ("[pipelines]\na='sh'", "pipelines.a must be a table"),
        ("[pipelines.a]\ncommand='sh -c id'", "pipelines.a.command must be of type list"),
        ("[pipelines.a]\ncommand=[]", "pipelines.a.command must name a program"),
        ("[pipelines.a]\ncommand=['x', 1]", "pipelines.a.command must be a list of texts"),
        ("[pipelines.a]\ncommand=['x']\nkinds=['daily']", "'daily' is no kind; kinds are daily_summary"),
        ("[pipelines.a]\ncommand=['x']\nurl_='x'", "unknown key pipelines.a.url_"),
        ("[pipelines.a]\ncommand=['x']\ntimeout_seconds=0", "timeout_seconds must be between 1 and 300"),
        ("deadline_seconds=60\n[pipelines.a]\nurl='https://h'\ntimeout_seconds=61", "must be between 1 and 60"),
        ("[pipelines.a]\nurl='ftp://hunter22@h'", "pipelines.a.url must begin with https://"),
        ("[pipelines.a]\nurl='https://h'\nheaders={X=1}", "pipelines.a.headers must hold texts only"),
        ("[pipelines.a]\nmodel='gpt'", "pipelines.a.model must be openai:NAME or anthropic:NAME"),
        ("[pipelines.a]\nmodel='openai:'", "pipelines.a.model must be"),
        ("[pipelines.a]\nmodel='openai:m'\nmost_steps=0", "most_steps must be between 1 and 50"),
        (
            "[pipelines.a]\nurl='https://h'\nkinds=['weekly_audit']\n[pipelines.b]\nmodel='openai:m'\nkinds=['weekly_audit']",
            "both pipelines.a and pipelines.b take weekly_audit",
        ),
    ],
)
def test_a_wrong_table_is_refused_with_its_key_and_without_secrets(home, config, complaint):
    with pytest.raises(ConfigError) as raised:
        settings(home, config)
    assert complaint in str(raised.value)
    assert str(home / "config.toml") in str(raised.value)
    assert "hunter22" not in str(raised.value)


def test_a_secret_in_the_table_is_masked_from_then_on_and_not_shown(home):
    headers = "{X-Api-Key='key-1234567', Accept='a/plain-type'}"
    config = f"[pipelines.a]\nurl='https://h'\nbearer_token='tok-1234567'\nheaders={headers}"
    loaded = settings(home, config)
    assert redact("tok-1234567 key-1234567 a/plain-type") == "*** *** a/plain-type"
    assert "1234567" not in repr(loaded)


def test_every_key_is_documented():
    text = (Path(__file__).parents[2] / "docs" / "settings.md").read_text()
    assert {key for keys in PIPELINE_KEYS.values() for key in keys if f"{key} = " not in text} == set()
