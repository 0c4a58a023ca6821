"""Whether the report of a task can be built at all, by what its params and the settings say; nobody is asked."""

from collections.abc import Iterable, Iterator

from watchbell.checkup.checks import CONFIG, Check, named, ok, problem
from watchbell.errors import SourceError
from watchbell.reports.pipelines.choose import choose, has_prompt
from watchbell.secrets.credentials import without_credentials
from watchbell.settings import Settings
from watchbell.settings.pipelines import BUILTIN, PipelineSettings
from watchbell.settings.sources import UNREADABLE
from watchbell.tasks import Kind, Task


def check_buildable(settings: Settings, tasks: Iterable[Task]) -> Iterator[Check]:
    """Name each task whose report can never be built, and those that are silent for ever while all is quiet."""
    silent = []
    for task in tasks:
        name = f"{task.name} ({task.id})" if task.name else task.id
        doubt = doubt_of(task, settings)
        if doubt:
            advice = f"watchbell cron edit {task.id} --param KEY=VALUE; or mend config.toml"
            yield problem("params", f"{name} can never be built: {doubt}", advice, CONFIG)
        if task.skip_if_quiet and task.proof_of_life_every == 0:
            silent.append(name)
    if silent:
        said = f"{named(silent)}: while all is quiet, nothing tells silence from a report that is lost"
        yield ok("proof of life", said, "watchbell cron edit TASK --proof-of-life 7 sends every seventh quiet report")


def doubt_of(task: Task, settings: Settings) -> str:
    """Return why the settings of this machine can never build the report of a task; an empty text where they can."""
    try:
        pipeline = pipeline_of(task, settings)
        if pipeline is None or pipeline.way == "ai":
            _refuse_params(task, settings)
    except SourceError as error:
        return str(error)
    return ""


def pipeline_of(task: Task, settings: Settings) -> PipelineSettings | None:
    """Return the configured pipeline that builds a task, None for the built-in one; raises SourceError for neither."""
    configured = {one.name: one for one in settings.pipelines}
    name = choose(
        task.kind,
        task.params,
        takers={kind: one.name for one in settings.pipelines for kind in one.kinds},
        models=[one.name for one in settings.pipelines if one.way == "ai"],
        known=(BUILTIN, *configured),
    )
    return configured.get(name)


def _refuse_params(task: Task, settings: Settings) -> None:
    """Read the params as the built-in kinds do; those that are not here have none."""
    params = {key: value for key, value in without_credentials(task.params).items() if key != "pipeline"}
    speaks_promql = any(source.kind in ("prometheus", UNREADABLE) for source in settings.sources)
    if task.kind is Kind.CUSTOM_INVESTIGATION:
        _refuse_investigation(task, params, speaks_promql=speaks_promql)
    elif task.kind is Kind.SYNTHETIC_RUN:
        from watchbell.reports.kinds.synthetic_run import WHAT_TO_SET, read_params

        probes, _ = read_params(params)
        if not probes and not (speaks_promql and params.get("blackbox") is not False):
            raise SourceError(f"no probe is configured; {WHAT_TO_SET}")


def _refuse_investigation(task: Task, params: dict[str, object], *, speaks_promql: bool) -> None:
    from watchbell.reports.kinds.custom_investigation import read_params

    if has_prompt(task.kind, params):
        params.pop("prompt")
        if not params.get("queries") and not params.get("alerts"):
            return
    _, queries, _ = read_params(params)
    if queries and not speaks_promql:
        raise SourceError("params.queries need a Prometheus to ask; set WATCHBELL_PROMETHEUS_URL")
