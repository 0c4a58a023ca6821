"""Every family of errors ends a process with its own code, and a tick with the first that matters."""

import inspect

from hypothesis import given
from hypothesis import strategies as st

from watchbell import errors
from watchbell.errors import TICK_EXIT_PRECEDENCE, WatchbellError, worst_exit_code

TREE = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, WatchbellError)]


def test_every_error_has_an_exit_code_and_a_default_message() -> None:
    assert {kind.exit_code for kind in TREE} == {1, 2, 3, 4, 5, 6, 7, 75}
    assert all(kind.__doc__ for kind in TREE)
    assert str(errors.StoreError()) == "The store cannot be read or written."


def test_the_tree_is_drawn_at_the_top_of_its_file() -> None:
    assert all(kind.__name__ in (errors.__doc__ or "") for kind in TREE)


@given(st.sets(st.sampled_from(TICK_EXIT_PRECEDENCE)))
def test_a_tick_exits_with_the_first_code_that_arose(codes: set[int]) -> None:
    code = worst_exit_code(codes | {0})
    assert code == (min(codes, key=TICK_EXIT_PRECEDENCE.index) if codes else 0)
