"""Programs that misbehave, each in an experiment that goes on: it ends, in time, with one sentence and a log."""

from __future__ import annotations

import sys

import pytest

import runwright as rw
from runwright.optimizers import RandomOptimizer
from runwright.runners import WrappedJobRunner
from runwright.wrappers import ScriptWrapper

OUT = '"$1/output.json"'
Y = f"""echo '{{"y": 1}}' > {OUT}"""
LIMIT = 4.0
HEAVY = ("1 GB of output", "a million metrics", "a result of 65 MiB")
MIB = 2**20

MISBEHAVE = {
    # The fifteen on which BOA hangs, dies, or says nothing.
    "exit 1 at once": ("exit 1", "crashed", "it ended with exit status 1"),
    "exit 0 without output": ("exit 0", "invalid_result", "it ended well, but left no output, outputs, result"),
    "never ends": ("exec sleep 600", "timeout", "it was ended after 4"),
    "reads stdin": (f"read line; cat; {Y}", None, None),
    "3 MB on stderr": (f"head -c 3000000 /dev/zero | tr '\\0' x >&2; {Y}", None, None),
    "garbage JSON": (f"echo 'y is 1' > {OUT}", "invalid_result", "output.json is no valid JSON (half-written?)"),
    "half-written JSON": (f"printf '{{\"y\": 1' > {OUT}", "invalid_result", "output.json is no valid JSON"),
    "unknown status": (
        f"""echo '{{"y": 1, "trial_status": "GREAT"}}' > {OUT}""",
        "invalid_result",
        "output.json: 'GREAT' is no status of a trial; known are CANDIDATE (0)",
    ),
    "command not found": ("no-such-command --now", "crashed", "it ended with exit status 127; its last line on stderr"),
    "exit 1 after writing output": (f"{Y}; exit 1", "crashed", "it ended with exit status 1"),
    "exit 1 on every second trial": (f'{Y}; exit $(($(basename "$(dirname "$1")") % 2))', "crashed", "exit status 1"),
    "status FAILED": (
        f"""echo '{{"y": 1}}' > {OUT}; echo '{{"trial_status": "FAILED"}}' > "$1/trial_status.json" """,
        "crashed",
        "trial_status.json says that it failed",
    ),
    "NaN": (f"""echo '{{"y": NaN}}' > {OUT}""", "invalid_result", "the metric 'y' is nan"),
    "a string value": (f"""echo '{{"y": "low"}}' > {OUT}""", "invalid_result", "the metric 'y' is the text 'low'"),
    "a wrong key": (f"""echo '{{"z": 1}}' > {OUT}""", "invalid_result", "the metric 'y' is missing; there is 'z'"),
    # And more.
    "NA, as R writes it": (f"""echo '{{"y": "NA"}}' > {OUT}""", "invalid_result", "the metric 'y' is NA"),
    "null": (f"""echo '{{"y": null}}' > {OUT}""", "invalid_result", "the metric 'y' is None; a number is needed"),
    "infinity": (f"""echo '{{"y": 1e999}}' > {OUT}""", "invalid_result", "the metric 'y' is inf"),
    "a list of two statuses": (
        f"""echo '{{"y": 1, "trial_status": [3, 2]}}' > {OUT}""",
        "invalid_result",
        "output.json: [3, 2] is no status of a trial",
    ),
    "no mapping": (f"echo '[1, 2]' > {OUT}", "invalid_result", "output.json must hold a mapping"),
    "an empty file": (f": > {OUT}", "invalid_result", "output.json is empty"),
    "a folder": (f"mkdir {OUT}", "invalid_result", "output.json is no regular file"),
    "a pipe": (f"mkfifo {OUT}", "invalid_result", "output.json is no regular file"),
    "a link to itself": (f"ln -s output.json {OUT}", "invalid_result", "output.json cannot be read: Too many levels"),
    "two files of a name": (
        f'{Y}; cp {OUT} "$1/output.yaml"',
        "invalid_result",
        "there is output.json and output.yaml; write one of them",
    ),
    "YAML that is a program": (
        "echo 'y: !!python/object/apply:os.getpid []' > \"$1/output.yaml\"",
        "invalid_result",
        "output.yaml is no valid YAML",
    ),
    "no UTF-8": (f"printf '\\377\\376' > {OUT}", "invalid_result", "output.json is no valid JSON"),
    "output to a closed pipe": (f"exec 1>&-; echo lost; {Y}", None, None),
    "ended by a broken pipe": ("kill -PIPE $$", "crashed", "it was ended by the signal SIGPIPE (13)"),
    "1 GB of output": (f"head -c 1000000000 /dev/zero; {Y}", None, None),
    "binary output": (f"head -c 100000 /dev/urandom; head -c 1000 /dev/urandom >&2; {Y}", None, None),
    "killed by a signal": ("kill -KILL $$", "crashed", "it was ended by the signal SIGKILL (9)"),
    "stops itself": ("kill -STOP $$", "timeout", "it was ended after 4"),
    "forks and exits": (f"sleep 600 & {Y}", None, None),
    "changes its own directory": (f"cd /; {Y}", None, None),
    "removes its own directory": ('rm -r "$1"', "invalid_result", "the folder of the trial cannot be read: No such"),
    "writes the result twice": (f"""echo '{{"y": 9}}' > {OUT}; {Y}""", None, None),
    "a million metrics": (
        f"""(echo '{{"y": 1'; seq 1000000 | sed 's/.*/,"m&": 1/'; echo '}}') > {OUT}""",
        "invalid_result",
        "output.json has 1000001 metrics; 10000 are allowed",
    ),
    "a number too large": (f"""echo '{{"y": 1{"0" * 400}}}' > {OUT}""", "invalid_result", "does not fit"),
    "JSON without end": (f"yes '[' | head -c 100000 > {OUT}", "invalid_result", "output.json is no valid JSON"),
    "YAML without end": (
        "yes '[' | head -c 200000 > \"$1/output.yaml\"",
        "invalid_result",
        "nested more than 100 deep",
    ),
    "YAML that stands for 10**10 values": (
        """(echo 'a: &a [1,1,1,1,1,1,1,1,1,1]'; for i in b:a c:b d:c e:d f:e g:f h:g i:h j:i
        do echo "${i%:*}: &${i%:*} [$(yes "*${i#*:}" | head -10 | paste -sd,)]"; done; echo 'y: 1'
        ) > "$1/output.yml\"""",
        "invalid_result",
        "aliases in output.yml repeat more than 100000 values",
    ),
    "YAML that contains itself": (
        "echo 'y: &y [*y]' > \"$1/output.yaml\"",
        "invalid_result",
        "output.yaml holds a value that contains itself (*y)",
    ),
    "a result of 65 MiB": (f"truncate -s 65M {OUT}", "invalid_result", f"output.json has {65 * MIB} bytes; {64 * MIB}"),
}


@pytest.mark.slow
@pytest.mark.parametrize("heavy", [False, True])
def test_programs_that_misbehave_end_in_time_with_one_sentence(tmp_path, heavy):
    """All in one experiment, four at a time: each trial is one program, by its number."""
    cases = [(name, case) for name, case in MISBEHAVE.items() if (name in HEAVY) == heavy]
    for number, (_, (text, _, _)) in enumerate(cases):
        (tmp_path / f"{number}.sh").write_text(text + "\n")
    experiment = rw.Experiment("bad", {"k": rw.Int(0, len(cases))}, {"y": "minimize"})
    wrapper = ScriptWrapper(run_model=["sh", "{here}/{k}.sh"], here=tmp_path)
    limits = rw.Limits(timeout=None if heavy else LIMIT, log=MIB, grace=0.2)
    points = [{"k": number} for number in range(len(cases))]
    with rw.Scheduler(
        experiment,
        RandomOptimizer(),
        WrappedJobRunner(wrapper, workers=4),
        directory=tmp_path / "run",
        enqueue=points,
        limits=limits,
    ) as scheduler:
        scheduler.run(trials=len(cases))
        trials = scheduler.state.trials
    assert len(trials) == len(cases)
    for trial, (name, (_, kind, sentence)) in zip(trials, cases, strict=True):
        failure = trial.failure
        if kind is None or (name == "exit 1 on every second trial" and trial.index % 2 == 0):
            assert trial.status is rw.TrialStatus.COMPLETED, (name, failure)
            assert trial.result.metrics == {"y": (1.0, None)}
            continue
        assert trial.status is rw.TrialStatus.FAILED, name
        assert failure.kind.value == kind, (name, failure)
        assert sentence in failure.message, name
        assert "\n" not in failure.message
        assert len(failure.message) < 400
        if name != "removes its own directory":
            assert failure.log is not None, name
            assert (tmp_path / "run" / failure.log).exists(), name


def test_a_pipe_that_nobody_reads_does_not_hold_the_status_command(driver):
    wrapper = driver.wrapper('mkfifo "$1/output.json"', set_trial_status="true", pause=0.01)
    failure = driver.result(driver.open(wrapper), driver.trial()).failure
    assert failure.message == "output.json is no regular file"


def test_what_is_beyond_the_limit_of_the_log_is_cut_and_said(driver):
    runner = driver.open(driver.wrapper(f"head -c 3000000 /dev/zero; {Y}"), limits=rw.Limits(log=1000))
    assert driver.result(runner, driver.trial()).failure is None
    log = (driver.work() / "stdout.log").read_bytes()
    assert log.startswith(b"\0" * 1000)
    assert b"2998500 bytes of output were cut" in log


@pytest.mark.slow
def test_a_memory_limit(driver):
    text = f"exec {sys.executable} -c 'x = b\"x\" * 400_000_000; import time; time.sleep(600)'"
    failure = driver.try_script(text, limits=rw.Limits(memory=100 * MIB)).failure
    assert failure.kind is rw.FailureKind.MEMORYOUT
