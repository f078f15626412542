"""What `bench_smac.py` evaluates; in a module of its own, so that workers need not import SMAC for it."""

import os
from time import sleep

SECONDS = float(os.environ.get("BENCH_SMAC_MILLISECONDS", "20")) / 1e3


def evaluate(config, seed):  # noqa: ARG001  (SMAC's own runner insists on it)
    sleep(SECONDS)
    return (config["x"] - 0.3) ** 2 + config["y"]


def instant(config, seed):  # noqa: ARG001
    return (config["x"] - 0.3) ** 2 + config["y"]
