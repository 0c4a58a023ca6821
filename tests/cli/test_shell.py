"""`watchbell shell`: the same commands, line by line; an error ends nothing, and no secret is remembered."""

import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from watchbell_cli.shell_command import carry_out
from watchbell_cli.shell_prompt import Commands, SafeHistory, holds_credential

from .conftest import command

Run = Callable[..., Any]


def test_piped_lines_are_carried_out_without_a_prompt(watchbell: Run, add: Run) -> None:
    task_id = add("--name", "Digest")
    ended = watchbell(
        "shell", stdin=f"# a comment\n\n/cron list\ncron show {task_id} --json\n/quit\n/cron frobnicate\n"
    )
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.count(task_id) == 2
    assert "watchbell>" not in ended.out


def test_tasks_are_added_run_and_looked_at_from_the_shell(watchbell: Run, home: Path) -> None:
    lines = (
        "/cron add --kind daily_summary --cron '0 9 * * 1-5' --provider console --name 'My digest'\n"
        '/cron run "My digest"\n/tick\n/cron logs "My digest"\n'
    )
    ended = watchbell("shell", stdin=lines)
    assert ended.code == 0, ended.err
    assert "success" in ended.out


def test_an_error_does_not_end_it_and_the_last_failure_is_the_exit_code(watchbell: Run, add: Run) -> None:
    add("--name", "Digest")
    ended = watchbell("shell", stdin="/cron show zzz\n/crn\n/cron add 'unfinished\n/cron list\n")
    assert ended.code == 2
    assert [said in ended.err for said in ("no task 'zzz'", "did you mean cron?", "no closing quotation")] == [True] * 3
    assert "Digest" in ended.out


def test_a_command_that_reads_standard_input_takes_no_lines_of_the_shell(watchbell: Run, add: Run) -> None:
    task_id = add()
    ended = watchbell("shell", stdin=f"/cron edit {task_id} --params-file -\n/cron list\n")
    assert "--params-file" in ended.err
    assert task_id in ended.out


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("/cron list", ["cron", "list"]),
        ("cron list", ["cron", "list"]),
        ("/tick --json", ["tick", "--json"]),
        ("/help", ["--help"]),
        ("/help cron", ["cron", "--help"]),
        ("/cron add --name 'a b'", ["cron", "add", "--name", "a b"]),
    ],
)
def test_a_line_is_the_command_it_names_with_or_without_the_slash(line: str, words: list[str]) -> None:
    seen: list[list[str]] = []
    assert carry_out(line, lambda found: seen.append(found) or 0) == 0
    assert seen == [words]


@pytest.mark.parametrize("line", ["/quit", "quit", "/exit"])
def test_quitting_ends_it(line: str) -> None:
    assert carry_out(line, lambda words: 1) is None


def test_a_shell_within_the_shell_is_refused(watchbell: Run) -> None:
    ended = watchbell("shell", stdin="/shell\n")
    assert (ended.code, ended.err) == (2, "watchbell: error: this is the shell already\n")


def offered(text: str) -> list[str]:
    from prompt_toolkit.completion import CompleteEvent
    from prompt_toolkit.document import Document

    return [one.text for one in Commands().get_completions(Document(text), CompleteEvent())]


def test_commands_options_values_and_tasks_are_completed(add: Run) -> None:
    task_id = add("--name", "My digest")
    assert "/cron " in offered("/c")
    assert "quit " in offered("q")
    assert offered("/cron lis") == ["list "]
    assert "--timezone " not in offered("/cron add --t")
    assert "--tz " in offered("/cron add --t")
    assert offered("/cron add --kind w") == ["weekly_audit "]
    assert offered(f"/cron show {task_id[:4]}") == [f"{task_id} "]
    assert offered("/cron show My") == ["'My digest' "]
    assert offered("/cron show 'My d") == ["'My digest' "]
    assert offered("/frobnicate x") == []


@pytest.mark.parametrize(
    "line",
    [
        "/cron add --param bot_token=abc",
        "/cron add --param api_key=abc --name x",
        '/cron add --param \'auth={"password": "x"}\'',
        '/cron add --param \'headers=[{"X-Api-Key": "x"}]\'',
        "/cron edit 3f2a --param note=xoxb-123456789012-abcdefABCDEF",
        "/integrations set slack --bot-token abc",
        "/integrations set slack --token=abc",
        "/cron add 'unfinished password=x",
    ],
)
def test_a_line_with_a_credential_is_not_remembered(line: str, tmp_path: Path) -> None:
    assert holds_credential(line)
    history = SafeHistory(tmp_path / "history")
    history.store_string("/cron list")
    history.store_string(line)
    assert "/cron list" in (tmp_path / "history").read_text()
    assert line not in (tmp_path / "history").read_text()


@pytest.mark.parametrize("line", ["/cron list", "/cron add --param team=a --chat-id -1001", "/cron run 3f2a", "/tick"])
def test_an_ordinary_line_is_remembered(line: str) -> None:
    assert not holds_credential(line)


def test_the_history_is_for_the_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "history"
    path.touch(mode=0o644)
    SafeHistory(path)
    assert path.stat().st_mode & 0o777 == 0o600


class Terminal:
    """The shell on a terminal of its own."""

    def __init__(self) -> None:
        self.leader, follower = pty.openpty()
        self.run = subprocess.Popen(
            command("shell"), stdin=follower, stdout=follower, stderr=follower, start_new_session=True,
            env=os.environ | {"TERM": "xterm", "COLUMNS": "120"},
        )  # fmt: skip
        os.close(follower)
        self.seen = ""

    def wait_for(self, text: str) -> None:
        """Read until a text has come; what was seen before it does not count again."""
        deadline = time.monotonic() + 10
        while text not in self.seen:
            assert time.monotonic() < deadline, self.seen
            ready, _, _ = select.select([self.leader], [], [], 0.2)
            shown = os.read(self.leader, 65536).decode(errors="replace") if ready else ""
            if "\x1b[6n" in shown:
                os.write(self.leader, b"\x1b[1;1R")  # where the cursor is: prompt_toolkit asks
            self.seen += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
        self.seen = self.seen.partition(text)[2]

    def type(self, text: str) -> None:
        os.write(self.leader, text.encode())


@pytest.fixture
def terminal(home: Path) -> Iterator[Terminal]:
    home.mkdir()
    opened = Terminal()
    yield opened
    opened.run.kill()
    opened.run.wait()
    os.close(opened.leader)


def test_on_a_terminal_an_error_and_ctrl_c_go_on_and_ctrl_d_ends_with_0(terminal: Terminal, home: Path) -> None:
    terminal.wait_for("watchbell>")
    terminal.type("/cron frobnicate\r")
    terminal.wait_for("there is no command 'frobnicate'")
    terminal.wait_for("watchbell>")
    terminal.type("/cron remove ever")
    terminal.wait_for("ever")
    terminal.type("\x03")
    terminal.wait_for("watchbell>")
    terminal.type("/cron list\r")
    terminal.wait_for("no tasks yet")
    terminal.wait_for("watchbell>")
    terminal.type("\x04")
    assert terminal.run.wait(timeout=20) == 0
    remembered = (home / "shell_history").read_text()
    assert "/cron list" in remembered
    assert "remove" not in remembered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_of_each_shell_is_printed(watchbell: Run, shell: str) -> None:
    ended = watchbell("completion", shell)
    assert ended.code == 0
    assert f"_WATCHBELL_COMPLETE={shell}_complete" in ended.out


def test_the_completion_of_another_shell_is_refused_with_the_choices(watchbell: Run) -> None:
    ended = watchbell("completion", "tcsh")
    assert ended.code == 2
    assert "fish" in ended.err
