"""The Dockerfile, read as text, for which no engine is needed: pinned, not root, nothing fetched or left open."""

import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "infra" / "docker" / "Dockerfile"
Instruction = tuple[str, str]


def instructions() -> list[Instruction]:
    """Return the instructions in their order, comments gone and continued lines joined."""
    text = "\n".join(line for line in DOCKERFILE.read_text().splitlines() if not line.startswith("#"))
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines if line.strip()]


def stages() -> list[list[Instruction]]:
    found: list[list[Instruction]] = []
    for name, rest in instructions():
        if name == "FROM":
            found.append([])
        found[-1].append((name, rest))
    return found


def last(name: str) -> str:
    return [rest for other, rest in stages()[-1] if other == name][-1]


def test_both_stages_stand_on_the_same_full_tag() -> None:
    bases = {rest.split()[0] for name, rest in instructions() if name == "FROM"}
    assert len(stages()) == 2
    assert len(bases) == 1
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-[a-z]+(@sha256:[0-9a-f]{64})?", bases.pop())


def test_the_python_is_one_that_the_project_supports() -> None:
    minor = int(re.search(r"python:3\.(\d+)", DOCKERFILE.read_text())[1])  # type: ignore[index]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"Programming Language :: Python :: 3.{minor}" in project["classifiers"]


def test_it_runs_as_a_number_that_is_not_root_and_nothing_comes_after_as_root() -> None:
    names = [name for name, _ in stages()[-1]]
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", last("USER"))
    assert names.index("USER") > max(index for index, name in enumerate(names) if name in ("RUN", "COPY"))


def test_the_account_is_that_of_the_pods() -> None:
    user = last("USER").split(":")[0]
    for manifest in ("base/cronjob.yaml", "deployment/deployment.yaml"):
        assert f"runAsUser: {user}\n" in (ROOT / "infra" / "kubernetes" / manifest).read_text()


def test_commands_are_lists_so_that_signals_reach_them() -> None:
    assert json.loads(last("ENTRYPOINT")) == ["watchbell"]
    assert json.loads(last("CMD")) == ["cron", "start"]
    assert last("STOPSIGNAL") == "SIGTERM"


def test_the_health_check_is_a_command_that_exists() -> None:
    options, _, command = last("HEALTHCHECK").partition("CMD ")
    program, *arguments = json.loads(command)
    assert {"--interval=60s", "--timeout=10s", "--retries=3"} <= set(options.split())
    done = subprocess.run(
        [Path(sys.executable).with_name(program), *arguments, "--help"], capture_output=True, check=False
    )
    assert done.returncode == 0


def test_nothing_can_slip_in_that_is_not_copied_by_name() -> None:
    copied = {
        source
        for name, rest in instructions()
        if name == "COPY" and "--from" not in rest
        for source in rest.split()[:-1]
    }
    ignore = DOCKERFILE.with_name("Dockerfile.dockerignore").read_text().splitlines()
    assert next(line for line in ignore if not line.startswith("#")) == "*"
    assert {line[1:] for line in ignore if line.startswith("!")} == copied
    assert all((ROOT / source).exists() for source in copied)
    assert not [name for name, _ in instructions() if name == "ADD"]


@pytest.mark.parametrize(
    "word", ["curl", "wget", "sudo", "apt-get", "chmod 777", ":latest", "TOKEN=", "--trusted-host"]
)
def test_nothing_is_fetched_or_opened_that_need_not_be(word: str) -> None:
    assert not [rest for _, rest in instructions() if word in rest]


def test_the_shell_commands_stop_at_the_first_failure() -> None:
    for name, rest in instructions():
        assert name != "RUN" or not ({";", "||", "|"} & set(shlex.split(rest))), rest
