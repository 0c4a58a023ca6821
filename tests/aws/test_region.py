"""The region and the address that the AWS clients take."""

import pytest
from botocore.config import Config

from watchbell.aws.session import new_client, new_session
from watchbell.errors import ConfigError


@pytest.fixture(autouse=True)
def _nothing_else_says(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", f"{tmp_path}/none")
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("variable", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_either_variable_names_the_region(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "eu-central-1")
    assert new_session().region_name == "eu-central-1"


def test_of_both_it_is_the_one_that_all_tools_of_aws_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    assert new_session().region_name == "eu-central-1"


def test_without_any_there_is_none() -> None:
    assert new_session().region_name is None


@pytest.mark.parametrize("service", ["dynamodb", "sqs", "ssm", "secretsmanager"])
def test_an_address_that_is_none_is_named_with_its_variable(monkeypatch: pytest.MonkeyPatch, service: str) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    variable = f"AWS_ENDPOINT_URL_{'SECRETS_MANAGER' if service == 'secretsmanager' else service.upper()}"
    monkeypatch.setenv(variable, "localhost:8000")
    with pytest.raises(ConfigError, match=f"localhost:8000; check {variable} "):
        new_client(service, Config())
