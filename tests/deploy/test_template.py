"""template.yaml and infra/iam: what AWS's own tools say, and what they cannot know."""

import json
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from fakes.programs import program
from watchbell.stores.dynamodb.tables import TABLES, TTL

cfn_yaml = pytest.importorskip("cfnlint.decode.cfn_yaml")

ROOT = Path(__file__).parents[2]
FILE = ROOT / "template.yaml"
IAM = ROOT / "infra" / "iam"
FUNCTIONS = ("TickFunction", "DeliverFunction")
#: Tools that would ask the network for nothing that is needed, or AWS for an account.
QUIET = {"SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "eu-central-1", "AWS_EC2_METADATA_DISABLED": "true"}


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    return json.loads(json.dumps(cfn_yaml.load(str(FILE))))


@pytest.fixture(scope="module")
def resources(template: dict[str, Any]) -> dict[str, Any]:
    return {name: one["Properties"] for name, one in template["Resources"].items()}


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, env=os.environ | QUIET, capture_output=True, text=True, check=False)


def test_cfn_lint_finds_nothing() -> None:
    done = run(str(Path(sys.executable).with_name("cfn-lint")), "template.yaml")
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.service("sam")
def test_sam_validates_and_lints_the_template() -> None:
    done = run(program("sam") or "sam", "validate", "--lint", "--template", "template.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.service("checkov")
def test_every_finding_of_checkov_is_mended_or_answered() -> None:
    done = run(
        program("checkov") or "checkov", "--skip-download", "--quiet", "--compact", "-o", "json", "-f", "template.yaml"
    )
    assert done.returncode == 0, done.stdout
    answered = FILE.read_text().count("{id: CKV_")
    assert json.loads(done.stdout)["summary"]["skipped"] == answered, (
        "an answer to a question that nobody asks any more"
    )


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.suffix)
def test_the_tables_are_those_that_store_create_makes(resources: dict[str, Any], table: Any) -> None:
    made = resources[f"{table.suffix.capitalize()}Table"]
    wanted = table.create("x")
    for key in ("KeySchema", "GlobalSecondaryIndexes", "BillingMode", "DeletionProtectionEnabled"):
        assert made[key] == wanted[key], key
    by_name = {one["AttributeName"]: one["AttributeType"] for one in made["AttributeDefinitions"]}
    assert by_name == {one["AttributeName"]: one["AttributeType"] for one in wanted["AttributeDefinitions"]}
    assert made["TimeToLiveSpecification"] == {"AttributeName": TTL, "Enabled": True}
    assert made["TableName"] == {"Fn::Sub": f"${{TablePrefix}}-{table.suffix}"}


@pytest.mark.parametrize("name", ["TasksTable", "RunsTable"])
def test_tables_outlive_the_stack_can_be_restored_and_are_encrypted_for_nothing(
    template: dict[str, Any], name: str
) -> None:
    table = template["Resources"][name]
    assert (table["DeletionPolicy"], table["UpdateReplacePolicy"]) == ("Retain", "Retain")
    assert table["Properties"]["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    # As `store create` makes them: under DynamoDB's own key. SSEEnabled would mean a key that KMS bills for.
    assert "SSESpecification" not in table["Properties"]
    assert all("SSESpecification" not in table.create("x") for table in TABLES)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_handlers_are_functions_of_the_bundle(resources: dict[str, Any], name: str) -> None:
    module, _, function = resources[name]["Handler"].rpartition(".")
    assert callable(getattr(import_module(module), function))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_has_time_for_more_than_ending(resources: dict[str, Any], name: str) -> None:
    from watchbell.aws_lambda import _MARGIN

    assert resources[name]["Timeout"] > _MARGIN.total_seconds() + 60


def test_a_message_stays_hidden_for_six_time_outs_and_is_given_up_after_five_receives(
    resources: dict[str, Any],
) -> None:
    queue = resources["RunsQueue"]
    assert queue["VisibilityTimeout"] >= 6 * resources["DeliverFunction"]["Timeout"]
    assert queue["RedrivePolicy"]["maxReceiveCount"] >= 5
    event = resources["DeliverFunction"]["Events"]["Runs"]["Properties"]
    assert event["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_one_message_that_failed_once_wakes_nobody(resources: dict[str, Any]) -> None:
    """Its age goes on counting while it is hidden; then it has the time of one more try."""
    alarm, queue = resources["QueueAgeAlarm"], resources["RunsQueue"]
    assert alarm["MetricName"] == "ApproximateAgeOfOldestMessage"
    second_try = queue["VisibilityTimeout"] + resources["DeliverFunction"]["Timeout"]
    assert second_try < alarm["Threshold"] < 2 * queue["VisibilityTimeout"]
    assert f"{alarm['Threshold'] // 60} minutes" in alarm["AlarmDescription"]


def test_the_tick_and_only_the_tick_can_tell_a_dead_mans_switch(
    template: dict[str, Any], resources: dict[str, Any]
) -> None:
    name = "WATCHBELL_HEARTBEAT_URL"
    given = resources["TickFunction"]["Environment"]["Variables"][name]
    assert given == {"Fn::If": ["HasHeartbeat", {"Fn::Sub": "ssm:${HeartbeatParameter}"}, {"Ref": "AWS::NoValue"}]}
    assert "Environment" not in resources["DeliverFunction"]


def test_whoever_is_asked_for_a_parameter_may_take_what_is_there(template: dict[str, Any]) -> None:
    """`sam deploy --guided` asks for each; a hidden one has no default then, and no empty answer is taken."""
    parameters = template["Parameters"]
    assert [name for name, one in parameters.items() if "Default" not in one or one.get("NoEcho")] == []
    for one in parameters.values():
        assert re.fullmatch(one.get("AllowedPattern", ".*"), str(one["Default"]))


def test_who_builds_reports_may_read_cloudwatch_and_without_a_queue_that_is_the_tick(resources: dict[str, Any]) -> None:
    assert resources["CloudWatchReading"]["Roles"] == [{"Ref": "DeliverRole"}, {"Ref": "TickRole"}]


def test_an_output_that_speaks_of_logs_is_a_log_group(template: dict[str, Any]) -> None:
    found = {name: one["Value"] for name, one in template["Outputs"].items() if "logs tail" in one["Description"]}
    assert found == {"TickLogGroup": {"Ref": "TickLogs"}, "DeliverLogGroup": {"Ref": "DeliverLogs"}}


def test_the_schedule_rings_each_minute_on_the_minute_and_does_not_ring_for_long_ago(resources: dict[str, Any]) -> None:
    schedule = resources["TickFunction"]["Events"]["EachMinute"]
    assert schedule["Type"] == "ScheduleV2"
    properties = schedule["Properties"]
    assert properties["ScheduleExpression"] == "cron(* * * * ? *)"
    assert properties["FlexibleTimeWindow"] == {"Mode": "OFF"}
    assert properties["RetryPolicy"]["MaximumEventAgeInSeconds"] <= 300
    assert json.loads(properties["Input"]) == {"scheduled_time": "<aws.scheduler.scheduled-time>"}


def test_a_second_stack_fits_into_the_account(resources: dict[str, Any]) -> None:
    """Names that are no parameters are left to CloudFormation; SAM would give every schedule the same one."""
    assert resources["TickFunction"]["Events"]["EachMinute"]["Properties"]["OmitName"] is True
    named = {
        name: properties[key]
        for name, properties in resources.items()
        for key in ("FunctionName", "QueueName", "RoleName", "TableName", "TopicName", "AlarmName", "LogGroupName")
        if key in properties
    }
    assert [name for name, text in named.items() if "${" not in str(text)] == []


def test_the_dead_man_alarm_listens_to_what_a_tick_writes(template: dict[str, Any], resources: dict[str, Any]) -> None:
    from watchbell.aws_lambda import _NAMESPACE

    alarm = resources["NoTickAlarm"]
    assert (alarm["Namespace"], alarm["MetricName"]) == (_NAMESPACE, "TickCompleted")
    assert (alarm["Period"] * alarm["EvaluationPeriods"], alarm["TreatMissingData"]) == (180, "breaching")
    service = template["Globals"]["Function"]["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"]
    assert alarm["Dimensions"] == [{"Name": "service", "Value": service}]


def test_every_alarm_tells_the_topic(template: dict[str, Any]) -> None:
    alarms = [one["Properties"] for one in template["Resources"].values() if one["Type"] == "AWS::CloudWatch::Alarm"]
    assert {alarm["MetricName"] for alarm in alarms} == {
        "TickCompleted",
        "Errors",
        "Throttles",
        "ApproximateAgeOfOldestMessage",
        "ApproximateNumberOfMessagesVisible",
    }
    assert all(alarm["AlarmActions"] == [{"Ref": "AlarmTopic"}] for alarm in alarms)


def test_variables_of_the_functions_are_documented(template: dict[str, Any]) -> None:
    settings = (ROOT / "docs" / "settings.md").read_text()
    places = [template["Globals"]["Function"], *(one["Properties"] for one in template["Resources"].values())]
    names = [name for place in places for name in place.get("Environment", {}).get("Variables", {})]
    assert [name for name in names if name.startswith("WATCHBELL_") and f"`{name}`" not in settings] == []


PAGE = (ROOT / "docs" / "how-to" / "aws.md").read_text()
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)


def test_in_the_docs_nothing_is_imported_while_the_old_timer_may_still_tick() -> None:
    """Pasted as one block: a line that fails must not be followed by the next one."""
    (moving,) = [block for block in BLOCKS if "timer remove" in block]
    assert re.fullmatch(
        r"watchbell timer remove &&\n +\S+ watchbell cron import tasks.json &&\n +rm tasks.json\n", moving
    )


def test_in_the_docs_credentials_are_written_for_nobody_else_to_read() -> None:
    assert [block for block in BLOCKS if "--with-secrets" in block and "umask 077 &&" not in block] == []


def test_in_the_docs_a_protected_table_is_waited_for_before_it_is_deleted() -> None:
    (removing,) = [block for block in BLOCKS if "delete-table" in block]
    assert re.findall(r"aws dynamodb ([a-z-]+)", removing) == ["update-table", "wait", "delete-table"]


def test_in_the_docs_only_the_first_deployment_names_parameters_on_its_command_line() -> None:
    """What is said there later, the next plain `sam deploy` takes back."""
    assert [line for line in PAGE.splitlines() if "--parameter-overrides" in line and "--guided" not in line] == []


def test_in_the_docs_every_parameter_that_is_named_is_one(template: dict[str, Any]) -> None:
    named = set(re.findall(r"[ `]([A-Z][a-z]+[A-Z][A-Za-z]+)=", PAGE)) | {"DeliverConcurrency"}
    assert named <= template["Parameters"].keys()


def statements(resources: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    for properties in resources.values():
        for policy in [*properties.get("Policies", ()), properties]:
            document = policy.get("PolicyDocument") if isinstance(policy, dict) else None
            found += document["Statement"] if document else []
    return [one for one in found if one["Effect"] == "Allow"]


def test_no_statement_allows_more_than_it_has_to(resources: dict[str, Any]) -> None:
    written = [one for path in IAM.glob("*.json") for one in json.loads(path.read_text())["Statement"]]
    for one in [*statements(resources), *written]:
        actions = [one["Action"]] if isinstance(one["Action"], str) else one["Action"]
        assert not [action for action in actions if "*" in action], one
        # Composite alarms can only be listed with *.
        assert one.get("Resource") != "*" or one["Sid"] == "ReadCloudWatch", one


#: What stands for what in infra/iam.
_PLACES = {
    "TasksTable.Arn": "arn:aws:dynamodb:REGION:ACCOUNT:table/watchbell-tasks",
    "RunsTable.Arn": "arn:aws:dynamodb:REGION:ACCOUNT:table/watchbell-runs",
    "RunsQueue.Arn": "arn:aws:sqs:REGION:ACCOUNT:watchbell-runs",
    "TickLogs.Arn": "arn:aws:logs:REGION:ACCOUNT:log-group:/watchbell/watchbell/tick:*",
    "DeliverLogs.Arn": "arn:aws:logs:REGION:ACCOUNT:log-group:/watchbell/watchbell/deliver:*",
    "AWS::Partition": "aws",
    "AWS::Region": "REGION",
    "AWS::AccountId": "ACCOUNT",
    "ParameterPath": "watchbell",
}


def spelled_out(value: Any) -> Any:
    """Return a policy of the template as infra/iam writes it."""
    if isinstance(value, list):
        return [spelled_out(one) for one in value]
    if not isinstance(value, dict):
        return value
    if "Fn::GetAtt" in value:
        name = value["Fn::GetAtt"]
        return _PLACES[name if isinstance(name, str) else ".".join(name)]
    if "Fn::Sub" in value:
        text = value["Fn::Sub"]
        for name, place in _PLACES.items():
            text = text.replace(f"${{{name}}}", place)
        return text
    return {key: spelled_out(one) for key, one in value.items()}


@pytest.mark.parametrize(("role", "name"), [("TickRole", "tick"), ("DeliverRole", "deliver")])
def test_the_policies_beside_the_template_are_the_same(resources: dict[str, Any], role: str, name: str) -> None:
    (policy,) = resources[role]["Policies"]
    assert json.loads((IAM / f"{name}.json").read_text())["Statement"] == spelled_out(
        policy["PolicyDocument"]["Statement"]
    )
    trust = json.loads((IAM / "lambda-trust.json").read_text())
    assert trust["Statement"] == resources[role]["AssumeRolePolicyDocument"]["Statement"]


def test_the_policy_for_cloudwatch_is_the_same(resources: dict[str, Any]) -> None:
    document = resources["CloudWatchReading"]["PolicyDocument"]
    assert json.loads((IAM / "read-cloudwatch.json").read_text())["Statement"] == document["Statement"]


def test_policies_use_actions_that_exist() -> None:
    """As far as the service models of botocore know them: each action is an operation of its service."""
    from botocore.session import Session

    session = Session()
    wrong = []
    for path in IAM.glob("*.json"):
        for one in json.loads(path.read_text())["Statement"]:
            for action in [one["Action"]] if isinstance(one["Action"], str) else one["Action"]:
                service, _, operation = action.partition(":")
                model = session.get_service_model("lambda" if service == "lambda" else service)
                operation = "Invoke" if action == "lambda:InvokeFunction" else operation
                if operation not in model.operation_names:
                    wrong.append(action)
    assert wrong == []
