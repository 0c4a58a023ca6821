"""Text in columns: whatever the cells hold, lines stay within the width and nothing is cut off."""

from hypothesis import given
from hypothesis import strategies as st

from watchbell.delivery.render.literal import MARK
from watchbell_cli.tables import clean, fields, table, text_width, wrap

cells = st.text(max_size=60)


@given(rows=st.lists(st.tuples(cells, cells, cells), max_size=4), width=st.integers(min_value=40, max_value=120))
def test_no_line_is_wider_than_the_width(rows: list[tuple[str, str, str]], width: int) -> None:
    lines = table(("ONE", "TWO", "THREE"), rows, width, flexible=(1,), notes=[[row[0]] for row in rows])
    assert max(map(text_width, lines)) <= width


@given(text=st.text(max_size=200), width=st.integers(min_value=2, max_value=30))
def test_wrapping_loses_nothing_but_spaces(text: str, width: int) -> None:
    line = clean(text)
    pieces = wrap(line, width)
    assert "".join(pieces).replace(" ", "") == line.replace(" ", "")
    assert all(text_width(piece) <= width for piece in pieces)


@given(text=st.text(max_size=100))
def test_clean_text_steers_no_terminal(text: str) -> None:
    assert clean(text).replace(MARK, "").isprintable()


def test_words_break_at_spaces_first_and_within_a_long_word_after_punctuation() -> None:
    assert wrap("the alert log in /var/lib is gone", 14) == ["the alert log", "in /var/lib is", "gone"]
    assert wrap("telegram:-1001234567890", 16) == ["telegram:", "-1001234567890"]
    assert wrap("x" * 10, 4) == ["xxxx", "xxxx", "xx"]


def test_flexible_columns_give_way_before_the_others() -> None:
    lines = table(("ID", "NAME"), [("a" * 20, "many words in a long name")], 40, flexible=(1,))
    assert lines[1:] == ["a" * 20 + "  many words in a", " " * 22 + "long name"]


def test_fields_stand_below_each_other() -> None:
    assert fields([("id", "x"), ("targets", "a\nb")], 40) == ["id       x", "targets  a", "         b"]
