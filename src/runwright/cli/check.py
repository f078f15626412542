"""``runwright check``: what an experiment file says, and whether it can be run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from runwright.cli.directory import directory_option, was_started
from runwright.cli.points import ranges
from runwright.cli.terminal import command as command_line
from runwright.cli.terminal import duration, paragraph, plural, printable, say, say_json, setting, shown
from runwright.folder import JOURNAL, check_can_be_made, check_no_trials, driver_of

if TYPE_CHECKING:
    from runwright.config import ExperimentFile
    from runwright.experiment import Experiment
    from runwright.loop.policy import Policy
    from runwright.optimizer import Optimizer
    from runwright.result import Json
    from runwright.runner import Limits, Runner

_REBUILD = {
    "stateless": "its suggestions depend on seed and index alone: exact after a restart",
    "history": "rebuilt from the recorded history: exact after a restart",
    "replay": "every question and answer is repeated: exact after a restart, which takes longer",
}
_LABEL = 11


@click.command("check", short_help="Check an experiment file; run nothing.")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@directory_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(file: Path, directory: Path | None, as_json: bool) -> None:
    """Check FILE and print what would run, without running anything.

    Everything that `runwright run` would refuse is refused here, with the same sentence: mistakes in the file,
    functions that cannot be imported, limits that the runner cannot enforce, a file that differs from what was started
    in its directory.
    """
    from runwright.config import load

    setup = load(file)
    experiment, optimizer, runner, policy = setup.experiment(), setup.optimizer(), setup.runner(), setup.policy()
    optimizer.setup(experiment)
    place = directory or setup.directory
    began = _began(place, setup, runner)
    if as_json:
        say_json(_as_json(setup, experiment, optimizer, runner, policy, place, began))
        return
    say(f"{shown(file)} is fine", bold=True)
    say()
    _say("experiment", f"{printable(experiment.name)}, seed {experiment.seed}")
    _say("directory", f"{shown(place)} ({began})")
    _say_parameters(experiment)
    for name, direction in experiment.objectives.items():
        _say("objective", f"{direction} {printable(name)}")
    for constraint in experiment.constraints:
        _say("constraint", f"{printable(constraint.text)}, on {constraint.on}")
    _say("runner", _runner(runner, policy))
    _say("limits", _limits(policy.limits, runner.traits.enforces))
    label = "on failure"
    for name, rule in policy.on_failure.told():
        _say(label, f"{name}: {rule}")
        label = ""
    _say("optimizer", f"{_optimizer(optimizer)}; {_REBUILD[optimizer.rebuild]}")
    if setup.enqueue:
        _say("enqueued", f"{plural(len(setup.enqueue), 'point')} first")
    _say("stop", _stop(policy))
    say()
    options = [] if directory is None else ["--dir", shown(directory)]
    _say("run it", command_line("run", shown(file), *options))


def _began(place: Path, setup: ExperimentFile, runner: Runner) -> str:
    """Say what stands in the run directory.

    Raises:
        ExperimentChangedError: An experiment with another definition.
    """
    from runwright.journal import read_events
    from runwright.journal.files import is_new
    from runwright.loop.session import check_unchanged
    from runwright.report import target_of
    from runwright.state import State

    path = place / JOURNAL
    was_started(place)  # or it cannot be looked into, of which more is said here than of a journal
    check_can_be_made(place.absolute())
    state = State() if is_new(path) else State.of(read_events(path))
    if state.experiment is None:
        check_no_trials(place.absolute())
        return "nothing was started there yet"
    about = {"type": type(runner).__name__, "simulated": runner.traits.simulated}
    check_unchanged(state, {**setup.definition(), "runner": about}, shown(place))
    pid = driver_of(place)
    who = "" if pid is None else f", a driver (pid {pid}) works in it"
    target = target_of(state)
    ended = plural(state.ended, "trial") if target is None else f"{state.ended:,} of {plural(target, 'trial')}"
    return f"started: {ended} ended{who}; it goes on with this file"


def _say(label: str, text: str) -> None:
    for line in paragraph(text, indent=f"{label:<{_LABEL}} ", hang=" " * (_LABEL + 1)):
        say(line)


def _say_parameters(experiment: Experiment) -> None:
    label = "parameters"
    longest = min(30, max(len(printable(name)) for name in experiment.parameters))
    for name, parameter in experiment.parameters.items():
        kind = type(parameter).__name__.lower()
        default = "" if parameter.default is None else f", default {setting(parameter.default)}"
        when = "".join(
            f", when {printable(parent)} is {' or '.join(map(setting, values))}"
            for parent, values in (parameter.when or {}).items()
        )
        _say(label, f"{printable(name):<{longest}}  {kind:<6}  {ranges(parameter)}{default}{when}")
        label = ""


def _runner(runner: Runner, policy: Policy) -> str:
    traits = runner.traits
    parallel = "as many trials at once as it takes" if policy.parallel is None else f"{policy.parallel} at a time"
    if traits.inline:
        parallel = "one trial at a time, in the driver"
    if traits.survives_driver:
        fate = "running trials survive the driver"
    elif traits.simulated:
        fate = "in simulated time"
    else:
        fate = "running trials end with the driver and are repeated"
    return f"{type(runner).__name__}, {parallel}; {fate}"


def _optimizer(optimizer: Optimizer) -> str:
    said = [(key, value) for key, value in optimizer.describe().items() if value not in (None, {}, [])]
    return ", ".join(printable(value) if key == "type" else f"{key} {printable(value)}" for key, value in said)


def _limits(limits: Limits, enforced: frozenset[str]) -> str:
    parts = []
    if limits.timeout is not None:
        parts.append(f"{duration(limits.timeout)} a trial")
    if limits.memory is not None:
        parts.append(f"{_bytes(limits.memory)} of memory")
    if limits.output is not None and "output" in enforced:
        parts.append(f"{_bytes(limits.output)} of output")
    if limits.log is not None and "output" in enforced:
        parts.append(f"{_bytes(limits.log)} kept of each log")
    return ", ".join(parts) or "none"


def _bytes(count: int) -> str:
    size = float(count)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:  # noqa: PLR2004
            return f"{size:g} {unit}"
        size /= 1024
    return f"{size:.3g} GiB"


def _stop(policy: Policy) -> str:
    parts = []
    if policy.trials is not None:
        parts.append(f"after {plural(policy.trials, 'trial')}")
    if policy.seconds is not None:
        parts.append(f"after {duration(policy.seconds)}")
    if policy.failure_rate is not None:
        after = plural(policy.failure_rate_after, "trial")
        parts.append(f"when more than {policy.failure_rate:.0%} of the ended trials failed, once {after} have ended")
    return ", or ".join(parts) or "only when the optimizer has nothing more to propose"


def _as_json(
    setup: ExperimentFile,
    experiment: Experiment,
    optimizer: Optimizer,
    runner: Runner,
    policy: Policy,
    place: Path,
    began: str,
) -> Json:
    return {
        "experiment": experiment.to_dict(),
        "directory": str(place),
        "began": began,
        "runner": {"type": type(runner).__name__, "survives_driver": runner.traits.survives_driver},
        "optimizer": {**optimizer.describe(), "rebuild": optimizer.rebuild},
        "policy": policy.to_json() | {"on_failure": {name: rule.to_json() for name, rule in policy.on_failure.told()}},
        "enqueue": list(setup.enqueue),
    }
