"""Planted faults of supervisor and launcher, of the journal, and of the engine."""

from __future__ import annotations

from tests.torture.planted_fault import (
    ATTEMPTS,
    CLIENT,
    CONSULTING,
    DECIDE,
    EFFECTS,
    ENGINE,
    ENGINES,
    FUNCTIONS,
    LAUNCHER,
    LIVE,
    ORDER,
    POOL,
    POOL_WORKER,
    RECORDER,
    RUNNERS,
    SQLITE,
    STATE,
    SUPERVISOR,
    SUPERVISORS,
    WAL,
    Fault,
)

RUNNING: dict[str, Fault] = {
    # Supervisor and launcher.
    "no-subreaper": Fault(
        "a supervisor does not inherit the orphans of its tree",
        SUPERVISOR,
        {"        become_subreaper()\n": ""},
        f"{SUPERVISORS}::test_what_a_program_leaves_behind_is_killed_and_counted",
    ),
    "stop-forgotten-by-the-supervisor": Fault(
        "a supervisor hears that it is to stop, and does nothing",
        SUPERVISOR,
        {"        self._heard.add(number)  # the": "        pass  # the"},
        f"{SUPERVISORS}::test_a_signal_to_the_supervisor_ends_the_tree_and_our_own_is_told_from_others",
        slow=True,
    ),
    "result-not-synced": Fault(
        "a power cut can leave the record of an end without the result",
        SUPERVISOR,
        {"        self._sync_results()\n": ""},
        f"{ORDER}::test_what_a_program_gave_back_is_durable_before_the_record_of_its_end",
    ),
    "no-kill-after-the-grace": Fault(
        "what ignores SIGTERM is never killed",
        SUPERVISOR,
        {"            self._killing = self._ignored = True\n": "            self._ignored = True\n"},
        f"{SUPERVISORS}::test_a_wall_limit_ends_a_tree_that_hides_and_ignores_sigterm",
        slow=True,
    ),
    "orphans-left": Fault(
        "the launcher reaps a killed supervisor, and leaves its tree",
        LAUNCHER,
        {"            fell(self._find_orphans, self._take_ends)\n": ""},
        f"{SUPERVISORS}::test_the_death_of_the_supervisor_is_the_death_of_the_tree",
        slow=True,
    ),
    "launcher-leaves-too-early": Fault(
        "the launcher leaves with its driver, though trials run",
        LAUNCHER,
        {"        while listening or not self._childless:\n": "        while listening:\n"},
        f"{SUPERVISORS}::test_a_tree_whose_driver_and_supervisor_died_is_ended",
        slow=True,
    ),
    "reaped-without-a-word": Fault(
        "a supervisor that was killed over its start is reaped, and nobody is told",
        LAUNCHER,
        {'                self._answers.say(request, "gone")': "                pass"},
        f"{SUPERVISORS}::test_a_launcher_says_that_a_supervisor_was_killed",
    ),
    "suspended-supervisor-not-woken": Fault(
        "a supervisor that somebody suspended stays so",
        LAUNCHER,
        {"                    os.kill(pid, signal.SIGCONT)\n": "                    pass\n"},
        f"{SUPERVISORS}::test_a_supervisor_that_is_suspended_is_woken_by_the_launcher",
        slow=True,
    ),
    "late-word-taken-for-an-answer": Fault(
        "what the launcher says of an earlier request counts for the next of that name",
        CLIENT,
        {
            'if unanswered.pop(answer["serial"], None) is not None:': (
                "if [unanswered.pop(key) for key, one in list(unanswered.items()) if one['id'] == answer['id']]:"
            )
        },
        f"{SUPERVISORS}::test_late_words_about_dead_supervisors_are_no_answers",
    ),
    "remains-not-swept": Fault(
        "what survived its supervisor and its launcher is called dead while it lives",
        ATTEMPTS,
        {"        sweep(place.folder)\n": ""},
        f"{RUNNERS}::test_what_survives_its_supervisor_and_its_launcher_is_ended_before_it_is_called_dead",
        slow=True,
    ),
    "fork-without-a-mark": Fault(
        "what a preloaded function starts is called dead while it lives",
        LAUNCHER,
        {'        mark.show(os.environ.get(NAME, ""))\n': ""},
        f"{FUNCTIONS}::test_what_a_function_started_is_ended_before_it_is_called_dead",
        slow=True,
    ),
    "worker-not-swept": Fault(
        "what a worker of a pool left whose guards were killed is called dead while it lives",
        POOL_WORKER,
        {"    if read_record(str(folder), EXIT) is None:\n        _end_remains(folder)\n": ""},
        "tests/pool/test_pool_and_its_driver.py::test_the_next_driver_ends_what_a_worker_left_whose_guards_were_killed",
        slow=True,
    ),
    "guards-of-a-worker-not-watched": Fault(
        "a pool waits for what was forked by a worker whose guards were killed",
        POOL,
        {"                self._poll.register(worker.supervisor, select.EPOLLIN)\n": ""},
        "tests/pool/test_pool_runner.py::test_killed_guards_mean_lost_though_a_child_has_a_copy_of_the_channel",
        slow=True,
    ),
    "late-supervisor-not-pressed": Fault(
        "a driver never steps in where a supervisor does not do its duty",
        LIVE,
        {"                late.process.kill()\n": "                pass\n"},
        "tests/process/test_live.py::test_one_that_is_late_is_woken_once_and_then_killed",
    ),
    # The journal.
    "append-not-one-transaction": Fault(
        "many events are not one transaction",
        SQLITE,
        {
            '        self._connection.execute("BEGIN IMMEDIATE")\n': "",
            '            self._connection.execute("COMMIT")\n': "            pass\n",
        },
        "tests/unit/test_journal_sqlite.py::test_a_full_disk_leaves_nothing_of_the_append",
    ),
    "counted-before-it-is-kept": Fault(
        "events are counted before they are kept",
        SQLITE,
        {
            "            self._kept += len(events)\n": "",
            "        if values:\n": "        self._kept += len(events)\n        if values:\n",
        },
        "tests/unit/test_journal_sqlite.py::test_a_full_disk_leaves_nothing_of_the_append",
    ),
    "moved-journal-not-noticed": Fault(
        "a journal that was moved away under its driver takes more events",
        SQLITE,
        {"if files.identity(self._path) != self._identity:": "if False:"},
        "tests/unit/test_journal_sqlite.py::test_a_journal_that_was_moved_takes_no_more_events",
    ),
    "torn-log-believed": Fault(
        "a log from which committed transactions are missing is opened without a word",
        WAL,
        {"    if frames >= shared.needed:\n": "    if True:\n"},
        "tests/unit/test_journal_damage.py::test_a_log_that_is_shorter_than_the_shared_index_says_is_damage",
    ),
    "torn-record-goes-on": Fault(
        "a driver goes on after a commit that was cut short",
        RECORDER,
        {"        self._torn = True\n        events, self._pending": "        events, self._pending"},
        "tests/unit/test_recorder.py::test_nothing_follows_a_commit_that_was_cut_short",
    ),
    # The engine.
    "effects-before-commit": Fault(
        "effects come before the commit that announces them",
        ENGINE,
        {
            "        recorder.commit()\n        self._effects.act()\n": (
                "        self._effects.act()\n        recorder.commit()\n"
            )
        },
        f"{ENGINES}::test_intents_are_committed_before_the_runner_hears_of_them",
    ),
    "results-not-committed-at-once": Fault(
        "results that the driver alone has wait for the next commit",
        ENGINE,
        {"            recorder.commit()  # nobody else has these results\n": "            pass\n"},
        f"{ENGINES}::test_results_that_only_the_driver_has_are_committed_as_soon_as_they_are_seen",
    ),
    "told-twice": Fault(
        "the optimizer hears of each end twice",
        CONSULTING,
        {
            "        self._optimizer.tell(observation(trial))\n": "        self._optimizer.tell(observation(trial))\n"
            * 2
        },
        f"{ENGINES}::test_a_trial_that_cannot_be_submitted_fails_alone_and_is_not_sent_twice",
    ),
    "stop-forgotten-after-a-restart": Fault(
        "a stop that an earlier driver recorded is not done",
        EFFECTS,
        {"self.to_stop: set[int] = set(state.stopping)": "self.to_stop: set[int] = set()"},
        f"{ENGINES}::test_a_stop_that_an_earlier_driver_had_recorded_is_done",
    ),
    "stop-forgotten-after-an-error": Fault(
        "a stop that failed is not tried again",
        EFFECTS,
        {"self._stopping.in_vain(index, now)\n                    continue\n": "pass\n"},
        f"{ENGINES}::test_a_stop_that_fails_is_tried_again",
    ),
    "stop-hits-the-next-attempt": Fault(
        "a stop that comes too late ends the next attempt",
        EFFECTS,
        {"            if index in self._state.stopping:  # else": "            if True:  # else"},
        f"{ENGINES}::test_a_stop_never_reaches_the_next_attempt",
    ),
    "failed-submission-not-asked-after": Fault(
        "a submission that raised is taken for none, though the job may exist",
        EFFECTS,
        {"        if self._runner.traits.survives_driver:\n            found": "        if False:\n            found"},
        f"{ENGINES}::test_a_runner_that_survives_is_asked_whether_a_failed_submission_exists_after_all",
    ),
    "capacity-off-by-one": Fault(
        "one attempt more than there are slots",
        DECIDE,
        {"policy.parallel - max(0, state.live - staying)": "policy.parallel + 1 - max(0, state.live - staying)"},
        "tests/unit/test_decide.py::test_free_slots",
    ),
    "retry-counted-twice": Fault(
        "a failed attempt counts as two",
        DECIDE,
        {"        if count > rule.retry:\n": "        if 2 * count > rule.retry:\n"},
        "tests/unit/test_decide.py::test_a_failed_attempt_is_followed_by_another_as_often_as_its_rule_says",
    ),
    "interruption-is-a-failure": Fault(
        "an interrupted attempt counts as a failed one",
        DECIDE,
        {
            "        attempt.outcome is AttemptOutcome.FAILED\n        and": (
                "        attempt.outcome is AttemptOutcome.INTERRUPTED or attempt.outcome is AttemptOutcome.FAILED and"
            )
        },
        "tests/unit/test_decide.py::test_an_interrupted_attempt_is_no_failure_of_the_trial",
    ),
    "interrupted-not-repeated": Fault(
        "what was interrupted is not tried again",
        STATE,
        {
            "        self._move(trial, CANDIDATE)\n        self.ready[event.trial] = None\n\n"
            "    def _retry_planned": "        self._move(trial, CANDIDATE)\n\n    def _retry_planned"
        },
        f"{ENGINES}::test_what_died_with_the_driver_is_repeated_and_counts_for_nothing",
    ),
    "late-result-of-an-old-attempt-taken": Fault(
        "an event of a superseded attempt is taken for the current one",
        STATE,
        {"            if attempt is None or attempt == trial.attempt:\n": "            if True:\n"},
        "tests/unit/test_state.py::test_what_cannot_happen_is_refused_and_changes_nothing",
    ),
}
