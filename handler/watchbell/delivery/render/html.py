"""A report as one web page, to look at before it is sent: it shows what a chat would, and loads and runs nothing.

The page's policy allows its own style, by hash, and pictures within it. Everything from the report is escaped.
"""

from base64 import b64encode
from collections.abc import Iterator, Sequence
from hashlib import sha256
from html import escape
from itertools import groupby

from watchbell.delivery.images import caption
from watchbell.delivery.interface import Stamp
from watchbell.delivery.render.entries import Entry, Style, entries, headline
from watchbell.reports.interface import Image, Report

LONGEST_CAPTION = 400

_STYLE = """
:root { color-scheme: light dark; --page: #f3f4f6; --card: #fff; --ink: #1f2328; --faint: #59636e; --code: #f0f1f3; }
@media (prefers-color-scheme: dark) {
  :root { --page: #111418; --card: #1b1f24; --ink: #e4e7eb; --faint: #9aa4af; --code: #262b32; }
}
* { box-sizing: border-box; }
body { margin: 0; padding: 1rem .6rem; background: var(--page); color: var(--ink);
  font: 15px/1.45 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { display: flex; gap: .7rem; max-width: 44rem; margin: auto; padding: .9rem; background: var(--card);
  border-left: 4px solid var(--verdict); border-radius: 6px; }
main.ok { --verdict: #2ecc71; } main.attention { --verdict: #f1c40f; }
main.degraded { --verdict: #e74c3c; } main.unknown { --verdict: #95a5a6; }
.sender { flex: none; width: 2.2rem; height: 2.2rem; border-radius: 6px; background: #1d4ed8; color: #fff;
  font-weight: 700; text-align: center; line-height: 2.2rem; }
.message { flex: 1; min-width: 0; overflow-wrap: anywhere; }
.from { font-weight: 700; } .from small, footer { color: var(--faint); font-weight: 400; }
h1 { margin: .1rem 0 .3rem; font-size: 1.05rem; } h2 { margin: .9rem 0 .1rem; font-size: 1rem; }
p { margin: 0; }
pre { margin: .3rem 0; padding: .5rem .6rem; white-space: pre-wrap; background: var(--code); border-radius: 4px;
  font: 13px/1.4 ui-monospace, "DejaVu Sans Mono", monospace; }
figure { margin: .8rem 0 0; } figcaption { color: var(--faint); font-size: .85rem; }
img { display: block; width: 100%; max-width: 28rem; height: auto; border-radius: 4px; }
footer { margin-top: .9rem; font-size: .85rem; }
@media (max-width: 480px) { .sender { display: none; } main { padding: .7rem; } pre { font-size: 12px; } }
"""
_POLICY = "; ".join(
    (
        "default-src 'none'",
        f"style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
    )
)


def page(report: Report, stamp: Stamp) -> str:
    """Return the whole page; the report's pictures are in it."""
    whole = entries(report, stamp)
    feet = [entry for entry in whole if entry.style is Style.FOOT]
    body = [entry for entry in whole if entry.style is not Style.FOOT]
    lines = (
        "<!doctype html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="referrer" content="no-referrer">',
        f"<title>{escape(headline(report))}</title>",
        f"<style>{_STYLE}</style>",
        "</head>",
        "<body>",
        f'<main class="{escape(report.verdict.lower())}">',
        '<div class="sender" aria-hidden="true">W</div>',
        '<div class="message">',
        f'<p class="from">Watchbell <small>{escape(stamp.fire_time)}</small></p>',
        *_blocks(body),
        *map(_figure, report.images),
        "<footer>{}</footer>".format("<br>".join(escape(entry.text) for entry in feet)),
        "</div>",
        "</main>",
        "</body>",
        "</html>",
        "",
    )
    return "\n".join(lines)


def _blocks(shown: Sequence[Entry]) -> Iterator[str]:
    for style, run in groupby(shown, key=lambda entry: entry.style):
        texts = [escape(entry.text) for entry in run]
        if style is Style.ROW:
            yield "<pre>{}</pre>".format("\n".join(texts))
        else:
            tag = {Style.HEADLINE: "h1", Style.HEADING: "h2"}.get(style, "p")
            yield from (f"<{tag}>{text}</{tag}>" for text in texts)


def _figure(image: Image) -> str:
    shows = escape(caption(image, LONGEST_CAPTION))
    data = b64encode(image.png).decode("ascii")
    return f'<figure><img alt="{shows}" src="data:image/png;base64,{data}"><figcaption>{shows}</figcaption></figure>'
