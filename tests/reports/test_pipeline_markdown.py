"""Markdown from elsewhere becomes sections of plain lines, whatever is in it."""

import time

import pytest

from watchbell.reports.interface import Section
from watchbell.reports.pipelines.markdown import lines_of, sections_of

REPORT = """\
Before any heading.

# Checkout *is* slow

The p99 rose.
See [the dashboard](https://grafana.example/d/1) and <https://runbook.example>.

- first
  - **second**
- third

1. do this
2. do that

| service | p99 |
|---|---|
| `checkout` | **0.8 s** |
| cart | |

After the table.

## Log

```text
# not a heading
  | indented |
```
"""


def test_headings_begin_sections_and_markup_goes():
    assert sections_of(REPORT, untitled="By opensre") == (
        Section(title="By opensre", lines=("Before any heading.",)),
        Section(
            title="Checkout is slow",
            lines=(
                "The p99 rose.",
                "See the dashboard (https://grafana.example/d/1) and https://runbook.example.",
                "- first",
                "  - second",
                "- third",
                "1. do this",
                "2. do that",
            ),
            columns=("service", "p99"),
            rows=(("checkout", "0.8 s"), ("cart", "")),
        ),
        Section(title="Checkout is slow (continued)", lines=("After the table.",)),
        Section(title="Log", lines=("# not a heading", "  | indented |")),
    )


def test_html_stays_text():
    assert lines_of("<b>hi</b> &lt;!channel&gt;") == ("<b>hi</b> <!channel>",)


def test_a_text_that_is_only_a_heading_is_a_section_without_lines():
    assert sections_of("# Nothing", untitled="x") == (Section(title="Nothing"),)


def test_an_empty_text_has_no_sections():
    assert sections_of(" \n\n", untitled="x") == ()


def test_every_word_of_nested_blocks_is_kept():
    text = "> quoted\n> - one\n>   ```\n>   two\n>   ```\n\n- three\n\n  four\n\n      five\n\n---\nSix\n===\n"
    assert " ".join(" ".join(lines_of(text)).replace(">", " ").replace("-", " ").split()) == (
        "quoted one two three four five Six"
    )


@pytest.mark.parametrize("piece", ["[", "*a ", "> ", "[a](", "- ", "|a", "<", "![[](", "`", "_a **b "])
def test_hostile_markdown_takes_time_in_proportion(piece):
    text = piece * (50_000 // len(piece))
    began = time.monotonic()
    sections_of(text, untitled="x")
    assert time.monotonic() - began < 10
