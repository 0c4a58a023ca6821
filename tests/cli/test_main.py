"""The command as a whole: help, version, exit codes, and every way to end in one line."""

import json
import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from watchbell_cli.lazy import LazyGroup
from watchbell_cli.main import watchbell as root

from .conftest import command

Run = Callable[..., Any]


def commands(group: click.Group, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    context = click.Context(group)
    found: list[tuple[str, ...]] = []
    for name in group.list_commands(context):
        inner = group.get_command(context, name)
        found += commands(inner, (*path, name)) if isinstance(inner, click.Group) else [(*path, name)]
    return found


@pytest.mark.parametrize("path", [(), ("cron",), ("alerts",), *commands(root)], ids=" ".join)
def test_every_command_has_help_with_an_example(watchbell: Run, home: Path, path: tuple[str, ...]) -> None:
    for option in ("-h", "--help"):
        ended = watchbell(*path, option)
        assert (ended.code, ended.err) == (0, "")
        assert ended.out.startswith(f"Usage: {' '.join(('watchbell', *path))} ")
        assert "Example:" in ended.out
        assert max(map(len, ended.out.splitlines())) <= 100
    assert not home.exists()


@pytest.mark.parametrize("path", [path for path in commands(root) if path[0] in ("cron", "alerts", "tick")])
def test_every_command_that_prints_data_can_print_json(path: tuple[str, ...]) -> None:
    group: click.Command = root
    for name in path:
        assert isinstance(group, click.Group)
        found = group.get_command(click.Context(group), name)
        assert found is not None
        group = found
    options = {option for parameter in group.params for option in parameter.opts}
    without_data = {"remove", "pause", "resume", "record", "receive", "start"}
    assert path[-1] in without_data or "--json" in options or "--as" in options


def test_help_imports_no_command(process: Run) -> None:
    code = "import sys; from watchbell_cli.main import main\ntry: main(['cron', '-h'])\nexcept SystemExit: pass\n"
    code += "sys.exit(any(name in sys.modules for name in ('httpx', 'sqlite3', 'croniter', 'watchbell.stores')))"
    done = subprocess.run([*command()[:2], "-c", code], capture_output=True)
    assert done.returncode == 0


def test_the_groups_name_commands_that_exist() -> None:
    for group in (root, root.get_command(click.Context(root), "cron")):
        assert isinstance(group, LazyGroup)
        for name in group.commands_at:
            found = group.get_command(click.Context(group), name)
            assert found is not None
            assert found.name == name


def test_the_version_is_printed(watchbell: Run) -> None:
    assert watchbell("--version").out == "watchbell 0.1.0\n"


@pytest.mark.parametrize("group", [(), ("cron",), ("alerts",)])
def test_without_a_command_the_help_goes_to_standard_error_with_exit_code_2(
    watchbell: Run, group: tuple[str, ...]
) -> None:
    ended = watchbell(*group)
    assert (ended.code, ended.out) == (2, "")
    assert "Commands:" in ended.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("corn", "list"), "did you mean cron?"),
        (("cron", "lst"), "did you mean list?"),
        (("cron", "frobnicate"), "there is no command 'frobnicate'"),
        (("cron", "list", "--jsn"), "--json"),
        (("cron", "show"), "TASK"),
        (("cron", "list", "surplus"), "surplus"),
    ],
)
def test_a_mistyped_command_or_option_is_told_with_what_was_meant(
    watchbell: Run, arguments: tuple[str, ...], said: str
) -> None:
    ended = watchbell(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("watchbell: error: ")
    assert said in ended.err
    assert "try" in ended.err


def test_a_bug_is_one_line_and_exit_code_1_and_shows_its_place_only_when_asked(process: Run, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import watchbell.settings\n"
        "def broken(*a): raise KeyError('token=sekret-sekret')\n"
        "watchbell.settings.load_settings = broken\n"
    )
    ended = process("cron", "list", PYTHONPATH=str(tmp_path))
    assert (ended.code, ended.out) == (1, "")
    assert len(ended.err.splitlines()) == 1
    assert "this is a bug" in ended.err
    shown = process("--debug", "cron", "list", PYTHONPATH=str(tmp_path))
    assert shown.code == 1
    assert "Traceback" in shown.err
    assert "Traceback" in process("cron", "list", PYTHONPATH=str(tmp_path), WATCHBELL_DEBUG="1").err
    assert "sekret" not in ended.err + shown.err


def test_shell_completion_knows_commands_values_and_tasks(process: Run, add: Run) -> None:
    environ = {"_WATCHBELL_COMPLETE": "bash_complete", "COMP_WORDS": "watchbell cron l", "COMP_CWORD": "2"}
    assert process(**environ).out.split() == ["plain,list", "plain,logs"]
    environ["COMP_WORDS"], environ["COMP_CWORD"] = "watchbell cron add --kind w", "4"
    assert process(**environ).out.split() == ["plain,weekly_audit"]
    environ["COMP_WORDS"], environ["COMP_CWORD"] = "watchbell cron show Dig", "3"
    assert (process(**environ).code, process(**environ).out.split()) == (0, [])
    add("--name", "Digest")
    assert process(**environ).out.split() == ["plain,Digest"]
    assert "_watchbell_completion" in process(_WATCHBELL_COMPLETE="bash_source").out


def test_a_reader_that_has_seen_enough_is_no_error(add: Run) -> None:
    add()
    for arguments in (("cron", "list", "--json"), ("-h",), ("cron", "lst", "2>&1")):
        shell = f"{' '.join(command(*arguments))} | true; echo ${{PIPESTATUS[0]}}"
        done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True)
        assert (done.stdout.strip(), done.stderr) == ("0", "")


def test_an_output_that_cannot_be_written_is_an_error(add: Run) -> None:
    add()
    with open("/dev/full", "w") as full:
        done = subprocess.run(command("cron", "list"), stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 75
    assert done.stderr == "watchbell: error: the output cannot be written: No space left on device\n"


def test_text_that_the_terminal_cannot_show_is_spelled_out(process: Run, add: Run) -> None:
    add("--name", "夜間")
    ended = process("cron", "list", PYTHONIOENCODING="latin-1")
    assert ended.code == 0
    assert "\\u591c" in ended.out


def test_on_a_terminal_a_status_has_a_colour_unless_no_color_is_set(watchbell: Run, add: Run) -> None:
    task_id = add()
    watchbell("cron", "run", task_id)
    assert "\x1b[32m" in on_a_terminal("cron", "logs", task_id)
    assert "\x1b[" not in on_a_terminal("cron", "logs", task_id, NO_COLOR="1")


def on_a_terminal(*arguments: str, **environ: str) -> str:
    import pty

    leader, follower = pty.openpty()
    run = subprocess.Popen(command(*arguments), stdout=follower, env=os.environ | {"TERM": "xterm"} | environ)
    assert run.wait(timeout=20) == 0
    os.close(follower)
    shown = os.read(leader, 65536).decode()
    os.close(leader)
    return shown


def test_settings_that_are_wrong_are_named_with_exit_code_3(watchbell: Run, add: Run, home: Path) -> None:
    add()
    (home / "config.toml").write_text("wrkers = 3\n")
    ended = watchbell("cron", "list")
    assert (ended.code, ended.out) == (3, "")
    assert "wrkers" in ended.err


def test_log_lines_carry_no_secret(process: Run) -> None:
    code = "from watchbell_cli.logs import start_logging; import logging; start_logging(0); start_logging(0)\n"
    code += "logging.getLogger('watchbell').info('sent with %s', 'xoxb-123-abcdefgh')\n"
    code += "logging.getLogger('httpx').info('GET https://api.telegram.org/bot1:x/send')"
    done = subprocess.run([*command()[:2], "-c", code], capture_output=True, text=True)
    assert done.stderr.endswith("INFO sent with ***\n")
    assert len(done.stderr.splitlines()) == 1


def test_nothing_in_a_message_begins_a_log_line_or_steers_the_terminal(process: Run) -> None:
    code = "from watchbell_cli.logs import start_logging; import logging; start_logging(0)\n"
    code += "logging.getLogger('watchbell').error('source %s', 'x\\n2026-11-22T09:00:00Z INFO all well\\x1b[2J')"
    done = subprocess.run([*command()[:2], "-c", code], capture_output=True, text=True)
    assert done.stderr.endswith(r"ERROR source x\n2026-11-22T09:00:00Z INFO all well\x1b[2J" + "\n")
    assert len(done.stderr.splitlines()) == 1


def test_json_output_is_json_even_for_hostile_text(watchbell: Run, add: Run) -> None:
    add("--param", "x=\x1b[2J\u202e")
    out = watchbell("cron", "list", "--json").out
    assert out.isascii()
    assert "\x1b" not in out
    assert json.loads(out)[0]["params"]["x"] == "\x1b[2J\u202e"


@pytest.mark.parametrize(
    ("closing", "code"),
    [("cron list >&-", 0), ("cron import - <&-", 2), ("alerts record <&-", 2), ("shell <&-", 0), ("doctor 2>&-", 3)],
)
def test_a_stream_that_the_caller_has_closed_is_an_empty_one(
    watchbell: Run, add: Callable[..., str], closing: str, code: int
) -> None:
    add()
    arguments, redirection = closing.rsplit(" ", 1)
    line = f"{shlex.join(command(*arguments.split()))} {redirection}"
    ended = subprocess.run(["/bin/sh", "-c", line], env=os.environ, capture_output=True, text=True, check=False)
    assert (ended.returncode, "bug" in ended.stderr) == (code, False)
