"""The documentation cannot drift from the program."""

import importlib.util
import re
from pathlib import Path

import pytest

from watchbell.claims import Status
from watchbell.settings import TOP_KEYS
from watchbell.settings.hours import HOURS_KEYS
from watchbell.settings.sources import SOURCE_KEYS
from watchbell.tasks import Kind

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def text(name: str) -> str:
    return (DOCS / name).read_text()


def everything() -> str:
    return "\n".join(path.read_text() for path in [ROOT / "README.md", *DOCS.rglob("*.md")])


def test_the_generated_pages_are_up_to_date() -> None:
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    stale = [path.name for path, wanted in generate.pages().items() if path.read_text() != wanted]
    assert stale == [], "run: python docs/generate.py"


def test_every_variable_that_the_program_reads_is_documented() -> None:
    code = "\n".join(path.read_text() for root in ("handler", "cli") for path in (ROOT / root).rglob("*.py"))
    variables = set(re.findall(r'["\'](WATCHBELL_[A-Z_]+|[A-Z]+_BOT_TOKEN|[A-Z]+_WEBHOOK_URL)["\']', code))
    internal = {"WATCHBELL_COMPLETE"}
    assert {name for name in variables - internal if name not in text("settings.md")} == set()


def test_every_setting_is_documented() -> None:
    keys = {*TOP_KEYS, *HOURS_KEYS, *(key for keys in SOURCE_KEYS.values() for key in keys)} - {"sources"}
    assert {key for key in keys if key not in text("settings.md")} == set()


def test_the_map_of_the_house_names_every_room() -> None:
    house = ROOT / "handler" / "watchbell"
    rooms = {f"{path.name}/" for path in house.iterdir() if (path / "__init__.py").exists()}
    rooms |= {path.name for path in house.glob("*.py")} - {"__init__.py"}
    assert {name for name in rooms if f"`{name}`" not in text("architecture.md")} == set()


@pytest.mark.parametrize("status", Status)
def test_every_status_is_explained(status: Status) -> None:
    assert f"`{status}`" in text("guarantees.md")


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_of_report_is_explained(kind: Kind) -> None:
    assert f"`{kind}`" in text("reports.md")


def test_every_link_within_the_documentation_leads_somewhere() -> None:
    broken = [
        f"{path.name}: {target}"
        for path in [ROOT / "README.md", *DOCS.rglob("*.md")]
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text())
        if not target.startswith("http") and not (path.parent / target).exists()
    ]
    assert broken == []


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text()
    pages = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")}
    assert {page for page in pages if f"- {page}" not in navigation} == set()


def test_the_readme_can_be_read_in_one_go() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def test_the_docs_name_no_command_that_does_not_exist() -> None:
    commands = text("reference/commands.md")
    named = set(re.findall(r"watchbell ((?:cron |alerts )?[a-z]+)", everything()))
    known = set(re.findall(r"^## watchbell ?(.*)$", commands, re.MULTILINE))
    prose = {"tick", "cron", "alerts"}
    missing = {name for name in named - known - prose if name.split()[0] in {"cron", "alerts"}}
    assert missing == set()
