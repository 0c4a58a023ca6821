"""Which pipeline builds a report: the one that the task names, else the one that takes its kind, else the built-in."""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from watchbell.errors import SourceError
from watchbell.reports.interface import Pipeline, Report, ReportRequest
from watchbell.reports.kinds.material import Unbuilt
from watchbell.tasks import Kind

MEND_CHOICE = "Mend the task's params, or [pipelines] in config.toml"


class ChosenPipeline:
    """Hands each request to its pipeline; one that nobody asks for is never made."""

    def __init__(
        self,
        builtin: Pipeline,
        makers: Mapping[str, Callable[[], Pipeline]],
        *,
        takers: Mapping[Kind, str],
        models: tuple[str, ...],
        account: Callable[[ReportRequest], Report | None],
    ) -> None:
        """`makers` go by name; `takers` say who takes a kind unasked; `models` are the names of those with a model.

        `account` tells what the sources say where no pipeline can.
        """
        self._made: dict[str, Pipeline] = {"builtin": builtin}
        self._makers = makers
        self._takers = takers
        self._models = models
        self._account = account
        self._lock = threading.Lock()

    def build(self, request: ReportRequest) -> Report:
        """Build the report; raises SourceError when it cannot, Unbuilt where no configured pipeline can take it."""
        known = ("builtin", *self._makers)
        try:
            name = choose(request.kind, request.params, takers=self._takers, models=self._models, known=known)
        except SourceError as error:
            raise Unbuilt(str(error), account=self._account(request), action=MEND_CHOICE) from None
        pipeline = self._pipeline(name)
        others = {key: value for key, value in request.params.items() if key != "pipeline"}
        return pipeline.build(replace(request, params=others))

    def _pipeline(self, name: str) -> Pipeline:
        with self._lock:
            if name not in self._made:
                self._made[name] = self._makers[name]()
            return self._made[name]


def choose(
    kind: Kind, params: Mapping[str, Any], *, takers: Mapping[Kind, str], models: Sequence[str], known: Collection[str]
) -> str:
    """Return the name of the pipeline for a task; raises SourceError where no configured one can take it."""
    named = _named(params)
    name = named or takers.get(kind, "builtin")
    if name not in known:
        raise SourceError(
            f"params.pipeline: there is no pipeline {name!r} in config.toml; known are {', '.join(known)}"
        )
    if name != "builtin" or not has_prompt(kind, params):
        return name
    if named or not models:
        raise SourceError(
            "params.prompt needs a model: configure one in config.toml ([pipelines.ai] model = …), "
            "and name no other pipeline in the task's params"
        )
    return models[0]


def asks_a_model(request: ReportRequest) -> bool:
    """Say whether the task puts a free question, which only a model can take."""
    return has_prompt(request.kind, request.params)


def has_prompt(kind: Kind, params: Mapping[str, Any]) -> bool:
    """Say the same of a kind and its params."""
    return kind is Kind.CUSTOM_INVESTIGATION and bool(params.get("prompt"))


def _named(params: Mapping[str, Any]) -> str:
    name = params.get("pipeline", "")
    if not isinstance(name, str):
        raise SourceError(f"params.pipeline must be the name of a pipeline, not {name!r}")
    return name
