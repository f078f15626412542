"""The command of a trial: placeholders, the program, the environment. Never a shell."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from runwright.errors import SubmitError, UsageError
from runwright.function_reference import FunctionReference

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from runwright.experiment import Experiment

BUILT_IN = ("trial", "attempt", "seed", "budget", "instance", "slot", "trial_dir", "here")
"""What a placeholder may name beside the parameters."""

_TOKEN = re.compile(r"\{\{|\}\}|\{[^{}]*\}|[{}]")
_LARGEST_STATUS = 255
_HINT = "a literal brace is written twice"


class Template:
    """A text with placeholders such as ``{x}``; ``{{`` and ``}}`` are literal braces.

    Args:
        text: The text.

    Raises:
        UsageError: A brace stands alone.
    """

    __slots__ = ("_literals", "_parts", "names", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._parts: list[tuple[bool, str]] = []
        position = 0
        for token in _TOKEN.finditer(text):
            self._literal(text[position : token.start()])
            position = token.end()
            found = token.group()
            if found in ("{{", "}}"):
                self._literal(found[0])
            elif len(found) > 1:
                self._parts.append((True, found[1:-1]))
            else:
                raise UsageError(f"the argument {text!r:.100} has a single {found!r}; {_HINT}")
        self._literal(text[position:])
        self.names = frozenset(name for is_name, name in self._parts if is_name)
        self._literals = "".join(part for is_name, part in self._parts if not is_name)

    def _literal(self, text: str) -> None:
        if text:
            self._parts.append((False, text))

    def fill(self, values: Mapping[str, Any]) -> str:
        """Return the text with values in place of placeholders.

        Raises:
            SubmitError: A value is not known for this trial.
        """
        if not self.names:
            return self._literals
        return "".join([_written(values.get(part), part) if is_name else part for is_name, part in self._parts])


def _written(value: Any, name: str) -> str:
    """Return a value as programs read it: numbers in full precision, booleans as in JSON."""
    if type(value) is float or type(value) is str:  # by far the most common
        return value if type(value) is str else repr(value)
    if value is None:
        raise SubmitError(f"the command asks for {{{name}}}, but this trial has no {name}")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, dict)):  # of an open experiment
        return json.dumps(value, ensure_ascii=False)
    return value if isinstance(value, str) else repr(value)


def _is_list_of_texts(argv: object) -> bool:
    if isinstance(argv, str) or not isinstance(argv, Sequence):
        return False
    return all(isinstance(part, str) for part in argv)


def _means_a_function(argv: object) -> bool:
    if not isinstance(argv, str):
        return callable(argv)
    try:
        FunctionReference.of(argv)
    except UsageError:
        return False
    return True


class Command:
    """What is executed for a trial.

    Args:
        argv: Program and arguments, with placeholders.
        env: Variables that are added to the driver's, with placeholders in their values.

    Raises:
        UsageError: It is empty, or no list of texts.
    """

    def __init__(self, argv: Sequence[str], env: Mapping[str, str]) -> None:
        if not _is_list_of_texts(argv):
            hint = "; a function is given as function=..." if _means_a_function(argv) else ": it is not run by a shell"
            raise UsageError(
                f"the command must be a list of texts, such as ['./sim', '--x', '{{x}}'], not {argv!r:.100}{hint}"
            )
        if not argv or not argv[0].strip():
            raise UsageError("the command is empty; its first text names the program")
        self._argv = [Template(part) for part in argv]
        self._env = {name: Template(value) for name, value in env.items()}
        self._program = ""
        self._conditional: frozenset[str] = frozenset()

    def check(self, experiment: Experiment, here: str) -> None:
        """Check placeholders and program.

        Args:
            experiment: The experiment.
            here: Folder from which a program with a slash is found.

        Raises:
            UsageError: A placeholder is unknown or means two things, or the program cannot be executed.
        """
        for template in (*self._argv, *self._env.values()):
            check_argument(template.text)
            _check_names(template, experiment)
        self._conditional = frozenset(name for name, parameter in experiment.parameters.items() if parameter.when)
        first = self._argv[0]
        if first.names <= {"here"}:
            self._program = find_program(first.fill({"here": here}), here, self._search_path({"here": here}))

    def _search_path(self, values: Mapping[str, Any]) -> str | None:
        template = self._env.get("PATH")
        if template is None:
            return os.environ.get("PATH")
        return template.fill(values) if template.names <= values.keys() else os.environ.get("PATH")

    def arguments(self, values: Mapping[str, Any]) -> list[str]:
        """Return program and arguments of a trial, without those about a parameter that is not in its point (when).

        Raises:
            SubmitError: A value is not known, the program is not there, or a value cannot be an argument.
        """
        if self._conditional:
            absent = self._conditional - values.keys()
            argv = [template.fill(values) for template in self._argv if not template.names & absent]
        else:
            argv = [template.fill(values) for template in self._argv]
        try:
            argv[0] = self._program or find_program(argv[0], values["here"], self._search_path(values))
            for part in argv:
                check_argument(part)
        except UsageError as error:
            raise SubmitError(str(error)) from None
        return argv

    def environment(self, values: Mapping[str, Any], own: dict[str, str]) -> dict[str, str]:
        """Return what the environment of a trial has beside the driver's (`base_environment`).

        Args:
            values: Values of placeholders.
            own: The variables ``RUNWRIGHT_...`` of the trial.
        """
        if not self._env:
            return own
        absent = self._conditional - values.keys()
        added = {name: template.fill(values) for name, template in self._env.items() if not template.names & absent}
        return {**own, **added}


def base_environment() -> dict[str, str]:
    """Return the driver's environment without what is about a trial: drivers may be nested."""
    return {name: value for name, value in os.environ.items() if not name.startswith("RUNWRIGHT_")}


def check_argument(text: str) -> None:
    """Refuse what no program can be given.

    Raises:
        UsageError: A sentence.
    """
    if "\0" in text:
        raise UsageError(f"the argument {text!r:.100} has a null character in it, which no program can be given")


def _check_names(template: Template, experiment: Experiment) -> None:
    for name in sorted(template.names):
        if name in experiment.parameters and name in BUILT_IN:
            raise UsageError(
                f"{{{name}}} in {template.text!r:.100} is a parameter and also the {name} of the run; "
                "give the parameter another name"
            )
        if name not in experiment.parameters and name not in BUILT_IN and not experiment.is_open:
            raise UsageError(
                f"{{{name}}} in {template.text!r:.100} is no parameter; "
                f"known are {_listed([*experiment.parameters, *BUILT_IN])}; {_HINT}"
            )


def _listed(names: Iterable[str]) -> str:
    return ", ".join([f"{{{name}}}" for name in names][:30])


def find_program(program: str, here: str, path: str | None) -> str:
    """Return the absolute path of a program.

    Args:
        program: Its name, looked for on the path; with a slash, a path that may be relative.
        here: What a relative path starts from.
        path: The search path.

    Raises:
        UsageError: It is not there, or cannot be executed.
    """
    if "/" not in program:
        found = shutil.which(program, path=path)
        if found is None:
            raise UsageError(
                f"the program {program!r:.200} is not on PATH; install it, or write ./{program:.200} if it is a file "
                f"in {here}"
            )
        return os.path.abspath(found)
    absolute = os.path.normpath(os.path.join(here, program))
    if os.path.isdir(absolute):
        raise UsageError(f"the program {absolute!r:.300} is a folder")
    if not os.path.exists(absolute):
        raise UsageError(f"the program {absolute!r:.300} does not exist")
    if not os.access(absolute, os.X_OK):
        raise UsageError(f"the program {absolute!r:.300} cannot be executed; allow it with: chmod +x {absolute:.300}")
    return absolute


def check_settings(workers: object, env: Mapping[Any, Any] | None, success_codes: Sequence[object]) -> None:
    """Check what does not depend on the experiment.

    Raises:
        UsageError: A sentence.
    """
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise UsageError(f"workers must be a positive integer, not {workers!r:.60}")
    for name, value in (env or {}).items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise UsageError(f"env must map names to texts, not {name!r:.60} to {value!r:.60}; quote numbers")
        check_variable(name, value)
    for code in success_codes:
        if isinstance(code, bool) or not isinstance(code, int) or not 0 <= code <= _LARGEST_STATUS:
            raise UsageError(f"success_codes must be exit statuses from 0 to {_LARGEST_STATUS}, not {code!r:.60}")


def check_variable(name: str, value: str) -> None:
    """Refuse what no environment can hold.

    Raises:
        UsageError: A sentence.
    """
    if not name or "=" in name or "\0" in name:
        raise UsageError(f"the name of a variable is not empty and has no = and no null character, unlike {name!r:.60}")
    if "\0" in value:
        raise UsageError(f"the variable {name!r:.60} has a null character in its value, which no program can be given")


def literal(texts: Iterable[str]) -> list[str]:
    """Protect braces from being placeholders."""
    return [text.replace("{", "{{").replace("}", "}}") for text in texts]
