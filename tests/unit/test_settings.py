"""Settings come from the environment and config.toml, and what is wrong with them is said by file and key."""

from pathlib import Path

import pytest

from watchbell.errors import ConfigError
from watchbell.settings import home_folder, load_settings


def settings(home: Path, toml: str = "", **environ: str):  # type: ignore[no-untyped-def]
    (home / "config.toml").write_text(toml)
    return load_settings({"HOME": str(home), "WATCHBELL_HOME": str(home), **environ})


def test_without_any_source_reports_are_made_of_the_alert_log_in_the_home(tmp_path: Path) -> None:
    found = settings(tmp_path)
    assert [(source.kind, source.required) for source in found.sources] == [("alert_log", True)]
    assert found.alert_log == tmp_path / "alerts.jsonl"


def test_a_configured_source_replaces_the_default_one(tmp_path: Path) -> None:
    found = settings(tmp_path, WATCHBELL_PROMETHEUS_URL="http://p:9090", WATCHBELL_ALERTMANAGER_URL="http://a:9093")
    assert [(source.kind, source.options["url"]) for source in found.sources] == [
        ("prometheus", "http://p:9090"),
        ("alertmanager", "http://a:9093"),
    ]


def test_the_environment_wins_over_the_file_for_an_url_and_keeps_the_rest(tmp_path: Path) -> None:
    toml = '[sources.prometheus]\nurl = "http://old"\noptional = true\nbearer_token = "s3cret-value"\n'
    (source,) = settings(tmp_path, toml, WATCHBELL_PROMETHEUS_URL="http://new").sources
    assert source.options == {"url": "http://new", "bearer_token": "s3cret-value"}
    assert not source.required
    assert "s3cret" not in repr(source)


def test_everything_that_config_can_say(tmp_path: Path) -> None:
    found = settings(tmp_path, 'ops_target = "slack:C0OPS"\ndeadline_seconds = 60\nworkers = 3\nhistory_days = 30\n')
    assert str(found.ops_target) == "slack:C0OPS"
    assert (found.deadline.total_seconds(), found.workers, found.keep_history.days) == (60, 3, 30)


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("ops_taget = 'slack:C1'", "unknown key ops_taget"),
        ("ops_target = 'C1'", "ops_target: 'C1' is not a target"),
        ("ops_target = 7", "ops_target must be of type str"),
        ("workers = 0", "workers must be between 1 and 64"),
        ("workers = true", "workers must be"),
        ("deadline_seconds = 5", "deadline_seconds must be between 10 and 900"),
        ("[sources.promethus]\nurl = 'x'", "unknown source sources.promethus"),
        ("[sources.prometheus]", "sources.prometheus.url is missing"),
        ("[sources.prometheus]\nurl = 'x'\ntoken = 'y'", "unknown key sources.prometheus.token"),
        ("[sources]\nprometheus = 'x'", "sources.prometheus must be a table"),
        ("workers = ", "config.toml"),
    ],
)
def test_what_is_wrong_is_said_by_file_and_key(tmp_path: Path, toml: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settings(tmp_path, toml)
    assert words in str(caught.value)
    assert str(tmp_path / "config.toml") in str(caught.value)


@pytest.mark.parametrize(
    "toml",
    [
        "[sources.prometheus]\nurl = 'http://p'\npassword = 87654321",
        "[sources.prometheus]\nurl = 'http://p'\nheaders = 'X-Key: 87654321'",
        "[sources.prometheus]\nurl = ['http://user:87654321@p']",
        "[pipelines.a]\nmodel = 'openai:x'\napi_key = ['87654321']",
        "[pipelines.a]\nurl = 'http://p'\nbearer_token = 87654321",
    ],
)
def test_a_secret_of_the_wrong_type_is_not_repeated(tmp_path: Path, toml: str) -> None:
    with pytest.raises(ConfigError, match="must be of type") as caught:
        settings(tmp_path, toml)
    assert "87654321" not in str(caught.value)


@pytest.mark.parametrize("store", ["redis:x", "dynamodb", "dynamo:x", "LOCAL", "local:x"])
def test_a_store_that_is_not_known_is_refused_with_what_to_write(tmp_path: Path, store: str) -> None:
    with pytest.raises(ConfigError, match=f"WATCHBELL_STORE='{store}' is not a store; .*dynamodb:PREFIX"):
        settings(tmp_path, WATCHBELL_STORE=store)


@pytest.mark.parametrize("prefix", ["", "a b", "a/b", "größe", "x" * 250, "dynamodb:x", "x\n"])
def test_a_prefix_that_names_no_table_is_refused(tmp_path: Path, prefix: str) -> None:
    with pytest.raises(ConfigError, match="the prefix is 1 to 249 of"):
        settings(tmp_path, WATCHBELL_STORE=f"dynamodb:{prefix}")


@pytest.mark.parametrize("prefix", ["w", "watchbell", "team-1.prod_eu", "x" * 249])
def test_the_store_is_dynamodb_by_its_prefix(tmp_path: Path, prefix: str) -> None:
    assert settings(tmp_path, WATCHBELL_STORE=f"dynamodb:{prefix}").dynamodb_prefix == prefix


@pytest.mark.parametrize("store", ["", "local"])
def test_the_store_is_local_unless_said_otherwise(tmp_path: Path, store: str) -> None:
    assert settings(tmp_path, WATCHBELL_STORE=store).dynamodb_prefix is None


QUEUE = "https://sqs.eu-central-1.amazonaws.com/123456789012/watchbell"


def test_a_queue_hands_runs_on_where_the_store_is_shared(tmp_path: Path) -> None:
    found = settings(tmp_path, WATCHBELL_STORE="dynamodb:w", WATCHBELL_QUEUE_URL=QUEUE)
    assert found.queue_url == QUEUE
    assert settings(tmp_path, WATCHBELL_STORE="dynamodb:w").queue_url is None


def test_a_queue_needs_a_store_that_is_shared(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="WATCHBELL_QUEUE_URL needs a store that other processes can reach"):
        settings(tmp_path, WATCHBELL_QUEUE_URL=QUEUE)


def test_a_queue_is_named_by_its_url(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="WATCHBELL_QUEUE_URL='watchbell' is not the URL of an SQS queue"):
        settings(tmp_path, WATCHBELL_STORE="dynamodb:w", WATCHBELL_QUEUE_URL="watchbell")


def test_a_config_file_that_is_named_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="which does not exist"):
        load_settings({"WATCHBELL_HOME": str(tmp_path), "WATCHBELL_CONFIG": str(tmp_path / "none.toml")})


def test_the_home_is_watchbell_home_else_the_xdg_folder_else_dot_config() -> None:
    assert home_folder({"WATCHBELL_HOME": "/srv/w", "XDG_CONFIG_HOME": "/x"}) == Path("/srv/w")
    assert home_folder({"XDG_CONFIG_HOME": "/x"}) == Path("/x/watchbell")
    assert home_folder({}) == Path.home() / ".config" / "watchbell"
