"""What a provider takes as an image, checked before anything is sent."""

import struct

from watchbell.delivery.render.literal import literal
from watchbell.reports.interface import Image

#: Telegram's limit for photos and Discord's for files; Slack takes more, but no chart needs it.
LARGEST_IMAGE = 10_000_000

LONGEST_NAME = 60

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def problem(
    name: str, image: Image, *, longest_sides: int | None = None, widest_ratio: int | None = None
) -> str | None:
    """Return why provider `name` would not take the image, or None. The limits on its shape are Telegram's."""
    size = _size(image.png)
    if size is None:
        return f"{name}: the image {file_name(image)} is not a PNG"
    if len(image.png) > LARGEST_IMAGE:
        return f"{name}: the image {file_name(image)} has {len(image.png):,} bytes; at most {LARGEST_IMAGE:,} are taken"
    if longest_sides and sum(size) > longest_sides:
        return f"{name}: the image {file_name(image)} is too large ({size[0]} x {size[1]} pixels)"
    if widest_ratio and max(size) > widest_ratio * min(size):
        return f"{name}: the image {file_name(image)} is too long and thin ({size[0]} x {size[1]} pixels)"
    return None


def file_name(image: Image) -> str:
    """Return a name for the file that no header, path or markup can be hidden in."""
    kept = "".join(one if one.isascii() and (one.isalnum() or one in "-_.") else "-" for one in image.name)
    stem = kept.removesuffix(".png").strip("-.")[:LONGEST_NAME] or "image"
    return f"{stem}.png"


def caption(image: Image, longest: int) -> str:
    """Return what the image shows, as one harmless line of at most so many characters."""
    return literal(image.alt or image.name)[:longest]


def _size(png: bytes) -> tuple[int, int] | None:
    """Return width and height in pixels, from the first chunk."""
    if not png.startswith(_SIGNATURE) or png[12:16] != b"IHDR" or len(png) < 24:
        return None
    width, height = struct.unpack(">II", png[16:24])
    return (width, height) if width and height else None
