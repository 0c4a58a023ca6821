"""Who a process is to the store: on a local one a lock says whether it lives, on a shared one only its lease."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from watchbell.clock import SystemClock
from watchbell.settings import load_settings
from watchbell.stores.interface import Owner
from watchbell.wiring.owners import Ownership, owning


@contextmanager
def owner_of(home: Path, **environ: str) -> Iterator[Ownership]:
    with owning(load_settings({"WATCHBELL_HOME": str(home), **environ}), SystemClock()) as ownership:
        yield ownership


def test_on_a_shared_store_two_processes_never_share_a_token_and_nobody_is_ever_known_to_be_gone(
    tmp_path: Path,
) -> None:
    store = {"WATCHBELL_STORE": "dynamodb:w"}
    with owner_of(tmp_path / "a", **store) as (one, is_gone), owner_of(tmp_path / "b", **store) as (other, _):
        assert one.token != other.token
        assert len(one.token) >= 32
        assert not is_gone(other)
    assert not is_gone(other)
    assert one.host.boot == other.host.boot == ""
    assert list(tmp_path.iterdir()) == [], "no file is left, or needed"


def test_all_sandboxes_of_a_function_are_one_machine_and_no_laptop(tmp_path: Path) -> None:
    def machine(**environ: str) -> str:
        with owner_of(tmp_path, WATCHBELL_STORE="dynamodb:w", **environ) as (owner, _):
            found: Owner = owner
            return found.host.machine

    assert machine(AWS_LAMBDA_FUNCTION_NAME="tick") == machine(AWS_LAMBDA_FUNCTION_NAME="tick") == "lambda:tick"
    assert machine() not in ("lambda:tick", "")
    assert " " not in machine(), "the names of machines that declined a run are kept in one text"


def test_on_a_local_store_an_ended_process_is_known_to_be_gone(tmp_path: Path) -> None:
    with owner_of(tmp_path) as (here, is_gone):
        with owner_of(tmp_path) as (other, _):
            assert not is_gone(other)
        assert is_gone(other)
        assert not is_gone(here)
        assert here.host.boot
