"""TorchX components for tests. Their apps are Python programs of a few lines, run on this machine."""

from __future__ import annotations

import sys

from torchx import specs

_WRITE = """
import json, os, pathlib, sys
base, trial = sys.argv[1], sys.argv[2]
def write(**metrics):
    place = pathlib.Path(base) / trial
    place.mkdir(parents=True, exist_ok=True)
    aside = place / f"aside.{os.getpid()}"
    aside.write_text(json.dumps(metrics))
    aside.replace(place / "result.json")
"""

PROGRAMS = {
    "good": "write(y=float(sys.argv[3]) ** 2)",
    "sem": "write(**{'y/mean': float(sys.argv[3]), 'y/sem': 0.5})",
    "fails": "print('about to fail'); sys.stderr.write('a word of warning\\nit was too much\\n'); sys.exit(3)",
    "fails_after_writing": "write(y=1.0); sys.exit(4)",
    "kills_itself": "import signal; os.kill(os.getpid(), signal.SIGSEGV)",
    "silent": "pass",
    "says_on_stdout": "print('only here'); sys.exit(1)",
    "reply": "pathlib.Path(os.environ['TORCHELASTIC_ERROR_FILE']).write_text(json.dumps("
    "{'message': {'message': 'ValueError: no such layer', 'extraInfo': {'timestamp': '1'}}})); sys.exit(1)",
    "garbled_reply": "open(os.environ['TORCHELASTIC_ERROR_FILE'], 'wb').write(bytes(range(256))); sys.exit(1)",
    "folder_for_a_reply": "os.mkdir(os.environ['TORCHELASTIC_ERROR_FILE']); sys.exit(1)",
    "number_for_a_reply": "open(os.environ['TORCHELASTIC_ERROR_FILE'], 'w').write('3'); sys.exit(1)",
    "rare_signal": "os.kill(os.getpid(), 40)",
    "binary": "sys.stderr.buffer.write(bytes(range(256)) * 200 + b'\\nthe end\\xff'); sys.exit(1)",
    "nan": "write(y=float('nan'))",
    "stays": "import time; print('still here', flush=True); open(f'{base}/up.{trial}', 'w').close(); time.sleep(300)",
    "stubborn": "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "open(f'{base}/up.{trial}', 'w').close(); time.sleep(300)",
    "leaves_a_child": "import subprocess; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)'], "
    "start_new_session=True); write(y=1.0)",
    "waits_for_go": "import time\n"
    "open(f'{base}/up.{trial}', 'w').close()\n"
    "open(f'{base}/begun.{trial}.{os.getpid()}', 'w').close()\n"
    "end = time.monotonic() + 120\n"
    "while not os.path.exists(f'{base}/go') and time.monotonic() < end: time.sleep(0.01)\n"
    "write(y=float(sys.argv[3]))",
}


def _app(kind: str, tracker_base: str, trial_idx: int, value: object, replicas: int = 1) -> specs.AppDef:
    role = specs.Role(
        name="program",
        image="",
        entrypoint=sys.executable,
        args=["-c", _WRITE + PROGRAMS[kind], tracker_base, str(trial_idx), str(value)],
        num_replicas=replicas,
    )
    return specs.AppDef(name="test", roles=[role])


def trainer(x: float, trial_idx: int, tracker_base: str, kind: str = "good", replicas: int = 1) -> specs.AppDef:
    return _app(kind, tracker_base, trial_idx, x, replicas)


def insistent(x: float, trial_idx: int, tracker_base: str) -> specs.AppDef:
    app = _app("good", tracker_base, trial_idx, x)
    app.roles[0].max_retries = 5
    return app


def keyword_only(
    *, x: float, n: int, name: str, flag: bool, trial_idx: int, tracker_base: str, experiment_name: str, c: float = 0.5
) -> specs.AppDef:
    app = _app("good", tracker_base, trial_idx, x)
    app.metadata = {"experiment": experiment_name, "given": repr((x, n, name, flag, c))}
    return app


def no_program(x: float, trial_idx: int, tracker_base: str) -> specs.AppDef:
    app = trainer(x, trial_idx, tracker_base)
    app.roles[0].entrypoint = "/no/such/program"
    return app


def half_a_program(x: float, trial_idx: int, tracker_base: str) -> specs.AppDef:
    """Its first role starts, its second cannot."""
    app = trainer(x, trial_idx, tracker_base, "stays")
    second = specs.Role(name="second", image="", entrypoint="/no/such/program")
    app.roles.append(second)
    return app


def no_app(x: float) -> dict:
    return {"x": x}


def raises(x: float) -> specs.AppDef:
    raise RuntimeError(f"no app of {x}")


def anything(**parameters: float) -> specs.AppDef:
    return _app("good", "nowhere", 0, parameters["x"])


def unannotated(x, tracker_base):
    return _app("good", tracker_base, 0, x)
