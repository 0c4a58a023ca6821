"""The tutorial and the page about tasks as code: their commands and files are tried as they stand there."""

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.conftest import Ended
from delivery.conftest import TOKENS, one_certificate  # noqa: F401  a fixture
from fakes.chat_server import ChatServer
from fakes.monitoring import FakeMonitoring

Run = Callable[..., Ended]
DOCS = Path(__file__).parents[2] / "docs"
TUTORIAL = (DOCS / "tutorial.md").read_text()
MOST_COMMANDS = 6


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def commands(number: int) -> list[str]:
    """Return the commands of one section."""
    section = re.split(r"^## ", TUTORIAL, flags=re.MULTILINE)[number]
    return [line for block in blocks(section, "sh") for line in block.replace("\\\n", "").splitlines()]


@pytest.fixture
def chats(home: Path, monkeypatch: pytest.MonkeyPatch, one_certificate: Path) -> Iterator[ChatServer]:  # noqa: F811
    with ChatServer() as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(one_certificate))
        monkeypatch.setenv("WATCHBELL_SLACK_API_URL", server.slack_url)
        yield server


def follow(watchbell: Run, lines: list[str], prometheus: str) -> list[Ended]:
    """Run those commands that are ours; the token is what comes on standard input."""
    ours = [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("watchbell ")]
    ended = []
    for words in ours:
        words = [f"url={prometheus}" if word.startswith("url=") else word for word in words]
        ended.append(watchbell(*words, stdin=TOKENS["slack"] if words[-1] == "slack" else ""))
        assert ended[-1].code == 0, (words, ended[-1])
    return ended


def test_from_a_clone_to_the_first_message_it_takes_six_commands(watchbell: Run, chats: ChatServer) -> None:
    lines = commands(1)
    assert len(lines) <= MOST_COMMANDS
    assert lines[0].startswith("git clone ")
    with FakeMonitoring() as monitoring:
        *_, run = follow(watchbell, lines, monitoring.url)
    assert "delivered" in run.out
    [message] = chats.messages
    assert message.chat_id == "C0123ABCD"
    assert "Daily summary: digest" in message.text


def test_the_tasks_of_the_tutorial_take_the_one_that_is_there_over_and_are_applied_once(
    watchbell: Run, chats: ChatServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeMonitoring() as monitoring:
        follow(watchbell, commands(1), monitoring.url)
    monkeypatch.chdir(tmp_path)
    [tasks] = blocks(TUTORIAL, "yaml")
    Path("tasks.yaml").write_text(tasks)
    dry, applied, listed = follow(watchbell, commands(3), "")
    assert "2 to add, 1 to change" in dry.out
    assert "2 to add, 1 to change" in applied.out
    assert "can never be built" not in applied.err
    assert listed.out.count("C0123ABCD") == 3
    assert "nothing to change" in watchbell("cron", "apply", "-f", "tasks.yaml").out


def test_a_revoked_token_is_told_and_a_retry_sends_what_was_saved(watchbell: Run, chats: ChatServer) -> None:
    with FakeMonitoring() as monitoring:
        follow(watchbell, commands(1), monitoring.url)
    watchbell("integrations", "set", "slack", stdin="xoxb-REVOKED-0001")
    assert watchbell("cron", "run", "digest").code == 7
    assert "token_revoked" in watchbell("cron", "logs", "digest").out
    watchbell("integrations", "set", "slack", stdin=TOKENS["slack"])
    assert watchbell("cron", "retry", "digest").code == 0
    assert len(chats.messages) == 2


def test_a_comma_too_many_ends_a_tick_with_3_and_names_the_line(watchbell: Run, add: Run, tasks_file: Path) -> None:
    add()
    tasks_file.write_text(tasks_file.read_text().rstrip().removesuffix("]") + ",]")
    ended = watchbell("tick")
    assert ended.code == 3
    assert "line " in ended.err


def test_the_file_of_the_page_about_tasks_as_code_can_be_applied(watchbell: Run, tmp_path: Path) -> None:
    file = tmp_path / "tasks.yaml"
    [example] = blocks((DOCS / "how-to" / "tasks-as-code.md").read_text(), "yaml")
    file.write_text(example)
    assert watchbell("cron", "apply", "-f", str(file)).code == 0


def test_what_was_added_by_hand_is_exported_as_a_file_that_changes_nothing_else(
    watchbell: Run, add: Run, tmp_path: Path
) -> None:
    add("--name", "by hand")
    file = tmp_path / "tasks.yaml"
    file.write_text(watchbell("cron", "export", "--yaml").out)
    assert "1 to change, 0 unchanged" in watchbell("cron", "apply", "-f", str(file)).out
