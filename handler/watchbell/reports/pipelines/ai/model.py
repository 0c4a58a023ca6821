"""One conversation with a model over its API, within a budget of steps, tokens and time.

The agent library is an extra and slow to load: only a report that asks a model imports this module.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from anthropic import AsyncAnthropic
from anthropic import DefaultAsyncHttpxClient as AnthropicClient
from openai import AsyncOpenAI
from openai import DefaultAsyncHttpxClient as OpenAIClient
from pydantic_ai import Agent, UsageLimits
from pydantic_ai.exceptions import (
    ModelAPIError,
    ModelHTTPError,
    RunTimedOut,
    UnexpectedModelBehavior,
    UsageLimitExceeded,
)
from pydantic_ai.models import Model
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider

from watchbell.errors import SourceError

ADDRESSES = {"openai": "https://api.openai.com/v1", "anthropic": "https://api.anthropic.com"}
#: Of one answer, thinking included.
_MOST_ANSWER_TOKENS = 4096
_TRIES_OF_A_TOOL = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How much one conversation may take: requests to the model, tokens in and out, seconds."""

    steps: int
    tokens: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """What a model is asked, and with which tools (functions of texts that return a text)."""

    model: str  # interface:name
    api_key: str = field(repr=False)
    base_url: str | None
    instructions: str
    prompt: str
    tools: Sequence[Callable[..., str]]
    budget: Budget


def converse(conversation: Conversation) -> str:
    """Return the model's last text; raises SourceError saying in one line why there is none."""
    budget = conversation.budget
    try:
        return asyncio.run(_converse(conversation))
    except UsageLimitExceeded:
        raise SourceError(f"used up its budget of {budget.steps} steps and {budget.tokens} tokens") from None
    except (RunTimedOut, TimeoutError):
        raise SourceError(f"gave no answer within {budget.seconds:g} s") from None
    except ModelHTTPError as error:
        raise SourceError(_refusal(error.status_code)) from None
    except ModelAPIError:
        raise SourceError("cannot be reached") from None
    except UnexpectedModelBehavior:
        raise SourceError("answered with something that cannot be used") from None
    except Exception as error:  # noqa: BLE001  whatever breaks here, there is still the report without it
        # NOTE: only the type: the text of a foreign error may hold a secret.
        raise SourceError(f"failed unexpectedly ({type(error).__name__})") from None


async def _converse(conversation: Conversation) -> str:
    budget = conversation.budget
    async with _connected(conversation) as model:
        agent = Agent(
            model,
            instructions=conversation.instructions,
            tools=conversation.tools,
            retries=_TRIES_OF_A_TOOL,
            model_settings={"max_tokens": _MOST_ANSWER_TOKENS},
        )
        limits = UsageLimits(
            request_limit=budget.steps, tool_calls_limit=4 * budget.steps, total_tokens_limit=budget.tokens
        )
        result = await agent.run(conversation.prompt, usage_limits=limits, timeout=budget.seconds)
        return result.output


@asynccontextmanager
async def _connected(conversation: Conversation) -> AsyncIterator[Model]:
    """Give the model behind its API. Redirects are not followed: they would carry key and findings elsewhere."""
    interface, _, name = conversation.model.partition(":")
    options: dict[str, Any] = {
        "api_key": conversation.api_key,
        "base_url": conversation.base_url or ADDRESSES[interface],
        "max_retries": 1,
    }
    if interface == "anthropic":
        async with AsyncAnthropic(http_client=AnthropicClient(follow_redirects=False), **options) as anthropic:
            yield AnthropicModel(name, provider=AnthropicProvider(anthropic_client=anthropic))
    else:
        async with AsyncOpenAI(http_client=OpenAIClient(follow_redirects=False), **options) as openai:
            yield OpenAIChatModel(name, provider=OpenAIProvider(openai_client=openai))


def _refusal(status: int) -> str:
    if status in (401, 403):
        return f"refused the key ({status})"
    if status == 404:
        return "is not known there (404); are model and base_url right?"
    if status == 429:
        return "refused: too many requests, or the quota is used up (429)"
    return f"answered {status}"
