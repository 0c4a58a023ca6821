"""Slack's upload in three steps: ask for a place, put the bytes there, share the file. Only the last shows anything."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from watchbell.delivery.answers import Answer
from watchbell.delivery.http import ChatApi, time_left
from watchbell.delivery.images import caption, file_name, problem
from watchbell.delivery.interface import Delivered, NotSent, Outcome, Refused, Unknown
from watchbell.reports.interface import Image

NAME = "Slack"

LONGEST_ALT = 1_000


class SlackFiles:
    """Uploads as one Slack app."""

    def __init__(self, api: ChatApi, token: str, outcome: Callable[[Answer], Outcome]) -> None:
        self._api = api
        self._outcome = outcome
        self._headers = {"Authorization": f"Bearer {token}"}

    def share(self, image: Image, channel: str, thread: str | None, seconds: float) -> Outcome:
        """Show the image in the channel, in a thread where there is one; the message id is the file's."""
        wrong = problem(NAME, image)
        if wrong:
            return Refused(wrong)
        left = time_left(seconds)
        place = self._ask_for_place(image, left())
        if not isinstance(place, dict):
            return place
        failure = self._put(place["upload_url"], image, left())
        if failure is not None:
            return failure
        file = {"id": place["file_id"], "title": file_name(image)}
        form = {"files": json.dumps([file]), "channel_id": channel, **({"thread_ts": thread} if thread else {})}
        done = self._call("files.completeUploadExternal", form, left())
        return Delivered(place["file_id"]) if isinstance(done, dict) else done

    def _ask_for_place(self, image: Image, seconds: float) -> dict[str, str] | Outcome:
        form = {
            "filename": file_name(image),
            "length": str(len(image.png)),
            "alt_txt": caption(image, LONGEST_ALT),
        }
        fields = self._call("files.getUploadURLExternal", form, seconds)
        if not isinstance(fields, dict):
            return _unseen(fields)
        place = {name: str(fields.get(name) or "") for name in ("upload_url", "file_id")}
        return place if all(place.values()) else NotSent(f"{NAME}: offered no place for the image")

    def _put(self, url: str, image: Image, seconds: float) -> Outcome | None:
        """Send the bytes. The URL needs no token, and gets none."""
        if not url.startswith(("https://", "http://")):
            return NotSent(f"{NAME}: offered no usable place for the image")
        answer = self._api.request(
            "POST", url, headers={"Content-Type": "application/octet-stream"}, seconds=seconds, content=image.png
        )
        if not isinstance(answer, Answer):
            return _unseen(answer)
        return None if answer.status == 200 else NotSent(f"{NAME}: the upload failed (HTTP {answer.status})")

    def _call(self, method: str, form: Mapping[str, str], seconds: float) -> dict[str, Any] | Outcome:
        """Return the fields of a success, else what its lack means."""
        answer = self._api.request("POST", f"/{method}", headers=self._headers, seconds=seconds, data=form)
        if not isinstance(answer, Answer):
            return answer
        fields = answer.fields()
        if answer.status == 200 and fields is not None and fields.get("ok") is True:
            return fields
        return self._outcome(answer)


def _unseen(outcome: Outcome) -> Outcome:
    """Nothing of the first two steps shows, so whatever became of them, the image was not sent."""
    return NotSent(outcome.error) if isinstance(outcome, Unknown) else outcome
