"""A TorchX scheduler in a folder: a cluster that outlives every driver, and whose jobs do what a test says.

``<folder>/<app id>.json`` is a job: its state, how often it was cancelled, its log. The folder is in the environment.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from subprocess import CalledProcessError

from torchx.schedulers.api import AppDryRunInfo, DescribeAppResponse, ListAppResponse, Scheduler
from torchx.schedulers.ids import make_unique
from torchx.specs import AppState, runopts

FOLDER = "TEST_CLUSTER"


class FolderScheduler(Scheduler):
    """Its jobs are files; `names_apps` says whether their ids tell the names of the apps, as SLURM's do not."""

    def __init__(self, session_name, *, lists=True, names_apps=True):
        super().__init__("folder", session_name)
        self.folder = Path(os.environ[FOLDER])
        self.lists = lists
        self.names_apps = names_apps

    def _run_opts(self):
        options = runopts()
        options.add("partition", type_=str, default=None, help="where it runs")
        return options

    def _validate(self, app, scheduler):
        pass

    def _submit_dryrun(self, app, cfg):
        return AppDryRunInfo(app, repr)

    def schedule(self, dryrun_info):
        app = dryrun_info.request
        app_id = make_unique(app.name) if self.names_apps else str(1000 + len(list(self.folder.glob("*.json"))))
        if (self.folder / "refuse").exists():
            raise ConnectionError("the cluster is down")
        write(
            self.folder / f"{app_id}.json",
            state="PENDING",
            args=app.roles[0].args,
            cancelled=0,
            retries=[role.max_retries for role in app.roles],
        )
        if (self.folder / "lose the answer").exists():
            raise TimeoutError("no answer")
        return app_id

    def describe(self, app_id):
        path = self.folder / f"{app_id}.json"
        if (self.folder / "outage").exists():
            raise ConnectionError("the cluster is down")
        if (self.folder / "unaccounted").exists():
            raise CalledProcessError(1, ["sacct", "-j"])
        if not path.exists():
            return None
        job = json.loads(path.read_text())
        if job["state"] not in AppState.__members__:
            raise AssertionError(f"failed to translate slurm state {job['state']} to torchx state")
        if "error" in job:
            raise RuntimeError(job["error"])
        return DescribeAppResponse(app_id=app_id, state=AppState[job["state"]], msg=job.get("message", ""))

    def list(self):
        if (self.folder / "outage").exists():
            raise ConnectionError("the cluster is down")
        if not self.lists:
            raise NotImplementedError
        if any((self.folder / name).exists() for name in ("unlisted", "unaccounted")):
            raise CalledProcessError(1, ["sacct", "--json"])
        return [ListAppResponse(path.stem, AppState.RUNNING) for path in sorted(self.folder.glob("*.json"))]

    def log_iter(self, app_id, role_name, k=0, *_, streams=None, **__):
        log = self.folder / f"{app_id}.log"
        if streams is not None and (self.folder / "one stream").exists():
            raise ValueError("this scheduler has one stream")
        if not log.exists():
            raise RuntimeError("the logs were purged")
        return iter(log.read_text().splitlines(keepends=True))

    def _cancel_existing(self, app_id):
        path = self.folder / f"{app_id}.json"
        job = json.loads(path.read_text())
        write(path, **{**job, "cancelled": job["cancelled"] + 1})


def write(path, **job):
    """Write a job, whole."""
    aside = path.with_suffix(".aside")
    aside.write_text(json.dumps(job))
    aside.replace(path)


def create(session_name, **_):
    return FolderScheduler(session_name)


def create_with_numbers(session_name, **_):
    """Like SLURM: ids are numbers, which tell no name."""
    return FolderScheduler(session_name, names_apps=False)


def create_without_list(session_name, **_):
    return FolderScheduler(session_name, lists=False)


def install(folder):
    """Make TorchX find these schedulers as it finds any plug-in: by the entry points of a package in a folder."""
    info = folder / "test_cluster-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: test-cluster\nVersion: 1.0\n")
    makers = {"folder": "create", "numbers": "create_with_numbers", "silent": "create_without_list"}
    lines = "".join(f"{name} = {__name__}:{maker}\n" for name, maker in makers.items())
    (info / "entry_points.txt").write_text(f"[torchx.schedulers]\n{lines}")
