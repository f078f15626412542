"""Processes that do not need the driver.

```
driver ─socket─> launcher ──fork──> supervisor ──exec──> program
   ^ pidfd, control/<i>.<a>/{lock,started,exit} │ limits, whole tree, logs, record of the end
   └─────────────────────────────────────────────┘
```
- `launcher`, `supervisor`, `work`, `program`, `limits`, `streams`, `output`, `record`, `answers`, `wire`, `linux`,
  `mark`: the side that goes on when the driver is gone. Standard library and `runwright.clock` only: nothing else may
  be imported there.
- `client`, `adoption`, `watch`: the driver's side.
- `command`, `attempt`, `deployment`, `function`: what a trial's program gets; `reading`, `outcome`: what it gives back.
- `attempts`, `live`, `sweep`: all attempts of a run directory, for the runner.
- `pool`, `worker`: function trials in workers that are kept.

Why it is so stands in ``docs/decisions/0002-supervisor.md``.
"""
