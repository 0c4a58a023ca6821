"""integrations.json is changed in the shape in which it is found, whole, by one writer at a time."""

import json
import multiprocessing
import stat
from pathlib import Path
from typing import Any

import pytest

from watchbell.errors import ConfigError, NotFound, UsageError
from watchbell.secrets.credentials import resolve
from watchbell.secrets.integrations_file import IntegrationsFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "integrations.json"


def write(path: Path, content: Any) -> IntegrationsFile:
    path.parent.mkdir(exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    path.chmod(0o600)
    return IntegrationsFile(path)


def token(path: Path, service: str = "slack", chat_id: str = "C1") -> str:
    return next(iter(resolve(service, integrations=path, environ={}, params={}, chat_id=chat_id).values()))


V1 = {"id": "7", "service": "slack", "status": "active", "credentials": {"bot_token": "old-token", "team": "T1"}}
V2 = {
    "version": 2,
    "comment": "keep me",
    "integrations": [
        {"id": "g", "service": "grafana", "status": "active", "instances": [{"name": "a", "credentials": {"k": 1}}]},
        {
            "id": "s",
            "service": "slack",
            "status": "active",
            "owner": "ops",
            "instances": [{"name": "default", "tags": {"a": "b"}, "credentials": {"bot_token": "old-token"}}],
        },
    ],
}


def test_a_new_file_is_made_in_the_newest_shape_and_closed_to_others(path: Path) -> None:
    assert IntegrationsFile(path).set("slack", {"bot_token": "xoxb-new"}) == "default"
    content = json.loads(path.read_text())
    assert content["version"] == 2
    assert content["integrations"][0]["instances"][0]["credentials"] == {"bot_token": "xoxb-new"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert token(path) == "xoxb-new"


@pytest.mark.parametrize("content", [[V1], {"integrations": [V1]}, {"version": 1, "integrations": [V1], "x": 1}])
def test_a_file_of_the_first_shape_stays_one_and_keeps_what_is_not_known(path: Path, content: Any) -> None:
    file = write(path, content)
    file.set("slack", {"bot_token": "new-token"})
    file.set("telegram", {"bot_token": "telegram-token"})
    after = json.loads(path.read_text())
    assert type(after) is type(content)
    records = after if isinstance(after, list) else after["integrations"]
    assert records[0] == V1 | {"credentials": {"bot_token": "new-token", "team": "T1"}}
    assert records[1]["credentials"] == {"bot_token": "telegram-token"}
    assert "instances" not in records[1]
    assert isinstance(content, list) or {key: after[key] for key in content if key != "integrations"} == {
        key: content[key] for key in content if key != "integrations"
    }


def test_a_file_of_the_second_shape_stays_one_and_keeps_what_is_not_known(path: Path) -> None:
    file = write(path, V2)
    file.set("slack", {"bot_token": "new-token"})
    assert file.set("slack", {"webhook_url": "https://example.org/hook"}, "alerts") == "alerts"
    after = json.loads(path.read_text())
    assert after["comment"] == "keep me"
    assert after["integrations"][0] == V2["integrations"][0]  # type: ignore[index]
    slack = after["integrations"][1]
    assert (slack["id"], slack["owner"]) == ("s", "ops")
    assert slack["instances"][0] == {"name": "default", "tags": {"a": "b"}, "credentials": {"bot_token": "new-token"}}
    assert token(path, chat_id="webhook/alerts") == "https://example.org/hook"


def test_what_is_set_is_what_deliveries_find_whatever_name_another_program_gave_it(path: Path) -> None:
    file = write(path, [{"service": "slack", "credentials": {"slack_bot_token": "old", "access_token": "older"}}])
    file.set("slack", {"bot_token": "new-token"})
    assert token(path) == "new-token"


def test_setting_switches_an_integration_on_again(path: Path) -> None:
    file = write(path, [V1 | {"status": "disabled"}])
    file.set("slack", {"bot_token": "new-token"})
    assert token(path) == "new-token"


def test_a_link_is_kept_and_the_file_behind_it_is_replaced(path: Path, tmp_path: Path) -> None:
    real = tmp_path / "dotfiles.json"
    write(real, [V1])
    path.parent.mkdir()
    path.symlink_to(real)
    IntegrationsFile(path).set("slack", {"bot_token": "new-token"})
    assert path.is_symlink()
    assert token(real) == "new-token"


@pytest.mark.parametrize(
    "content", ["", "{", '{"version": 3}', '{"integrations": 5}', '[{"service": "slack", "instances": 1}]', "\xff"]
)
def test_a_broken_file_is_never_overwritten(path: Path, content: str) -> None:
    path.parent.mkdir()
    path.write_bytes(content.encode("latin-1"))
    for change in (lambda: IntegrationsFile(path).set("slack", {"bot_token": "t"}), lambda: _remove(path)):
        with pytest.raises(ConfigError, match=r"integrations\.json"):
            change()
    assert path.read_bytes() == content.encode("latin-1")


def _remove(path: Path) -> None:
    IntegrationsFile(path).remove("slack")


def test_removing_takes_one_instance_then_the_rest(path: Path) -> None:
    file = write(path, V2)
    file.set("slack", {"bot_token": "second"}, "two")
    with pytest.raises(UsageError, match=r"default \| two"):
        file.remove("slack")
    with pytest.raises(NotFound, match="there are default, two"):
        file.remove("slack", "three")
    assert file.remove("slack", "default") == "default"
    assert token(path) == "second"
    assert file.remove("slack") == "two"
    services = [one["service"] for one in json.loads(path.read_text())["integrations"]]
    assert services == ["grafana"]
    with pytest.raises(NotFound):
        file.remove("slack")


def _set_many(path: Path, number: int) -> None:
    for round_ in range(5):
        IntegrationsFile(path).set("slack", {"webhook_url": f"https://example.org/{number}/{round_}"}, f"hook-{number}")


def test_writers_at_the_same_time_lose_nothing(path: Path) -> None:
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_set_many, args=(path, number)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(30)
    assert [writer.exitcode for writer in writers] == [0] * 4
    instances = json.loads(path.read_text())["integrations"][0]["instances"]
    found = {one["name"]: one["credentials"]["webhook_url"] for one in instances}
    assert found == {f"hook-{number}": f"https://example.org/{number}/4" for number in range(4)}
    assert sorted(file.name for file in path.parent.iterdir()) == ["integrations.json", "integrations.json.lock"]
