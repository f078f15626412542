"""What the optimizer takes from SMAC: the only file of the optimizers that imports it.

Three things of SMAC are put right here so that a replay comes out alike in every process: it keeps instances and seeds
in sets, and where its local search starts, whose order differs from process to process; and it draws for ever where all
points of a small space are pending.
"""

from __future__ import annotations

import logging
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from runwright.errors import MissingExtraError
from runwright.optimizers.smac_settings import order_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_STARTS = "_get_init_points_from_previous_configs"


@contextmanager
def quiet() -> Iterator[None]:
    """Keep SMAC's running commentary and the warnings of its models to themselves, here alone."""
    logger = logging.getLogger("smac")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


class Smac:
    """The parts of SMAC that are used."""

    def __init__(self) -> None:
        import ConfigSpace
        import smac
        from smac import runhistory
        from smac.main import exceptions

        class SilentScenario(smac.Scenario):
            """Writes nothing: the journal has it all."""

            def save(self) -> None:
                """Write nothing."""

            def _change_output_directory(self) -> None:
                """There is none."""

        self.configspace, self.smac, self.history = ConfigSpace, smac, runhistory
        self.Scenario = SilentScenario
        self.exhausted = exceptions.ConfigurationSpaceExhaustedException


def import_smac() -> Smac:
    """Import SMAC.

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        with quiet():
            return Smac()
    except ModuleNotFoundError as error:
        raise MissingExtraError("the smac optimizer", "smac") from error


def sort_keys(intensifier: Any) -> None:
    """Have an intensifier list its keys of instance, seed and budget in one order."""
    for name in (
        "get_incumbent_instance_seed_budget_keys",
        "get_incumbent_instance_seed_budget_key_differences",
        "get_instance_seed_budget_keys",
    ):
        setattr(intensifier, name, _sorted(getattr(intensifier, name)))


def sort_starts(maximizer: Any) -> None:
    """Have a maximizer of acquisition functions begin its local searches in one order; some have none."""
    search = getattr(maximizer, "_local_search", maximizer)
    if hasattr(search, _STARTS):
        setattr(search, _STARTS, _by_value(getattr(search, _STARTS)))


def _by_value(method: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
    import numpy as np

    def in_order(*arguments: Any, **named: Any) -> list[Any]:
        # An inactive parameter is NaN in the vector, which has no order; others are not negative.
        return sorted(
            method(*arguments, **named), key=lambda config: np.nan_to_num(config.get_array(), nan=-1).tolist()
        )

    return in_order


def _sorted(method: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
    def in_order(*arguments: Any, **named: Any) -> list[Any]:
        return sorted(method(*arguments, **named), key=order_of)

    return in_order


class Rationed:
    """Gives so many points an ask: where all points of a small space are pending, SMAC draws for ever.

    Args:
        source: The points.

    Attributes:
        left: How many are left.
    """

    def __init__(self, source: Iterator[Any]) -> None:
        self.left = 0
        self._source = source

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if not self.left:
            raise StopIteration
        self.left -= 1
        return next(self._source)
