"""BaseWrapper: hooks in Python, what they may do, and what it costs whom."""

from __future__ import annotations

import json
import logging
import os
import select
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import runwright as rw
from runwright.clock import Waker
from runwright.errors import ContractError, SubmitError, UsageError
from runwright.optimizers import RandomOptimizer
from runwright.runner import Ended, Following, Lost, RunContext
from runwright.runners import WrappedJobRunner
from runwright.wrappers import BaseWrapper, Job, Step, cd_and_cd_back, get_trial_dir
from tests.running import EXPERIMENT

COMPLETED, FAILED, ABANDONED, RUNNING = (
    rw.TrialStatus.COMPLETED,
    rw.TrialStatus.FAILED,
    rw.TrialStatus.ABANDONED,
    rw.TrialStatus.RUNNING,
)


class InMemory(BaseWrapper):
    """Evaluates in `run_model`, and remembers."""

    def setup(self):
        self.data = {}
        self.calls = []

    def write_configs(self, trial):
        self.calls.append(("write_configs", trial.index))

    def run_model(self, trial):
        self.calls.append(("run_model", trial.index))
        self.data[trial.index] = 2 * trial.arm.parameters["x"]

    def set_trial_status(self, trial):
        self.calls.append(("set_trial_status", trial.index))
        if trial.index in self.data:
            trial.mark_completed()

    def fetch_trial_data(self, trial, metric_name, **_):
        self.calls.append((f"fetch {metric_name}", trial.index))
        return self.data[trial.index]


class Picky(InMemory):
    """Does at each trial what a table says."""

    def __init__(self, **does):
        self.does = does
        super().__init__()

    def _maybe(self, hook, trial):
        act = self.does.get(f"{hook}_{trial.index}")
        return act(trial) if act else None

    def write_configs(self, trial):
        self._maybe("write_configs", trial)

    def run_model(self, trial):
        super().run_model(trial)
        return self._maybe("run_model", trial)

    def set_trial_status(self, trial):
        if self._maybe("set_trial_status", trial) is None:
            super().set_trial_status(trial)

    def fetch_trial_data(self, trial, metric_name, **_):
        found = self._maybe("fetch_trial_data", trial)
        return super().fetch_trial_data(trial, metric_name) if found is None else found


def raises(error):
    def act(_):
        raise error

    return act


def test_the_hooks_in_their_order(driver):
    runner = driver.open(InMemory())
    result = driver.result(runner, driver.trial(3))
    assert result.metrics == {"y": (1.0, None)}
    assert result.seconds >= 0
    assert result.ended >= result.started
    expected = ["write_configs", "run_model", "set_trial_status", "fetch y"]
    assert runner.wrapper.calls == [(hook, 3) for hook in expected]


def test_hooks_need_neither_a_run_directory_nor_open():
    runner = WrappedJobRunner(InMemory())
    trial = EXPERIMENT.new_trial(0, [{"x": 1.0, "n": 1}])
    assert runner.run(trial)["job_id"] == 0
    assert runner.poll_trial_status([trial]) == {COMPLETED: {0}}
    assert runner.fetch_result(trial).metrics == {"y": (2.0, None)}
    assert runner.reattach([EXPERIMENT.new_trial(1, [{"x": 1.0, "n": 1}])]) == {
        1: Lost("it ended with the driver that ran it")
    }
    runner.close()


def test_a_job_needs_a_run_directory(nowhere):
    runner = nowhere.open(Picky(run_model_0=lambda _: ["true"]))
    with pytest.raises(SubmitError, match="a job needs a run directory, because it outlives the driver"):
        runner.run(nowhere.trial())


@pytest.mark.parametrize(
    ("hook", "error", "kind", "message"),
    [
        ("write_configs", ValueError("bad é\nline"), "crashed", "write_configs raised ValueError: bad é line"),
        ("run_model", SystemExit(3), "crashed", "run_model raised SystemExit: 3"),
        ("run_model", KeyboardInterrupt(), "crashed", "run_model raised KeyboardInterrupt"),
        (
            "set_trial_status",
            OSError(2, "gone"),
            "crashed",
            "set_trial_status raised FileNotFoundError: [Errno 2] gone",
        ),
        ("fetch_trial_data", KeyError("y"), "crashed", "fetch_trial_data raised KeyError: 'y'"),
        ("fetch_trial_data", UsageError("no such thing"), "crashed", "fetch_trial_data: no such thing"),
    ],
)
def test_a_hook_that_raises_is_the_failure_of_its_trial_alone(driver, hook, error, kind, message):
    runner = driver.open(Picky(**{f"{hook}_1": raises(error)}), workers=3)
    trials = [driver.trial(index) for index in range(3)]
    assert set(runner.run_multiple(trials)) == {0, 1, 2}
    assert driver.finish(runner, *trials) == {0: COMPLETED, 1: FAILED, 2: COMPLETED}
    failure = runner.fetch_result(trials[1]).failure
    assert (failure.kind.value, failure.message, failure.log) == (kind, message, "trials/1/1/wrapper.log")
    assert "in act" in (driver.work(1) / "wrapper.log").read_text()
    assert runner.poll_exception(trials[1]) == message


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (None, None),
        ("low", "the metric 'y' is the text 'low'; a number is needed"),
        ({"z": 1}, "the metric 'y' is missing; there is 'z'"),
        ({"y": float("nan")}, "the metric 'y' is nan"),
        ((1.0, -2.0), "the standard error (sem) of the metric 'y' is negative: -2.0"),
    ],
)
def test_data_that_are_no_result(driver, returned, message):
    runner = driver.open(Picky(fetch_trial_data_0=lambda _: returned))
    failure = driver.result(runner, driver.trial()).failure
    assert (None if failure is None else failure.message) == message


def test_none_is_no_data_unless_it_is_allowed(driver):
    class Silent(InMemory):
        def fetch_trial_data(self, **_):
            return None

    failure = driver.result(driver.open(Silent()), driver.trial()).failure
    assert failure.message == "fetch_trial_data returned nothing for the metric 'y'"
    failure = driver.result(driver.open(Silent(fetch_none_ok=True)), driver.trial(1)).failure
    assert failure.message.startswith("the objective 'y' is missing")


def test_trials_are_deployed_in_parallel(driver):
    together = threading.Barrier(3, timeout=20)
    runner = driver.open(
        Picky(**{f"run_model_{index}": lambda _: together.wait() and None for index in range(3)}), workers=3
    )
    trials = [driver.trial(index) for index in range(3)]
    assert set(runner.run_multiple(trials)) == {0, 1, 2}
    assert set(driver.finish(runner, *trials).values()) == {COMPLETED}


def test_each_hook_has_a_current_folder_of_its_own(driver, tmp_path):
    seen = {}
    both = threading.Barrier(2, timeout=20)

    def move(trial):
        place = tmp_path / str(trial.index)
        place.mkdir()
        os.chdir(place)
        both.wait()
        seen[trial.index] = Path.cwd().name
        subprocess.run(["touch", "here"], check=True)
        with cd_and_cd_back("/"):
            both.wait()
        assert Path.cwd() == place

    runner = driver.open(Picky(run_model_0=move, run_model_1=move), workers=2)
    trials = [driver.trial(index) for index in range(2)]
    runner.run_multiple(trials)
    assert set(driver.finish(runner, *trials).values()) == {COMPLETED}
    assert seen == {0: "0", 1: "1"}
    assert (tmp_path / "0/here").exists()


def test_hooks_run_in_the_working_folder_of_the_wrapper(driver, tmp_path):
    wrapper = Picky(run_model_0=lambda _: Path("made").touch())
    wrapper.working_dir = tmp_path
    driver.result(driver.open(wrapper), driver.trial())
    assert (tmp_path / "made").exists()


@pytest.mark.slow
def test_a_hook_that_takes_its_time_holds_nobody_up(driver):
    gate = threading.Event()
    runner = driver.open(Picky(run_model_0=lambda _: gate.wait(20) and None), workers=2)
    slow, fast = driver.trial(0), driver.trial(1)
    runner.run(slow)  # returns, though the hook has not
    assert runner.poll_trial_status([slow]) == {RUNNING: {0}}
    assert runner.poll_available_capacity() == 1
    assert driver.result(runner, fast).failure is None
    gate.set()
    assert driver.finish(runner, slow) == {0: COMPLETED}


@pytest.mark.slow
def test_a_hook_that_never_returns_fails_in_time(driver):
    gate = threading.Event()
    runner = driver.open(Picky(write_configs_0=lambda _: gate.wait(20)), hook_seconds=0.05, workers=2)
    trials = [driver.trial(0), driver.trial(1)]
    runner.run_multiple(trials)
    try:
        assert driver.finish(runner, *trials) == {0: FAILED, 1: COMPLETED}
        failure = runner.fetch_result(trials[0]).failure
        assert failure.kind is rw.FailureKind.TIMEOUT
        assert failure.message == "a hook of the wrapper has not returned for 0.05 s; it was left behind"
        assert runner.poll_available_capacity() == 2
    finally:
        gate.set()
        runner.close()


def test_a_model_that_the_wrapper_starts_is_asked_after(driver, happens):
    class Starts(BaseWrapper):
        def run_model(self, trial):
            script = 'read go < gate; echo "{\\"y\\": 5}" > aside; mv aside done.json'
            os.mkfifo(trial.trial_dir / "gate")
            self.process = subprocess.Popen(["sh", "-c", script], cwd=trial.trial_dir)

        def set_trial_status(self, trial):
            if (get_trial_dir(self.experiment_dir, trial.index) / "done.json").exists():
                trial.mark_completed()

        def fetch_trial_data(self, trial, **_):
            return json.loads((trial.trial_dir / "done.json").read_text())

    runner = driver.open(Starts())
    trial = driver.trial()
    runner.run(trial)
    assert not runner.traits.stops
    assert runner.traits.survives_driver
    for _ in range(3):
        runner.wait(runner.context.clock.now() + 1, driver.waker)
        assert runner.poll_trial_status([trial]) == {RUNNING: {0}}
    (driver.work() / "gate").write_text("go\n")
    assert driver.finish(runner, trial) == {0: COMPLETED}
    assert runner.fetch_result(trial).metrics == {"y": (5.0, None)}
    runner.wrapper.process.wait()


def test_a_job_that_a_wrapper_returns_is_supervised(driver):
    class Returns(BaseWrapper):
        def run_model(self, trial):
            return [
                "sh",
                "-c",
                'echo "{\\"y\\": $1}" > "${2}/mine.json"',
                "{x}",
                repr(trial.parameters["x"]),
                str(trial.trial_dir),
            ]

        def fetch_trial_data(self, trial, **_):
            return json.loads((trial.trial_dir / "mine.json").read_text())

    runner = driver.open(Returns())
    trial = driver.trial()
    metadata = runner.run(trial)
    assert metadata["pid"] > 0
    assert driver.finish(runner, trial) == {0: COMPLETED}
    result = runner.fetch_result(trial)
    assert result.metrics == {"y": (0.5, None)}
    assert result.cpu_seconds is not None
    assert (driver.work() / "stdout.log").exists()


def test_a_job_with_placeholders_and_an_environment(driver):
    class Returns(InMemory):
        declares_jobs = True

        def run_model(self, trial):
            super().run_model(trial)
            steps = (Step("one", ("sh", "-c", "echo {x} $N >&2; exit 4")),)
            return Job(steps, env={"N": "{n}"})

    runner = driver.open(Returns())
    failure = driver.result(runner, driver.trial()).failure
    assert failure.message == "it ended with exit status 4; its last line on stderr: 0.5 3"
    assert runner.wrapper.calls == [("write_configs", 0), ("run_model", 0)]  # the exit status counts
    assert runner.traits.enforces == {"timeout", "memory", "output"}


@pytest.mark.parametrize(
    ("job", "message"), [([], "run_model returned an empty command"), (Job(()), "a job without steps")]
)
def test_a_job_that_is_none(driver, job, message):
    failure = driver.result(driver.open(Picky(run_model_0=lambda _: job)), driver.trial()).failure
    assert message in failure.message


def test_a_job_whose_program_is_missing_costs_its_trial(driver):
    runner = driver.open(Picky(run_model_0=lambda _: ["no-such-program"]), workers=2)
    assert set(runner.run_multiple([driver.trial(0), driver.trial(1)])) == {1}
    assert str(runner.submit_errors[0]).startswith("run_model: the program 'no-such-program' is not on PATH")


@pytest.mark.parametrize(
    ("mark", "status"),
    [
        (lambda trial: trial.mark_completed(), COMPLETED),
        (lambda trial: trial.mark_failed("because"), FAILED),
        (lambda trial: trial.mark_as(3), COMPLETED),
        (lambda trial: trial.mark_as("Failed"), FAILED),
        (lambda trial: trial.mark_as(status=rw.TrialStatus.ABANDONED), ABANDONED),
        (lambda trial: trial.mark_abandoned(reason="enough"), ABANDONED),
        (lambda trial: trial.mark_early_stopped(), rw.TrialStatus.EARLY_STOPPED),
    ],
)
def test_what_a_hook_marks_is_a_proposal_that_the_poll_returns(driver, mark, status):
    seen = []

    def act(trial):
        mark(trial)
        seen.append(trial.status)
        return True

    runner = driver.open(Picky(set_trial_status_0=act))
    trial = driver.trial()
    runner.run(trial)
    assert driver.finish(runner, trial) == {0: status}
    assert seen == [status]
    assert trial.status is rw.TrialStatus.CANDIDATE  # the fold alone moves a trial
    failure = runner.fetch_result(trial).failure
    if status is FAILED:
        assert failure.message in ("because", "the wrapper marked it as failed")


def test_a_trial_may_wait_in_a_queue_of_its_own(driver):
    marks = iter(["mark_staged", "mark_running", "mark_completed"])
    runner = driver.open(Picky(set_trial_status_0=lambda trial: getattr(trial, next(marks))()))
    trial = driver.trial()
    runner.run(trial)
    seen = list(runner.poll_trial_status([trial]))
    while COMPLETED not in seen:
        runner.wait(runner.context.clock.now() + 1, driver.waker)
        seen += list(runner.poll_trial_status([trial]))
    assert list(dict.fromkeys(seen)) == [rw.TrialStatus.STAGED, RUNNING, COMPLETED]


def test_a_trial_may_be_marked_before_its_model_runs(driver):
    wrapper = Picky(write_configs_0=lambda trial: trial.mark_failed("no room"))
    failure = driver.result(driver.open(wrapper), driver.trial()).failure
    assert failure.message == "no room"
    assert wrapper.calls == []


def test_the_view_has_what_the_trial_has(driver):
    seen = {}

    def look(trial):
        trial.update_run_metadata({"mine": 1})
        seen.update(
            parameters=trial.arm.parameters,
            arms=list(trial.arms_by_name),
            name=trial.experiment.name,
            attempt=trial.attempt,
            metadata=trial.run_metadata,
            text=repr(trial).split("(")[0],
            folder=trial.trial_dir,
        )
        trial.parameters["x"] = "changed"
        with pytest.raises(UsageError, match="cannot be marked as a candidate"):
            trial.mark_as("candidate")

    driver.result(driver.open(Picky(run_model_0=look)), driver.trial())
    assert seen == {
        "parameters": {"x": 0.5, "n": 3},
        "arms": ["0_0"],
        "name": "ex p",
        "attempt": 1,
        "metadata": {"mine": 1},
        "text": "TrialView",
        "folder": driver.work(),
    }


def test_stop_asks_the_wrapper_to_end_what_it_started(driver):
    class Stoppable(Picky):
        def stop_model(self, trial):
            self.calls.append(("stop_model", trial.index))

    runner = driver.open(Stoppable(set_trial_status_0=lambda _: True))
    assert runner.traits.stops
    trial = driver.trial()
    runner.run(trial)
    assert runner.stop(trial) == {}
    assert runner.stop(trial, "again") == {"reason": "again"}
    assert driver.finish(runner, trial) == {0: ABANDONED}
    assert runner.wrapper.calls.count(("stop_model", 0)) == 1


@pytest.mark.slow
def test_stop_while_hooks_are_called_waits_for_them(driver):
    gate = threading.Event()
    runner = driver.open(Picky(run_model_0=lambda _: gate.wait(20) and ["sleep", "600"]))
    trial = driver.trial()
    runner.run(trial)
    runner.stop(trial, "not any more")
    assert runner.poll_trial_status([trial]) == {RUNNING: {0}}
    gate.set()
    assert driver.finish(runner, trial) == {0: ABANDONED}
    assert not (driver.folder / "control/0.1/started").exists()  # the job was never begun


def test_run_again_adopts(driver):
    runner = driver.open(Picky(set_trial_status_0=lambda _: True))
    trial = driver.trial()
    metadata = runner.run(trial)
    assert runner.run(trial) == metadata
    assert runner.wrapper.calls.count(("run_model", 0)) == 1
    other = driver.trial(parameters={"x": 1.0, "n": 1})
    with pytest.raises(SubmitError, match="attempt 1 runs with other parameters"):
        runner.run(other)


def test_batch_trials_are_refused_by_a_sentence(driver):
    runner = driver.open(InMemory())
    batch = EXPERIMENT.new_trial(0, [{"x": 1.0, "n": 1}, {"x": 2.0, "n": 1}])
    with pytest.raises(SubmitError, match="trial 0 has 2 arms; a wrapped job evaluates one point"):
        runner.run(batch)


# After another driver.


def reopened(driver, wrapper):
    for runner in driver.runners:
        runner.close()
    return driver.open(wrapper)


def test_what_a_wrapper_measured_in_memory_is_kept_for_the_next_driver(driver):
    trial = driver.trial()
    result = driver.result(driver.open(InMemory()), trial)
    runner = reopened(driver, InMemory())
    assert isinstance(runner.reattach([trial])[0], Ended)
    assert runner.poll_trial_status([trial]) == {COMPLETED: {0}}
    assert runner.fetch_result(trial) == result
    assert runner.run(trial)["job_id"] == 0
    assert runner.wrapper.calls == []


def test_what_goes_on_without_the_driver_is_followed(driver):
    trial = driver.trial()
    driver.open(Picky(set_trial_status_0=lambda _: True)).run(trial)
    runner = reopened(driver, Picky(set_trial_status_0=lambda trial: trial.mark_failed("seen")))
    assert isinstance(runner.reattach([trial])[0], Following)
    assert driver.finish(runner, trial) == {0: FAILED}


def test_what_dies_with_the_driver_is_said_to_have_ended(driver):
    class Fleeting(Picky):
        survives_driver = False

    trial = driver.trial()
    driver.open(Fleeting(set_trial_status_0=lambda _: True)).run(trial)
    runner = reopened(driver, Fleeting())
    assert runner.reattach([trial]) == {0: Lost("it ended with the driver that ran it")}
    assert not runner.traits.survives_driver


@pytest.mark.slow
def test_a_start_that_was_cut_short_is_lost(driver):
    gate = threading.Event()
    trial = driver.trial()
    driver.open(Picky(run_model_0=lambda _: gate.wait(20) and None)).run(trial)
    record = (driver.folder / "control/0.1/wrapped.json").read_text()
    assert json.loads(record) == {"phase": "at_work"}
    gate.set()
    for runner in driver.runners:
        runner.close()
    (driver.folder / "control/0.1/wrapped.json").write_text(record)  # as a kill would have left it
    runner = driver.open(InMemory())
    found = runner.reattach([trial])[0]
    assert isinstance(found, Lost)
    assert found.reason.startswith("the driver died while run_model was at work")
    assert found.may_live
    with pytest.raises(SubmitError, match="while run_model was at work"):
        runner.run(trial)


def test_another_point_under_the_same_number_is_not_followed(driver):
    driver.open(Picky(set_trial_status_0=lambda _: True)).run(driver.trial())
    runner = reopened(driver, InMemory())
    found = runner.reattach([driver.trial(parameters={"x": 1.0, "n": 1})])[0]
    assert "was deployed with other parameters" in found.reason


def test_a_full_disk_costs_no_result(driver, monkeypatch):
    from runwright.runners import wrapped_job

    def full(place, phase, **_):
        if phase == wrapped_job.OVER:
            raise OSError(28, "No space left on device")
        note(place, phase)

    note = wrapped_job.note
    monkeypatch.setattr(wrapped_job, "note", full)
    assert driver.result(driver.open(InMemory()), driver.trial()).metrics == {"y": (1.0, None)}


# What hooks log.


def test_what_hooks_log_reaches_the_log_of_their_attempt_once(driver, caplog):
    def talk(trial):
        for name in (None, "runwright.mine", "ax.core", "boa", "elsewhere"):
            logging.getLogger(name).warning("from %s in %s", name, trial.index)
        logging.getLogger("boa").info("quietly")

    runner = driver.open(Picky(run_model_0=talk, run_model_1=talk), workers=2)
    trials = [driver.trial(index) for index in range(2)]
    runner.run_multiple(trials)
    driver.finish(runner, *trials)
    for index in range(2):
        lines = (driver.work(index) / "wrapper.log").read_text().splitlines()
        said = [line.split(": ", 1)[1] for line in lines]
        names = ("None", "runwright.mine", "ax.core", "boa", "elsewhere")
        assert said == [*(f"from {name} in {index}" for name in names), "quietly"]
    assert len([record for record in caplog.records if record.message == "from boa in 0"]) == 1  # the driver's log


def test_one_handler_a_runner_removed_by_close(driver):
    loggers = [logging.getLogger(name) for name in (None, "runwright", "ax", "boa")]
    before = [(list(logger.handlers), logger.level) for logger in loggers]
    runner = driver.open(InMemory(), workers=5)
    trials = [driver.trial(index) for index in range(5)]
    runner.run_multiple(trials)
    driver.finish(runner, *trials)
    assert [len(logger.handlers) - len(handlers) for logger, (handlers, _) in zip(loggers, before, strict=True)] == [
        1
    ] * 4
    runner.close()
    runner.close()
    assert [(list(logger.handlers), logger.level) for logger in loggers] == before


@pytest.mark.slow
def test_a_warning_is_still_shown_where_nobody_set_up_logging():
    program = (
        "import logging, runwright as rw\n"
        "from runwright.runners import WrappedJobRunner\n"
        "from tests.wrappers.test_hooks import InMemory\n"
        "runner = WrappedJobRunner(InMemory())\n"
        "runner.open(rw.runner.RunContext(rw.Experiment('e', {'x': rw.Float(0, 1)}, {'y': 'minimize'})))\n"
        "logging.getLogger('other').warning('look out')\n"
        "logging.getLogger('other').info('unheard')\n"
        "runner.close()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert done.stderr == "look out\n"


# Around the runner.


def test_the_wrapper_may_be_assigned_later(driver):
    runner = driver.open(None)
    assert type(runner.wrapper) is BaseWrapper
    failure = driver.result(runner, driver.trial()).failure
    assert failure.message == (
        "run_model raised NotImplementedError: the wrapper has no run_model; subclass BaseWrapper and override it"
    )
    runner.wrapper = InMemory()
    assert driver.result(runner, driver.trial(1)).metrics == {"y": (1.0, None)}
    runner.wrapper = Picky(set_trial_status_2=lambda _: True)
    runner.run(driver.trial(2))
    with pytest.raises(UsageError, match="the wrapper cannot be changed while trials run"):
        runner.wrapper = InMemory()
    with pytest.raises(UsageError, match="a wrapper has the hook write_configs, and 'int' has not"):
        runner.wrapper = 5


def test_anything_with_the_hooks_is_a_wrapper(driver):
    class Bare:
        def write_configs(self, trial): ...

        def run_model(self, trial): ...

        def set_trial_status(self, trial):
            trial.mark_completed()

        def fetch_trial_data(self, parameters, metric_name, metric_properties, trial, param_names):
            return {"y": parameters["x"]}

    runner = driver.open(Bare())
    assert driver.result(runner, driver.trial()).metrics == {"y": (0.5, None)}
    with pytest.raises(UsageError, match="Bare has no to_dict"):
        runner.to_dict()


def test_a_result_before_the_end_is_refused(driver):
    runner = driver.open(Picky(set_trial_status_0=lambda _: True))
    trial = driver.trial()
    runner.run(trial)
    with pytest.raises(ContractError, match="its attempt 1 has not ended"):
        runner.fetch_result(trial)
    assert runner.poll_trial_status([driver.trial(9)]) == {}


@pytest.mark.parametrize(
    "settings", [{"workers": 0}, {"hook_seconds": 0}, {"pause": -1}, {"pause": "x"}, {"env": {"A": 1}}]
)
def test_settings_that_are_refused(settings):
    with pytest.raises(UsageError):
        WrappedJobRunner(InMemory(), **settings)


@pytest.mark.slow
def test_wait_is_level_triggered_and_ends_by_the_waker(driver):
    runner = driver.open(InMemory(), workers=2)
    runner.run(driver.trial(0))
    assert runner.wait(None, driver.waker) == {0}
    assert runner.wait(None, driver.waker) == {0}
    gate = threading.Event()
    runner.wrapper.run_model = lambda _: gate.wait(20) and None
    runner.run(driver.trial(1))
    runner.poll_trial_status([driver.trial(0)])
    other = Waker()
    other.wake()
    assert runner.wait(None, other) == set()
    other.close()
    gate.set()
    assert runner.wait(None, driver.waker) == {1}
    assert runner.wait(None, driver.waker) == {1}
    assert select.select([driver.waker], [], [], 0)[0] == []


def test_nothing_is_left_behind(tmp_path):
    fds = len(list(Path("/proc/self/fd").iterdir()))
    for round_ in range(3):
        runner = WrappedJobRunner(InMemory())
        runner.open(RunContext(EXPERIMENT, tmp_path))
        trial = EXPERIMENT.new_trial(round_, [{"x": 1.0, "n": 1}])
        trial.attempt = 1
        runner.run(trial)
        runner.poll_trial_status([trial])
        runner.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == fds
    assert [thread for thread in threading.enumerate() if thread.name == "runwright-hook"] == []


@pytest.mark.slow
def test_an_experiment_goes_on_whatever_its_hooks_do(tmp_path):
    """Fifty trials, every third with a hook that raises, in one experiment with retries."""

    class Third(InMemory):
        def run_model(self, trial):
            if trial.index % 3 == 0 and trial.attempt == 1:
                raise RuntimeError("third")
            super().run_model(trial)

    runner = WrappedJobRunner(Third(), workers=4)
    with rw.Scheduler(EXPERIMENT, RandomOptimizer(), runner, directory=tmp_path, on_failure="retry 1") as scheduler:
        scheduler.run(trials=50)
        assert {trial.status for trial in scheduler.state.trials} == {COMPLETED}
        assert [trial.failures for trial in scheduler.state.trials] == [int(i % 3 == 0) for i in range(50)]
