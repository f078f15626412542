"""What `import runwright` and `runwright --help` cost over bare Python, and that no third-party module is imported.

python benchmarks/bench_startup.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time


def seconds(*arguments: str, repeat: int = 15) -> float:
    times = []
    for _ in range(repeat):
        began = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def main() -> None:
    bare = seconds("-c", "pass")
    names = "import runwright as rw; rw.Scheduler, rw.Experiment, rw.Float, rw.Runner, rw.Result"
    for label, arguments in (
        ("import runwright", ("-c", "import runwright")),
        ("... and its main names", ("-c", names)),
        ("runwright --help", ("-m", "runwright", "--help")),
    ):
        print(f"{label:26} {(seconds(*arguments) - bare) * 1000:7.1f} ms over bare Python ({bare * 1000:.1f} ms)")
    code = "import sys; before = set(sys.modules); " + names + "; print(*sorted(set(sys.modules) - before))"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    foreign = {name.partition(".")[0] for name in out} - set(sys.stdlib_module_names) - {"runwright"}
    print("third-party modules imported:", ", ".join(sorted(foreign)) or "none")


if __name__ == "__main__":
    main()
