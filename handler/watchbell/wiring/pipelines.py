"""Settings -> whatever builds reports; nothing is made before a task asks for it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from watchbell.clock import Clock
from watchbell.errors import SourceError
from watchbell.reports.interface import Pipeline, Report, ReportRequest
from watchbell.secrets.references import is_reference
from watchbell.settings import Settings
from watchbell.settings.pipelines import PipelineSettings
from watchbell.wiring.sources import make_sources

if TYPE_CHECKING:
    from watchbell.reports.pipeline import BuiltinPipeline

#: What hangs where the library's own time limit does not reach is left behind this much later.
_MARGIN_SECONDS = 2.0


def make_pipeline(settings: Settings, clock: Clock) -> Pipeline:
    """Return the built-in pipeline over the configured sources, with those that config.toml names beside it."""
    from watchbell.reports.pipeline import BuiltinPipeline
    from watchbell.reports.pipelines.choose import ChosenPipeline

    builtin = BuiltinPipeline(make_sources(settings, clock), clock=clock, hours=settings.hours, charts=settings.charts)
    return ChosenPipeline(
        builtin,
        {one.name: _maker(settings, one, builtin, clock) for one in settings.pipelines},
        takers={kind: one.name for one in settings.pipelines for kind in one.kinds},
        models=tuple(one.name for one in settings.pipelines if one.way == "ai"),
        account=_account(settings, builtin),
    )


def _maker(
    settings: Settings, configured: PipelineSettings, builtin: "BuiltinPipeline", clock: Clock
) -> Callable[[], Pipeline]:
    ways: Mapping[str, Callable[[], Pipeline]] = {
        "command": lambda: _command(settings, configured, builtin, clock),
        "http": lambda: _http(settings, configured, builtin),
        "ai": lambda: _ai(settings, configured, builtin),
    }
    return ways[configured.way]


def _command(settings: Settings, configured: PipelineSettings, builtin: "BuiltinPipeline", clock: Clock) -> Pipeline:
    from watchbell.reports.pipelines.command import HARMLESS, CommandPipeline

    names = (*HARMLESS, *configured.options["environment"])
    config = settings.config_file
    return CommandPipeline(
        configured.options["command"],
        name=configured.name,
        account=_account(settings, builtin),
        environ={name: settings.environ[name] for name in names if name in settings.environ},
        clock=clock,
        folder=config.parent if isinstance(config, Path) else None,
        timeout_seconds=configured.timeout_seconds,
    )


def _http(settings: Settings, configured: PipelineSettings, builtin: "BuiltinPipeline") -> Pipeline:
    from watchbell.reports.pipelines.http import HttpPipeline

    def headers() -> dict[str, str]:
        found = {name: _secret(settings, value) for name, value in configured.options["headers"].items()}
        token = configured.options["bearer_token"]
        return found | ({"Authorization": f"Bearer {_secret(settings, token)}"} if token else {})

    return HttpPipeline(
        configured.options["url"],
        name=configured.name,
        account=_account(settings, builtin),
        headers=headers,
        timeout_seconds=configured.timeout_seconds,
    )


def _ai(settings: Settings, configured: PipelineSettings, builtin: "BuiltinPipeline") -> Pipeline:
    from watchbell.reports.pipelines.ai.summary import SummarisedPipeline
    from watchbell.reports.pipelines.time_limit import within

    options = configured.options
    seconds = float(configured.timeout_seconds)

    def ask(instructions: str, prompt: str, tools: list[Callable[..., str]]) -> str:
        key = _secret(settings, options["api_key"]) if options["api_key"] else "none"  # a server at home needs none
        try:
            from watchbell.reports.pipelines.ai.model import Budget, Conversation, converse
        except ImportError:
            raise SourceError("the extra is not installed: pip install 'watchbell[ai]'") from None
        conversation = Conversation(
            model=options["model"],
            api_key=key,
            base_url=options["base_url"],
            instructions=instructions,
            prompt=prompt,
            tools=tools,
            budget=Budget(steps=options["most_steps"], tokens=options["most_tokens"], seconds=seconds),
        )
        late = f"gave no answer within {seconds:g} s"
        return within(seconds + _MARGIN_SECONDS, lambda: converse(conversation), late=late)

    return SummarisedPipeline(builtin, ask, model=options["model"])


def _account(settings: Settings, builtin: "BuiltinPipeline") -> Callable[[ReportRequest], Report | None]:
    """Return what tells a foreign pipeline what our own sources say; None where none is configured."""
    is_configured = settings.names_sources or len(settings.sources) > 1 or settings.sources[0].kind != "alert_log"

    def account(request: ReportRequest) -> Report | None:
        if not is_configured and not settings.alert_log.exists():
            return None
        from watchbell.reports.pipelines.vouching import own_account

        return own_account(builtin.material(request))

    return account


def _secret(settings: Settings, value: str) -> str:
    """Return a secret, from wherever its reference says; raises CredentialError and TryAgain."""
    return settings.references.secret(value, settings.environ) if is_reference(value) else value
