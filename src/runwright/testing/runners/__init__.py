"""The parts of `runwright.testing.RunnerSuite`.

```
identity  deploying  waiting  stopping  following  scheduling     the tests, by what they are about
fixtures                                                          settings, and a look at what each test leaves
driver    driver_process                                          drive a runner: here, or in a process to be killed
work      task  witness                                           what is evaluated, and who watches
patience  leftovers                                               waits with a deadline; finds what was not given back
```
"""
