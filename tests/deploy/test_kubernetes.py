"""The manifests: valid by the published schemas, restricted, and true to what a tick does."""

import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from watchbell.claims import SELF_END
from watchbell.settings import load_settings
from watchbell.tasks import task_from_json

INFRA = Path(__file__).parents[2] / "infra" / "kubernetes"
#: ReadWriteOncePod is stable since 1.29.
VERSIONS = ["1.29", "1.30", "1.31", "1.32", "1.33", "1.34", "1.35", "1.36", "1.37"]
MANIFESTS = sorted(path for path in INFRA.rglob("*.yaml") if path.name != "kustomization.yaml")
Manifest = dict[str, Any]


def load(name: str) -> Manifest:
    manifest: Manifest = yaml.safe_load((INFRA / name).read_text())
    return manifest


CRONJOB = load("base/cronjob.yaml")
DEPLOYMENT = load("deployment/deployment.yaml")
REPLICAS = load("dynamodb/deployment.yaml")
PODS = {
    "CronJob": CRONJOB["spec"]["jobTemplate"]["spec"]["template"]["spec"],
    "Deployment": DEPLOYMENT["spec"]["template"]["spec"],
    "DynamoDB": REPLICAS["spec"]["template"]["spec"],
}
ON_A_VOLUME = {name: pod for name, pod in PODS.items() if name != "DynamoDB"}
each_pod = pytest.mark.parametrize("pod", PODS.values(), ids=PODS)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_manifest_is_valid_by_the_published_schema(version: str) -> None:
    for path in MANIFESTS:
        kubernetes_validate.validate(yaml.safe_load(path.read_text()), version, strict=True)


def test_a_wrong_field_would_be_seen() -> None:
    wrong = load("base/cronjob.yaml")
    wrong["spec"]["startingDeadlineSecond"] = 1
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[0], strict=True)


def test_every_file_is_part_of_a_kustomization() -> None:
    for folder in (INFRA / "base", INFRA / "deployment", INFRA / "dynamodb"):
        listed = set(yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]) - {"../base"}
        assert listed == {path.name for path in folder.glob("*.yaml")} - {"kustomization.yaml"}


@pytest.mark.parametrize(
    ("folder", "kind"), [("base", "CronJob"), ("deployment", "Deployment"), ("dynamodb", "Deployment")]
)
def test_kustomize_builds_one_way_to_tick_on_the_same_home(folder: str, kind: str) -> None:
    kubectl, kustomize = shutil.which("kubectl"), shutil.which("kustomize")
    if not (kubectl or kustomize):
        pytest.skip("neither kubectl nor kustomize is installed")
    command = [kubectl, "kustomize"] if kubectl else [str(kustomize), "build"]
    done = subprocess.run([*command, str(INFRA / folder)], capture_output=True, text=True, check=True)
    built = list(yaml.safe_load_all(done.stdout))
    assert [one["kind"] for one in built if one["kind"] in ("CronJob", "Deployment")] == [kind]
    for one in built:
        kubernetes_validate.validate(one, VERSIONS[-1], strict=True)
    assert re.search(r"image: \S+/watchbell:\d+\.\d+\.\d+\n", done.stdout)
    assert re.search(r"name: watchbell-config-\w{10}\n", done.stdout), "a changed setting has to make a new name"


def test_the_cronjob_neither_drops_nor_repeats_minutes() -> None:
    spec = CRONJOB["spec"]
    assert (spec["schedule"], spec["timeZone"], spec["concurrencyPolicy"]) == ("* * * * *", "Etc/UTC", "Allow")
    assert 60 <= spec["startingDeadlineSeconds"] <= 6_000  # fewer than 100 minutes
    assert spec["jobTemplate"]["spec"]["backoffLimit"] == 0
    assert PODS["CronJob"]["restartPolicy"] == "Never"
    assert {"successfulJobsHistoryLimit", "failedJobsHistoryLimit"} <= set(spec)


def test_nothing_ends_a_tick_before_it_ends_itself() -> None:
    settings = load_settings({"WATCHBELL_HOME": "/nowhere", "WATCHBELL_CONFIG": str(INFRA / "base/config/config.toml")})
    longest = (settings.deadline + SELF_END).total_seconds()
    assert CRONJOB["spec"]["jobTemplate"]["spec"]["activeDeadlineSeconds"] > longest
    assert all(pod["terminationGracePeriodSeconds"] > 32 for pod in PODS.values())


@each_pod
def test_the_pod_is_restricted(pod: Manifest) -> None:
    account, (container,) = pod["securityContext"], pod["containers"]
    rights = container["securityContext"]
    assert account["runAsNonRoot"] is True
    assert account["runAsUser"] > 0
    assert account["seccompProfile"] == {"type": "RuntimeDefault"}
    assert (rights["allowPrivilegeEscalation"], rights["readOnlyRootFilesystem"]) == (False, True)
    assert rights["capabilities"] == {"drop": ["ALL"]}
    assert (pod["automountServiceAccountToken"], pod["enableServiceLinks"]) == (False, False)
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    kinds = {kind for volume in pod["volumes"] for kind in volume if kind != "name"}
    assert kinds - {"persistentVolumeClaim"} == {"secret", "configMap", "emptyDir"}


@each_pod
def test_requests_and_the_memory_limit_are_set_and_no_limit_slows_a_tick(pod: Manifest) -> None:
    resources = pod["containers"][0]["resources"]
    assert set(resources["requests"]) == {"cpu", "memory"}
    assert set(resources["limits"]) == {"memory"}


@pytest.mark.parametrize("pod", ON_A_VOLUME.values(), ids=ON_A_VOLUME)
def test_settings_tasks_and_secrets_are_files_that_a_tick_only_reads(pod: Manifest) -> None:
    (container,) = pod["containers"]
    mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
    environ = {one["name"]: one.get("value") for one in container["env"]}
    home = environ["WATCHBELL_HOME"]
    assert not mounts[home].get("readOnly")
    for path in (f"{home}/integrations.json", f"{home}/scheduler_tasks.json", "/etc/watchbell"):
        assert mounts[path]["readOnly"] is True
    assert environ["WATCHBELL_CONFIG"] == "/etc/watchbell/config.toml"
    assert not [name for name in environ if "TOKEN" in name]


def test_the_home_is_for_one_pod_at_a_time_and_so_one_replica_is_all_there_is() -> None:
    assert load("base/home.yaml")["spec"]["accessModes"] == ["ReadWriteOncePod"]
    assert (DEPLOYMENT["spec"]["replicas"], DEPLOYMENT["spec"]["strategy"]) == (1, {"type": "Recreate"})
    budget = load("deployment/disruption-budget.yaml")["spec"]
    assert budget["selector"] == DEPLOYMENT["spec"]["selector"]
    assert "minAvailable" not in budget, "it would block every drain of a node"


def test_two_replicas_share_one_store_and_one_of_them_is_always_at_work() -> None:
    spec, pod = REPLICAS["spec"], PODS["DynamoDB"]
    (container,) = pod["containers"]
    environ = {one["name"]: one["value"] for one in container["env"]}
    mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
    assert (spec["replicas"], spec["strategy"]["rollingUpdate"]["maxUnavailable"]) == (2, 1)
    assert load("dynamodb/disruption-budget.yaml")["spec"]["minAvailable"] == 1
    settings = load_settings({**environ, "WATCHBELL_CONFIG": str(INFRA / "dynamodb/config/config.toml")})
    assert settings.store_name == "dynamodb:watchbell"
    assert environ["WATCHBELL_INTEGRATIONS"] == "file:/run/secrets/watchbell/integrations.json"
    assert all(mounts[path]["readOnly"] for path in ("/run/secrets/watchbell", "/etc/watchbell"))
    assert not [volume for volume in pod["volumes"] if "persistentVolumeClaim" in volume]


@pytest.mark.parametrize("name", ["namespace.yaml", "network-policy.yaml"])
def test_what_the_ways_have_in_common_is_the_same(name: str) -> None:
    assert load(f"dynamodb/{name}") == load(f"base/{name}")


def test_the_job_name_reaches_the_tick() -> None:
    (variable,) = [one for one in PODS["CronJob"]["containers"][0]["env"] if one["name"] == "WATCHBELL_JOB_NAME"]
    assert variable["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.labels['batch.kubernetes.io/job-name']"


def test_the_sample_tasks_are_tasks() -> None:
    raw = json.loads((INFRA / "base/config/scheduler_tasks.json").read_text())
    assert [task_from_json(one).name for one in raw] == ["morning digest"]


# What the pods run, run here: their arguments, their environment, an account with neither name nor home.


USER = str(PODS["CronJob"]["securityContext"]["runAsUser"])
SOMEBODY = ["unshare", "--user", f"--map-user={USER}", f"--map-group={USER}"]


@pytest.fixture
def pod_home(tmp_path: Path) -> Path:
    """The volume as a pod sees it: tasks and settings can be read only."""
    try:
        can = subprocess.run([*SOMEBODY, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        can = False
    if not can:
        pytest.skip("this machine has no user namespaces")
    for name in ("scheduler_tasks.json", "config.toml"):
        (tmp_path / name).write_bytes((INFRA / "base/config" / name).read_bytes())
        (tmp_path / name).chmod(0o444)
    return tmp_path


def run_in_pod(home: Path, arguments: list[str], **environ: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*SOMEBODY, sys.executable, "-P", "-m", "watchbell_cli", *arguments],
        env={"WATCHBELL_HOME": str(home), "WATCHBELL_CONFIG": f"{home}/config.toml", "PATH": "/usr/bin:/bin"} | environ,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_tick_and_the_probe_work_for_an_account_without_name_and_home(pod_home: Path) -> None:
    probe = DEPLOYMENT["spec"]["template"]["spec"]["containers"][0]["livenessProbe"]["exec"]["command"][1:]
    minute = int(time.time()) // 60 - 2
    before = run_in_pod(pod_home, probe)
    ticked = run_in_pod(
        pod_home,
        PODS["CronJob"]["containers"][0]["args"],
        WATCHBELL_JOB_NAME=f"watchbell-{minute}",
        WATCHBELL_TIMER="kubernetes",
    )
    after = run_in_pod(pod_home, [*probe, "--json"])
    assert before.returncode == 3, before.stderr
    assert ticked.returncode == 0, ticked.stderr
    assert after.returncode == 0, after.stderr
    found = json.loads(after.stdout)["last_tick"]
    assert (found["timer"], found["minute"]) == (
        "kubernetes",
        time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime(minute * 60)),
    )
