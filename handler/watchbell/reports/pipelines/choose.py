"""Which pipeline builds a report: the one that the task names, else the one that takes its kind, else the built-in."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from watchbell.errors import SourceError
from watchbell.reports.interface import Pipeline, Report, ReportRequest
from watchbell.tasks import Kind


class ChosenPipeline:
    """Hands each request to its pipeline; one that nobody asks for is never made."""

    def __init__(
        self,
        builtin: Pipeline,
        makers: Mapping[str, Callable[[], Pipeline]],
        *,
        takers: Mapping[Kind, str],
        models: tuple[str, ...],
    ) -> None:
        """`makers` go by name; `takers` say who takes a kind unasked; `models` are the names of those with a model."""
        self._made: dict[str, Pipeline] = {"builtin": builtin}
        self._makers = makers
        self._takers = takers
        self._models = models
        self._lock = threading.Lock()

    def build(self, request: ReportRequest) -> Report:
        """Build the report; raises SourceError when it cannot, also for a pipeline that is not configured."""
        pipeline = self._pipeline(self._name(request))
        others = {key: value for key, value in request.params.items() if key != "pipeline"}
        return pipeline.build(replace(request, params=others))

    def _name(self, request: ReportRequest) -> str:
        named = _named(request.params)
        name = named or self._takers.get(request.kind, "builtin")
        if name != "builtin" or not asks_a_model(request):
            return name
        if named or not self._models:
            raise SourceError(
                "params.prompt needs a model: configure one in config.toml ([pipelines.ai] model = …), "
                "and name no other pipeline in the task's params"
            )
        return self._models[0]

    def _pipeline(self, name: str) -> Pipeline:
        with self._lock:
            if name not in self._made:
                if name not in self._makers:
                    known = ", ".join(["builtin", *self._makers])
                    raise SourceError(
                        f"params.pipeline: there is no pipeline {name!r} in config.toml; known are {known}"
                    )
                self._made[name] = self._makers[name]()
            return self._made[name]


def asks_a_model(request: ReportRequest) -> bool:
    """Say whether the task puts a free question, which only a model can take."""
    return request.kind is Kind.CUSTOM_INVESTIGATION and bool(request.params.get("prompt"))


def _named(params: Mapping[str, Any]) -> str:
    name = params.get("pipeline", "")
    if not isinstance(name, str):
        raise SourceError(f"params.pipeline must be the name of a pipeline, not {name!r}")
    return name
