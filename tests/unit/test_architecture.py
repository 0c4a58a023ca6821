"""The rules of the house: who may import whom, and which rooms stay pure."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HANDLER = ROOT / "handler" / "watchbell"
PURE = (
    "schedule",
    "claims",
    "deliveries",
    "tasks",
    "errors",
    "instants",
    "audit",
    "planning.forecast",
    "planning.weekdays",
    "reports.interface",
    "reports.findings",
    "reports.wording",
    "reports.analysis",
    "reports.params",
    "delivery.interface",
)
#: What a pure room may use besides the standard library and other pure rooms.
PURE_LIBRARIES = {"croniter", "tzdata"}
IMPURE_STANDARD = {"os", "time", "socket", "sqlite3", "subprocess", "logging", "threading", "fcntl", "pathlib"}


def modules() -> list[Path]:
    return sorted(path for root in ("handler", "cli") for path in (ROOT / root).rglob("*.py"))


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
    return found


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(HANDLER).with_suffix("").parts).removesuffix(".__init__")


def is_pure(name: str) -> bool:
    return any(name == room or name.startswith(f"{room}.") for room in PURE)


def test_the_handler_never_imports_the_command_line() -> None:
    wrong = {
        path.name for path in HANDLER.rglob("*.py") if any(name.startswith("watchbell_cli") for name in imports(path))
    }
    assert wrong == set()


@pytest.mark.parametrize("path", [p for p in sorted(HANDLER.rglob("*.py")) if is_pure(name_of(p))], ids=name_of)
def test_pure_rooms_import_only_values(path: Path) -> None:
    for name in imports(path):
        top = name.split(".")[0]
        if top == "watchbell":
            assert is_pure(name.removeprefix("watchbell.")), f"{path.name} imports {name}"
        else:
            assert top in sys.stdlib_module_names | PURE_LIBRARIES, f"{path.name} imports {name}"
            assert top not in IMPURE_STANDARD, f"{path.name} imports {name}"


def test_the_spine_knows_interfaces_and_no_implementation() -> None:
    implementations = ("stores.local", "delivery.slack", "delivery.telegram", "delivery.discord", "delivery.console")
    libraries = {"httpx", "sqlite3", "click", "boto3", "croniter"}
    for name in (
        "tick",
        "work",
        "batches",
        "queueing",
        "attempt",
        "recovery",
        "telling/ops",
        "workers",
        "services",
        "rehearsal",
    ):
        found = imports(HANDLER / f"{name}.py")
        assert not {one.split(".")[0] for one in found} & libraries, name
        assert not [one for one in found if one.startswith(tuple(f"watchbell.{i}" for i in implementations))], name


def test_rooms_of_implementations_do_not_know_each_other() -> None:
    for room, others in (
        ("stores", ("delivery", "reports")),
        ("reports", ("stores", "delivery.")),
        ("delivery", ("stores.local",)),
    ):
        for path in (HANDLER / room).rglob("*.py"):
            wrong = [name for name in imports(path) if name.startswith(tuple(f"watchbell.{other}" for other in others))]
            assert not wrong, f"{path.relative_to(HANDLER)} imports {wrong}"


def test_no_file_is_a_drawer_for_odds_and_ends() -> None:
    forbidden = {"utils", "helpers", "common", "misc", "manager", "base", "util"}
    assert not [path for path in modules() if path.stem in forbidden]


def test_files_and_functions_can_be_read_in_one_go() -> None:
    for path in modules():
        text = path.read_text()
        assert text.count("\n") <= 350, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                assert (node.end_lineno or 0) - node.lineno < 50, f"{path}: {node.name}"


def test_every_module_says_what_it_is() -> None:
    silent = [
        path for path in modules() if path.read_text().strip() and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []
