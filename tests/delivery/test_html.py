"""A report as a web page: it reads as the chat does, and nothing in it loads, runs or is markup."""

import base64
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser

import pytest

from delivery.test_hostile_text import HOSTILE, INVISIBLE, report_full_of
from fakes.pictures import png
from watchbell.delivery.interface import Stamp
from watchbell.delivery.render import html, plain
from watchbell.reports.interface import Image, Report, Section, Verdict

MakeReport = Callable[..., Report]
SCRIPT = "</style></title></pre><script>alert(1)</script><img src=x onerror=alert(1)>\"'&lt;"


@dataclass
class Page(HTMLParser):
    """What a browser makes of the page: its tags with their attributes, its text, and its style as written."""

    source: str
    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    style: str = ""

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.lasttag == "style" and not self.style:
            self.style = data
        else:
            self.text.append(data)

    def named(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]

    @property
    def policy(self) -> dict[str, str]:
        content = next(one["content"] for one in self.named("meta") if "http-equiv" in one)
        assert content is not None
        pairs = (rule.split(" ", 1) for rule in content.split("; "))
        return {name: value for name, value in pairs}  # noqa: C416  pairs are lists


def test_a_page_says_what_the_message_says(make_report: MakeReport, stamp: Stamp) -> None:
    rows = (("HighErrorRate", "3"), ("DiskFull", "1"))
    report = make_report(sections=(Section(title="Top", lines=("2 rules",), columns=("alert", "firings"), rows=rows),))
    page = Page(html.page(report, stamp))
    told = " ".join(" ".join(page.text).split())
    for line in plain.message(report, stamp).split("\n"):
        assert " ".join(line.split()) in told
    assert len(page.named("pre")) == 1


@pytest.mark.parametrize("verdict", Verdict)
def test_the_colour_of_a_page_is_that_of_its_verdict(make_report: MakeReport, stamp: Stamp, verdict: Verdict) -> None:
    page = Page(html.page(make_report(verdict=verdict), stamp))
    (main,) = page.named("main")
    assert f"main.{main['class']} {{ --verdict:" in page.style


def test_the_policy_of_a_page_allows_its_own_style_and_pictures_within_it_only(
    make_report: MakeReport, stamp: Stamp
) -> None:
    page = Page(html.page(make_report(), stamp))
    digest = base64.b64encode(hashlib.sha256(page.style.encode()).digest()).decode()
    assert page.policy == {
        "default-src": "'none'",
        "style-src": f"'sha256-{digest}'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


@pytest.mark.parametrize("text", [SCRIPT, *HOSTILE.values(), *INVISIBLE.values()])
def test_text_from_outside_is_text(make_report: MakeReport, stamp: Stamp, text: str) -> None:
    calm = Page(html.page(report_full_of("calm", make_report()), stamp))
    report = replace(report_full_of(text, make_report()), images=(Image(name=text, alt=text, png=png()),))
    source = html.page(report, stamp)
    page = Page(source)
    source.encode("utf-8")
    expected = {tag for tag, _ in calm.tags} | {"figure", "img", "figcaption"}
    assert {tag for tag, _ in page.tags} == expected
    attributes = {name for _, attrs in page.tags for name in attrs}
    assert attributes <= {"lang", "charset", "http-equiv", "content", "name", "class", "aria-hidden", "alt", "src"}
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", source)


def test_pictures_are_within_the_page_with_their_words(make_report: MakeReport, stamp: Stamp) -> None:
    picture = png(30, 20)
    page = Page(html.page(make_report(images=(Image(name="chart", png=picture, alt='5 "firings"'),)), stamp))
    (image,) = page.named("img")
    assert image["alt"] == '5 "firings"'
    assert image["src"] == f"data:image/png;base64,{base64.b64encode(picture).decode()}"


def test_a_page_refers_to_nothing_elsewhere(make_report: MakeReport, stamp: Stamp) -> None:
    page = Page(html.page(make_report(images=(Image(name="chart", png=png()),)), stamp))
    assert {tag for tag, _ in page.tags}.isdisjoint({"a", "link", "script", "iframe", "form", "object", "base"})
    assert "url(" not in page.style
    assert "@import" not in page.style
