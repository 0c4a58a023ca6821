"""References to secrets kept elsewhere: followed when needed, kept for minutes, named in errors, masked in logs."""

import json
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from moto import mock_aws

from watchbell.aws.secret_stores import AwsSecrets
from watchbell.errors import ConfigError, CredentialError, TryAgain
from watchbell.secrets.credentials import resolve
from watchbell.secrets.redaction import MASK, redact
from watchbell.secrets.references import AS_WRITTEN, FAILED, FRESH, References, is_reference
from watchbell.settings import Settings, load_settings
from watchbell.wiring.sources import make_source

SECRET = "xoxb-kept-elsewhere-1234567890"


class Watch:
    """A clock that a test turns on."""

    time = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time


class Vault:
    """Something that is asked for secrets, and counts how often."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def __call__(self, scheme: str, name: str) -> str:
        self.asked.append(f"{scheme}:{name}")
        answer = self.answers[name]
        if isinstance(answer, Exception):
            raise answer
        return str(answer)


def references(fetch: Any = None, clock: Watch | None = None) -> References:
    return References(clock or Watch(), fetch)  # type: ignore[arg-type]


class TestWhatIsAReference:
    @pytest.mark.parametrize(
        "text",
        ["ssm:/a/b", "secretsmanager:bot#token", "secretsmanager:arn:aws:secretsmanager:eu-west-1:1:secret:x-AbCdEf",
         "env:TOKEN", "file:/run/secrets/x", "ssm:"],
    )  # fmt: skip
    def test_what_begins_with_a_scheme_is_one(self, text: str) -> None:
        assert is_reference(text)

    @pytest.mark.parametrize(
        "value",
        ["xoxb-1-a", "123456:AAH", "https://hooks.slack.com/x", "ssm", "SSM:/a", " env:X", "files:/x", 7, None, {}],
    )
    def test_tokens_addresses_and_other_things_are_none(self, value: object) -> None:
        assert not is_reference(value)


class TestEnvironmentAndFiles:
    def test_a_variable_stands_for_its_value_to_the_letter(self) -> None:
        assert references().secret("env:BOT", {"BOT": "env:not-followed-further"}) == "env:not-followed-further"

    @pytest.mark.parametrize("environ", [{}, {"BOT": ""}])
    def test_a_variable_that_is_not_set_is_named(self, environ: Mapping[str, str]) -> None:
        with pytest.raises(CredentialError, match=r"^env:BOT is not set$"):
            references().secret("env:BOT", environ)

    @pytest.mark.parametrize("ending", ["", "\n", "\r\n", "\n\n"])
    def test_a_file_stands_for_its_text_without_the_last_line_break(self, tmp_path: Path, ending: str) -> None:
        (tmp_path / "token").write_bytes(f"{SECRET}{ending}".encode())
        assert references().secret(f"file:{tmp_path}/token", {}) == SECRET

    def test_a_file_that_changes_is_read_anew(self, tmp_path: Path) -> None:
        secrets = references()
        for value in ("first-value", "second-value"):
            (tmp_path / "token").write_text(value)
            assert secrets.secret(f"file:{tmp_path}/token", {}) == value

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (None, "cannot be read: No such file"),
            (b"\n", "is empty"),
            (b"\xff\xfe", "is not UTF-8"),
            (b"x" * 65_537, "64 KiB"),
        ],
    )
    def test_what_is_wrong_with_a_file_is_said_by_its_reference(
        self, tmp_path: Path, content: bytes | None, words: str
    ) -> None:
        if content is not None:
            (tmp_path / "token").write_bytes(content)
        with pytest.raises(CredentialError) as caught:
            references().secret(f"file:{tmp_path}/token", {})
        assert str(caught.value).startswith(f"file:{tmp_path}/token")
        assert words in str(caught.value)

    def test_a_file_is_named_by_its_whole_path(self) -> None:
        with pytest.raises(CredentialError, match="file:run/x: write an absolute path"):
            references().secret("file:run/x", {})


class TestKeeping:
    def test_an_answer_is_kept_for_minutes_and_then_asked_for_again(self) -> None:
        clock, vault = Watch(), Vault(token="first-value")
        secrets = references(vault, clock)
        assert [secrets.secret("ssm:token", {}) for _ in range(3)] == ["first-value"] * 3
        vault.answers["token"] = "second-value"
        clock.time += FRESH - timedelta(seconds=1)
        assert secrets.secret("ssm:token", {}) == "first-value"
        clock.time += timedelta(seconds=1)
        assert secrets.secret("ssm:token", {}) == "second-value"
        assert len(vault.asked) == 2

    def test_a_clock_that_is_set_back_keeps_nothing_longer(self) -> None:
        clock, vault = Watch(), Vault(token="first-value")
        secrets = references(vault, clock)
        secrets.secret("ssm:token", {})
        vault.answers["token"] = "second-value"
        clock.time -= timedelta(hours=1)
        assert secrets.secret("ssm:token", {}) == "second-value"

    def test_a_failure_is_kept_for_seconds_so_that_many_deliveries_ask_once(self) -> None:
        clock, vault = Watch(), Vault(token=CredentialError("ssm:token does not exist"))
        secrets = references(vault, clock)
        for _ in range(5):
            with pytest.raises(CredentialError, match="ssm:token does not exist"):
                secrets.secret("ssm:token", {})
        assert len(vault.asked) == 1
        vault.answers["token"] = "made-meanwhile"
        clock.time += FAILED
        assert secrets.secret("ssm:token", {}) == "made-meanwhile"

    def test_while_it_cannot_be_asked_what_was_known_stays_good(self) -> None:
        clock, vault = Watch(), Vault(token="known-value")
        secrets = references(vault, clock)
        secrets.secret("ssm:token", {})
        vault.answers["token"] = TryAgain("ssm:token cannot be read now")
        clock.time += FRESH
        assert secrets.secret("ssm:token", {}) == "known-value"
        vault.answers["token"] = CredentialError("ssm:token may not be read")
        clock.time += FAILED
        with pytest.raises(CredentialError, match="may not be read"):
            secrets.secret("ssm:token", {})

    def test_many_threads_ask_once(self) -> None:
        asked = []

        def slow(scheme: str, name: str) -> str:
            asked.append(name)
            time.sleep(0.05)
            return "one-answer"

        secrets = references(slow)
        found: list[str] = []
        threads = [threading.Thread(target=lambda: found.append(secrets.secret("ssm:token", {}))) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == ["one-answer"] * 16
        assert asked == ["token"]

    def test_a_slow_answer_holds_up_nobody_who_asks_for_another(self) -> None:
        gate = threading.Event()

        def fetch(scheme: str, name: str) -> str:
            return "slow-value" if name == "slow" and gate.wait(10) else "quick-value"

        secrets = references(fetch)
        waiting = threading.Thread(target=lambda: secrets.secret("ssm:slow", {}))
        waiting.start()
        try:
            assert secrets.secret("ssm:quick", {}) == "quick-value"
        finally:
            gate.set()
            waiting.join()


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An AWS account of this test's own, in memory."""
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "testing"),
        ("AWS_SECRET_ACCESS_KEY", "testing"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_DEFAULT_REGION", "eu-central-1"),
    ):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with mock_aws():
        yield


def put_parameter(name: str, value: str, kind: str = "SecureString") -> None:
    boto3.client("ssm").put_parameter(Name=name, Value=value, Type=kind, Overwrite=True)  # type: ignore[call-overload]


def put_secret(name: str, **value: Any) -> None:
    boto3.client("secretsmanager").create_secret(Name=name, **value)


@pytest.mark.usefixtures("aws")
class TestAws:
    @pytest.mark.parametrize("kind", ["String", "SecureString"])
    def test_a_parameter_is_read_and_decrypted(self, kind: str) -> None:
        put_parameter("/watchbell/slack", SECRET, kind)
        assert references().secret("ssm:/watchbell/slack", {}) == SECRET

    def test_a_parameter_may_be_named_with_its_version(self) -> None:
        put_parameter("/watchbell/slack", "first-value")
        put_parameter("/watchbell/slack", "second-value")
        assert references().secret("ssm:/watchbell/slack:1", {}) == "first-value"
        assert references().secret("ssm:/watchbell/slack", {}) == "second-value"

    def test_a_secret_is_read_whole_or_one_field_of_it(self) -> None:
        put_secret("bots", SecretString=json.dumps({"slack": SECRET, "number": 7}))
        assert references().secret("secretsmanager:bots#slack", {}) == SECRET
        assert json.loads(references().text("secretsmanager:bots", {}))["slack"] == SECRET

    def test_a_secret_may_be_named_by_its_arn(self) -> None:
        put_secret("bots", SecretString=json.dumps({"slack": SECRET}))
        arn = boto3.client("secretsmanager").describe_secret(SecretId="bots")["ARN"]
        assert references().secret(f"secretsmanager:{arn}#slack", {}) == SECRET

    @pytest.mark.parametrize(
        ("reference", "words"),
        [
            ("ssm:/none", "ssm:/none does not exist in this account and region"),
            ("secretsmanager:none", "secretsmanager:none does not exist"),
            ("secretsmanager:bots#discord", "the secret has no text under 'discord'"),
            ("secretsmanager:bots#number", "the secret has no text under 'number'"),
            ("secretsmanager:plain#slack", "the secret is no JSON object; leave #slack out"),
            ("secretsmanager:binary", "is binary"),
        ],
    )
    def test_what_is_wrong_is_said_by_the_reference_and_never_by_the_value(self, reference: str, words: str) -> None:
        put_secret("bots", SecretString=json.dumps({"slack": SECRET, "number": 7}))
        put_secret("plain", SecretString=SECRET)
        put_secret("binary", SecretBinary=b"\x00" + SECRET.encode())
        with pytest.raises(CredentialError) as caught:
            references().secret(reference, {})
        assert words in str(caught.value)
        assert reference in redact(caught.value) or reference.partition("#")[0] in redact(caught.value)
        assert SECRET not in str(caught.value)


class Answering:
    """A client that always answers with one error."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def get_parameter(self, **request: Any) -> Any:
        raise self.error


def refusing(error: Exception) -> References:
    vault = AwsSecrets()
    vault._clients["ssm"] = Answering(error)
    return references(vault.fetch)


def client_error(code: str, status: int = 400) -> Exception:
    from botocore.exceptions import ClientError

    answer: Any = {
        "Error": {"Code": code, "Message": f"told of {SECRET}"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, "GetParameter")


class TestWhenAwsRefuses:
    @pytest.mark.parametrize(
        "error",
        [
            client_error("ThrottlingException"),
            client_error("InternalServerError", 500),
            client_error("Strange", 503),
            EndpointConnectionError(endpoint_url="https://ssm.eu-central-1.amazonaws.com"),
        ],
    )
    def test_what_passes_by_itself_is_worth_another_try(self, error: Exception) -> None:
        with pytest.raises(TryAgain, match=r"^ssm:/a cannot be read now: "):
            refusing(error).secret("ssm:/a", {})

    def test_a_missing_right_is_named(self) -> None:
        with pytest.raises(
            CredentialError, match="ssm:/a may not be read: allow ssm:GetParameter on it, and kms:Decrypt"
        ):
            refusing(client_error("AccessDeniedException")).secret("ssm:/a", {})

    def test_aws_own_words_do_not_travel_on(self) -> None:
        with pytest.raises(CredentialError) as caught:
            refusing(client_error("ValidationException")).secret("ssm:/a", {})
        assert str(caught.value) == "ssm:/a cannot be read: AWS answered ValidationException"
        assert caught.value.__cause__ is None

    def test_without_a_region_or_credentials_it_says_what_to_set(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        with pytest.raises(CredentialError, match="ssm:/a cannot be read: set AWS_REGION"):
            references().secret("ssm:/a", {})
        monkeypatch.setenv("AWS_REGION", "eu-central-1")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        with pytest.raises(CredentialError, match="no usable AWS credentials"):
            references().secret("ssm:/a", {})


def write_store(path: Path, service: str, **credentials: Any) -> Path:
    path.write_text(json.dumps([{"id": "1", "service": service, "credentials": credentials}]))
    path.chmod(0o600)
    return path


class TestWhereTheyMayStand:
    def test_in_the_integration_store_and_masked_once_followed(self, tmp_path: Path) -> None:
        token = "kept-in-ssm-and-never-shown"
        vault = Vault(**{"/slack": token})
        path = write_store(tmp_path / "integrations.json", "slack", bot_token="ssm:/slack")
        found = resolve("slack", integrations=path, environ={}, params={}, references=references(vault))
        assert found == {"bot_token": token}
        assert redact(f"sent with {token}") == f"sent with {MASK}"

    def test_in_the_variables_of_tokens(self, tmp_path: Path) -> None:
        environ = {"TELEGRAM_BOT_TOKEN": "env:OTHER", "OTHER": "12345:from-another-variable"}
        found = resolve("telegram", integrations=tmp_path / "none", environ=environ, params={})
        assert found == {"bot_token": "12345:from-another-variable"}

    def test_in_the_params_of_a_task_they_are_plain_text(self, tmp_path: Path) -> None:
        """Who may write tasks is not thereby allowed to read this machine's secrets."""
        params = {"bot_token": "env:OTHER"}
        found = resolve("slack", integrations=tmp_path / "none", environ={"OTHER": "secret-value"}, params=params)
        assert found == {"bot_token": "env:OTHER"}

    def test_one_that_fails_is_an_error_and_no_reason_to_send_as_somebody_else(self, tmp_path: Path) -> None:
        path = write_store(tmp_path / "integrations.json", "slack", bot_token="env:NONE")
        with pytest.raises(CredentialError, match=r"^env:NONE is not set$"):
            resolve("slack", integrations=path, environ={"SLACK_BOT_TOKEN": "another"}, params={})

    def test_a_value_that_would_break_a_header_is_refused_by_its_reference(self, tmp_path: Path) -> None:
        path = write_store(tmp_path / "integrations.json", "slack", bot_token="env:BOT")
        with pytest.raises(CredentialError, match="from env:BOT holds a line break") as caught:
            resolve("slack", integrations=path, environ={"BOT": "two\nlines"}, params={})
        assert "two" not in str(caught.value)

    def test_all_values_of_a_source_are_followed_when_it_is_read_and_not_before(self, tmp_path: Path) -> None:
        (tmp_path / "config.toml").write_text(
            '[sources.prometheus]\nurl = "ssm:/url"\nbearer_token = "ssm:/token"\nheaders = { "X-Org" = "ssm:/org" }\n'
        )
        vault = Vault(**{"/url": "http://kept-in-ssm:9090", "/token": "token-value", "/org": "team-value"})
        found = load_settings({"WATCHBELL_HOME": str(tmp_path)}, references(vault))
        assert vault.asked == []
        assert found.sources[0].followed(found.references, found.environ).options == {
            "url": "http://kept-in-ssm:9090",
            "bearer_token": "token-value",
            "headers": {"X-Org": "team-value"},
        }

    def test_a_user_name_is_followed_and_not_masked(self, tmp_path: Path) -> None:
        (tmp_path / "config.toml").write_text('[sources.prometheus]\nurl = "http://p"\nusername = "env:WHO"\n')
        found = load_settings({"WATCHBELL_HOME": str(tmp_path), "WHO": "prometheus-reader"})
        assert found.sources[0].followed(found.references, found.environ).options["username"] == "prometheus-reader"
        assert redact("prometheus-reader") == "prometheus-reader"

    def test_a_source_whose_secret_cannot_be_had_is_a_failed_source(self, tmp_path: Path) -> None:
        (tmp_path / "config.toml").write_text('[sources.prometheus]\nurl = "http://p"\nbearer_token = "env:NONE"\n')
        found = load_settings({"WATCHBELL_HOME": str(tmp_path)})
        source = make_source(found, found.sources[0], Watch())  # type: ignore[arg-type]
        coverage = source.read(None, None).coverage  # type: ignore[arg-type]
        assert (coverage.source, coverage.status, coverage.detail) == ("prometheus", "failed", "env:NONE is not set")
        assert source.required

    def test_looking_as_written_asks_nobody(self, tmp_path: Path) -> None:
        path = write_store(tmp_path / "integrations.json", "slack", bot_token="ssm:/slack")
        found = resolve("slack", integrations=path, environ={}, params={}, references=AS_WRITTEN)
        assert found == {"bot_token": "ssm:/slack"}


class TestWholeDocuments:
    def settings(self, home: Path, vault: Vault, **environ: str) -> Settings:
        return load_settings({"WATCHBELL_HOME": str(home), **environ}, references(vault))

    def test_the_configuration_may_be_kept_elsewhere(self, tmp_path: Path) -> None:
        vault = Vault(**{"/config": 'workers = 3\n[sources.prometheus]\nurl = "http://p"\n'})
        found = self.settings(tmp_path / "no-home", vault, WATCHBELL_CONFIG="ssm:/config")
        assert found.workers == 3
        assert found.sources[0].kind == "prometheus"

    def test_the_integration_store_may_be_kept_elsewhere(self, tmp_path: Path) -> None:
        records = [
            {"service": "slack", "credentials": {"bot_token": "ssm:/slack"}},
            {"service": "prometheus", "credentials": {"url": "http://p"}},
        ]
        vault = Vault(**{"/integrations": json.dumps(records), "/slack": SECRET})
        found = self.settings(tmp_path / "no-home", vault, WATCHBELL_INTEGRATIONS="ssm:/integrations")
        assert [source.kind for source in found.sources] == ["prometheus"]
        token = resolve("slack", integrations=found.integrations, environ={}, params={}, references=found.references)
        assert token == {"bot_token": SECRET}
        assert vault.asked == ["ssm:/integrations", "ssm:/slack"]

    def test_what_is_wrong_in_them_is_said_by_the_reference(self, tmp_path: Path) -> None:
        vault = Vault(**{"/config": "workers = 0\n", "/broken": '{"integrations": [' + SECRET})
        with pytest.raises(ConfigError, match=r"^ssm:/config: workers must be between"):
            self.settings(tmp_path, vault, WATCHBELL_CONFIG="ssm:/config")
        found = self.settings(tmp_path, vault, WATCHBELL_INTEGRATIONS="ssm:/broken")
        with pytest.raises(ConfigError, match=r"^ssm:/broken: line 1, column") as caught:
            resolve("slack", integrations=found.integrations, environ={}, params={})
        assert SECRET not in str(caught.value)
        assert [source.kind for source in found.sources] == ["unreadable"]

    def test_one_that_does_not_exist_is_a_configuration_error(self, tmp_path: Path) -> None:
        vault = Vault(**{"/none": CredentialError("ssm:/none does not exist")})
        with pytest.raises(ConfigError, match=r"^WATCHBELL_CONFIG: ssm:/none does not exist"):
            self.settings(tmp_path, vault, WATCHBELL_CONFIG="ssm:/none")
        found = self.settings(tmp_path, vault, WATCHBELL_INTEGRATIONS="ssm:/none")
        with pytest.raises(ConfigError, match=r"^the integration store: ssm:/none does not exist"):
            resolve("slack", integrations=found.integrations, environ={}, params={})

    def test_one_that_cannot_be_reached_now_ends_a_tick_as_temporary(self, tmp_path: Path) -> None:
        vault = Vault(**{"/config": TryAgain("ssm:/config cannot be read now")})
        with pytest.raises(TryAgain):
            self.settings(tmp_path, vault, WATCHBELL_CONFIG="ssm:/config")

    def test_the_integration_store_elsewhere_is_named_by_a_reference(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"WATCHBELL_INTEGRATIONS='/etc/x\.json' is no reference"):
            self.settings(tmp_path, Vault(), WATCHBELL_INTEGRATIONS="/etc/x.json")
