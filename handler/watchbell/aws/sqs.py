"""Amazon SQS as a queue. Standard queues deliver at least once and in any order, which is all that is asked of them."""

import json
import logging
import threading
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from watchbell.aws.session import new_client
from watchbell.errors import ConfigError
from watchbell.queueing import Message

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

log = logging.getLogger("watchbell")

#: Single messages of a call that SQS did not take are sent again this often.
_TRIES = 3


class SqsQueue:
    """See Queue. The client is made when the first message is sent; the region is the standard AWS setting."""

    most_at_once = 10  # SQS: SendMessageBatch, at most 10 entries

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()

    def send(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Send at most ten messages."""
        from botocore.exceptions import BotoCoreError, ClientError

        left = list(messages)
        try:
            with self._lock:
                client = self._client
            for _ in range(_TRIES):
                left = self._try(client, left)
                if not left:
                    break
        except ClientError as error:
            log.error(
                "the queue %s: %s; check WATCHBELL_QUEUE_URL, AWS_REGION and the permission to send", self._url, error
            )
        except ConfigError as error:
            log.error("the queue %s: %s", self._url, error)
        except BotoCoreError as error:
            log.error("the queue %s did not answer: %s", self._url, error)
        return left

    def _try(self, client: "SQSClient", messages: list[Message]) -> list[Message]:
        answer = client.send_message_batch(
            QueueUrl=self._url,
            Entries=[{"Id": str(number), "MessageBody": message.to_text()} for number, message in enumerate(messages)],
        )
        failed = answer.get("Failed", [])
        if failed:
            log.warning("the queue did not take %d message(s): %s", len(failed), json.dumps(failed[0]))
        numbers = {int(entry["Id"]) for entry in failed}
        return [message for number, message in enumerate(messages) if number in numbers]

    @cached_property
    def _client(self) -> "SQSClient":
        from botocore.config import Config

        # A message that may have been sent twice does no harm, so botocore may repeat.
        config = Config(
            connect_timeout=3, read_timeout=5, retries={"mode": "standard", "max_attempts": 3}, max_pool_connections=32
        )
        client: SQSClient = new_client("sqs", config)
        return client
