"""Settings -> the queue that a tick hands its runs on through, where there is one."""

from watchbell.queueing import Queue
from watchbell.settings import Settings


def make_queue(settings: Settings) -> Queue | None:
    """Return the queue; it connects when the first message is sent."""
    if settings.queue_url is None:
        return None
    from watchbell.aws.sqs import SqsQueue

    return SqsQueue(settings.queue_url)
