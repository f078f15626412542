"""What a case of the kills is: an experiment, who is killed in it, and what its executioner saw."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, field
from typing import TypeAlias

Roles: TypeAlias = tuple[str, ...]
# What is killed, with weights: one role, or several at the same moment.
VICTIMS: dict[str, dict[Roles, int]] = {
    "process": {
        ("driver",): 44,
        ("launcher",): 10,
        ("supervisor",): 12,
        ("program",): 12,
        ("driver", "launcher"): 6,
        ("driver", "supervisor"): 6,
        ("driver", "launcher", "supervisor"): 6,
    },
    "tpe": {("driver",): 74, ("launcher",): 9, ("supervisor",): 4, ("program",): 9, ("driver", "launcher"): 4},
    "pool": {
        ("driver",): 44,
        ("launcher",): 10,
        ("supervisor",): 14,
        ("program",): 18,
        ("driver", "launcher"): 5,
        ("driver", "supervisor"): 5,
        ("driver", "launcher", "supervisor"): 4,
    },
    "driver": {("driver",): 1},
}
_DRIVER_ONLY = ("simulated", "optuna", "optuna-tpe", "optuna-long", "long", "stopped")


@dataclass(frozen=True)
class Case:
    """One experiment and its executioner.

    Attributes:
        name: What a failure is called.
        kind: Kind of the driver.
        trials: How many trials the experiment has.
        kills: How many kills there are at the most.
        seed: Of the executioner.
        folder: Where everything is.
    """

    name: str
    kind: str
    trials: int
    kills: int
    seed: int
    folder: str

    @property
    def peer(self) -> bool:
        """Whether the driver is Optuna's."""
        return self.kind.startswith("optuna")

    def victims(self) -> dict[Roles, int]:
        """Return what is killed, with weights."""
        if self.kind in _DRIVER_ONLY:
            return VICTIMS["driver"]
        return VICTIMS.get(self.kind, VICTIMS["process"])

    def command(self) -> list[str]:
        """Return the command of the driver: the same each time."""
        module = "kills_optuna" if self.peer else "kills_driver"
        run, evidence = f"{self.folder}/run", f"{self.folder}/evidence"
        return [sys.executable, "-m", f"tests.torture.{module}", run, self.kind, str(self.trials), evidence]


@dataclass
class Done:
    """What the executioner did and saw.

    Attributes:
        kills: How many of which role.
        struck: Pids of what was killed, by role.
        lives: How many drivers there were.
        followerless: Evaluations that lived on after their driver's death.
        failed_lives: Drivers that ended by themselves with an error, with the end of what they said.
        zombies: Processes that stayed dead and unreaped under a living parent.
        survivors: What lived on after the end of the experiment.
        ended: Whether a driver came to its end.
        seconds: How long all of it took.
    """

    kills: Counter[str] = field(default_factory=Counter)
    struck: dict[str, list[int]] = field(default_factory=dict)
    lives: int = 0
    followerless: int = 0
    failed_lives: list[str] = field(default_factory=list)
    zombies: list[str] = field(default_factory=list)
    survivors: list[str] = field(default_factory=list)
    ended: bool = False
    seconds: float = 0.0
