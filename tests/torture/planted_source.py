"""Faults of order and durability planted in the sources of the real components, and who must notice each.

Launchers and supervisors are processes that load their own sources, so these faults stand in a copy of the sources.
Each is an edit of a text that stands there exactly once: where the text is gone, the fault must be written anew. What
must notice it is a test by name.
"""

from __future__ import annotations

from dataclasses import dataclass, field

RECORD, SUPERVISOR, LAUNCHER = "process/record.py", "process/supervisor.py", "process/launcher.py"
ADOPTION, DEPLOYMENT, ATTEMPTS = "process/adoption.py", "process/deployment.py", "process/attempts.py"
FOLDER, SQLITE, MAILBOX, REQUESTS = "folder.py", "journal/sqlite.py", "mailbox.py", "loop/requests.py"
ENGINE, EFFECTS, DECIDE, STATE = "loop/engine.py", "loop/effects.py", "loop/decide.py", "state.py"
CONSULTING = "loop/consulting.py"
CLIENT, WAL, LIVE, RECORDER = "process/client.py", "journal/wal.py", "process/live.py", "loop/recorder.py"

ORDER = "tests/process/test_write_order.py"
SUPERVISORS = "tests/process/test_supervisor.py"
ADOPTIONS = "tests/process/test_adoption.py"
RUNNERS = "tests/process/test_process_runner.py"
ENGINES = "tests/unit/test_engine.py"
CRASHES = "tests/crash/test_engine_crashes.py"


@dataclass(frozen=True)
class Fault:
    """A fault in the sources.

    Attributes:
        says: What is wrong with it, in words.
        file: Where, below the package.
        edits: Texts, each with what stands in its place.
        seen_by: The test that must fail.
        slow: Whether that takes long.
    """

    says: str
    file: str
    edits: dict[str, str] = field(repr=False)
    seen_by: str
    slow: bool = False


_FINISH = """            os.pwrite(self._room, data, 0)
            os.ftruncate(self._room, len(data))
            os.fsync(self._room)
            os.rename(_ROOM, EXIT, src_dir_fd=self._folder, dst_dir_fd=self._folder)
"""
_BEGIN = "        self._put(STARTED, body)\n"
_NAME_EXIT = "            os.rename(_ROOM, EXIT, src_dir_fd=self._folder, dst_dir_fd=self._folder)\n"
_ROOM = """        self._room = self._open(_ROOM, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        write_all(self._room, b" " * _ROOM_BYTES)
"""

FAULTS: dict[str, Fault] = {
    # Durability: what only a power cut would show.
    "exit-not-synced": Fault(
        "the record of an end is not synced",
        RECORD,
        {"            os.fsync(self._room)\n": ""},
        f"{ORDER}::test_the_record_of_an_end_is_durable_before_it_has_its_name",
    ),
    "exit-synced-too-late": Fault(
        "the record of an end is synced after it has its name",
        RECORD,
        {f"            os.fsync(self._room)\n{_NAME_EXIT}": f"{_NAME_EXIT}            os.fsync(self._room)\n"},
        f"{ORDER}::test_the_record_of_an_end_is_durable_before_it_has_its_name",
    ),
    "exit-named-before-its-content": Fault(
        "the record of an end has its name before its content",
        RECORD,
        {_FINISH: _NAME_EXIT + _FINISH.replace(_NAME_EXIT, "")},
        f"{ORDER}::test_the_record_of_an_end_is_durable_before_it_has_its_name",
    ),
    "file-not-synced": Fault(
        "a file that must survive a power cut is not synced",
        FOLDER,
        {"                os.fsync(file.fileno())\n": ""},
        f"{ORDER}::test_a_synced_file_is_durable_before_it_has_its_name_and_its_name_after",
    ),
    "file-synced-before-its-content": Fault(
        "it is synced before its content has left the process",
        FOLDER,
        {"                file.flush()\n": ""},
        f"{ORDER}::test_a_synced_file_is_durable_before_it_has_its_name_and_its_name_after",
    ),
    "name-not-synced": Fault(
        "the name of such a file is not synced",
        FOLDER,
        {"    if sync:\n        sync_folder(path.parent)\n": ""},
        f"{ORDER}::test_a_synced_file_is_durable_before_it_has_its_name_and_its_name_after",
    ),
    "journal-made-unsynced": Fault(
        "a new journal is not synced",
        SQLITE,
        {"write_atomic(path, image.serialize(), sync=True)": "write_atomic(path, image.serialize())"},
        f"{ORDER}::test_a_new_journal_is_durable_before_anything_is_written_into_it",
    ),
    "journal-never-full": Fault(
        "the journal is never opened with synchronous=FULL",
        SQLITE,
        {"PRAGMA synchronous = {synchronous}": "PRAGMA synchronous = NORMAL"},
        "tests/unit/test_sync.py::test_the_journal_is_synced_as_asked",
    ),
    "request-not-synced": Fault(
        "a request is not synced before its sender is told that it waits",
        MAILBOX,
        {'write_json(folder / f"{request}.json", body, sync=True)': 'write_json(folder / f"{request}.json", body)'},
        f"{ORDER}::test_a_request_is_durable_before_the_driver_is_woken",
    ),
    # Order of writes.
    "start-recorded-before-there-is-room": Fault(
        "the start is recorded before there is room for the end",
        RECORD,
        {_ROOM + _BEGIN: _BEGIN + _ROOM},
        f"{ORDER}::test_a_start_is_recorded_whole_and_after_there_is_room_for_its_end",
    ),
    "no-room-for-the-end": Fault(
        "no room is taken for the record of the end",
        RECORD,
        {'write_all(self._room, b" " * _ROOM_BYTES)': "pass"},
        f"{ORDER}::test_a_start_is_recorded_whole_and_after_there_is_room_for_its_end",
    ),
    "start-written-in-place": Fault(
        "a start is written under its name, and may be read half",
        RECORD,
        {'        aside = f".{name}.tmp"': "        aside = name"},
        f"{ORDER}::test_a_start_is_recorded_whole_and_after_there_is_room_for_its_end",
    ),
    "start-recorded-after-exec": Fault(
        "a start is recorded after the program was started",
        SUPERVISOR,
        {
            "            control.begin(self._started_record())\n": "",
            "            self._start()\n        except StartError": (
                "            self._start()\n            control.begin(self._started_record())\n"
                "        except StartError"
            ),
        },
        f"{SUPERVISORS}::test_an_attempt_whose_start_cannot_be_recorded_does_not_begin",
    ),
    "request-removed-before-its-commit": Fault(
        "the file of a request is removed before the journal has it",
        REQUESTS,
        {"            self._taken.append(request)\n": "            mailbox.remove(self._directory, request)\n"},
        f"{ORDER}::test_a_request_is_removed_after_the_journal_has_it",
    ),
    "end-recorded-before-the-tree-is-dead": Fault(
        "an end is recorded while something of the tree is alive",
        SUPERVISOR,
        {"self._killing = True  # whatever it left behind\n": "self._childless = True\n"},
        f"{SUPERVISORS}::test_what_a_program_leaves_behind_is_killed_and_counted",
    ),
    # The lock and the fence.
    "claim-without-lock": Fault(
        "an attempt is claimed without its lock",
        RECORD,
        {"            fcntl.lockf(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)\n": "            pass\n"},
        f"{ADOPTIONS}::test_a_live_attempt_is_adopted_and_stopped",
    ),
    "claim-though-locked": Fault(
        "an attempt is claimed though another one holds its lock",
        RECORD,
        {"EAGAIN or EACCES\n            return False\n": "EAGAIN or EACCES\n            pass\n"},
        f"{ORDER}::test_who_finds_the_lock_taken_does_not_begin",
    ),
    "claim-without-a-second-look": Fault(
        "who has the lock does not look again whether the attempt has begun",
        RECORD,
        {"        if self._exists(STARTED):\n            self.close()\n            return False\n": ""},
        f"{ORDER}::test_who_claims_looks_once_more_when_it_has_the_lock",
    ),
    "exit-not-read-again": Fault(
        "after the lock was seen free the record of the end is not read again",
        ADOPTION,
        {
            "            continue  # it was taken between the looks\n        record = read_record(folder, EXIT)\n": (
                "            continue\n"
            )
        },
        f"{ADOPTIONS}::test_an_end_between_two_looks_is_seen",
    ),
    "lock-not-asked-again": Fault(
        "the lock is not asked again after the pid was opened",
        ADOPTION,
        {"    if _holder(folder) != holder:\n        os.close(pidfd)\n        return None\n": ""},
        f"{ADOPTIONS}::test_a_pid_that_changes_hands_between_two_looks_is_not_adopted",
    ),
    "lost-is-sent-again": Fault(
        "what has begun and left no end counts as never begun",
        ADOPTION,
        {"        return Vanished(_why_vanished(started), started)\n": "        return Absent()\n"},
        f"{SUPERVISORS}::test_the_death_of_the_supervisor_is_the_death_of_the_tree",
    ),
    "fence-skipped": Fault(
        "an attempt that seems never to have begun is not fenced",
        ADOPTION,
        {'            folder.fence({"fenced": True, "epoch": epoch()})\n': ""},
        "tests/process/test_one_evaluation.py::test_an_attempt_whose_request_arrives_late_is_fenced",
    ),
    "any-start-is-a-fence": Fault(
        "a fence is taken away though the attempt has begun",
        ADOPTION,
        {"    if restart_rule(control) == Absent(fenced=True):\n": "    if Path(control, STARTED).exists():\n"},
        f"{ADOPTIONS}::test_a_start_is_no_fence",
    ),
    "digest-ignored": Fault(
        "an attempt with other parameters is adopted",
        DEPLOYMENT,
        {'key is None or key["digest"] == trial.digest': "True"},
        f"{RUNNERS}::test_run_adopts_what_was_started_and_refuses_other_parameters",
    ),
    "driver-lock-not-taken": Fault(
        "a second driver is let into the directory",
        FOLDER,
        {"                fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)\n": "                pass\n"},
        "tests/unit/test_folder.py::test_a_directory_that_another_process_holds_is_refused_with_its_pid",
    ),
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
            "        self._move(trial, TrialStatus.CANDIDATE)\n        self.ready[event.trial] = None\n\n"
            "    def _retry_planned": "        self._move(trial, TrialStatus.CANDIDATE)\n\n    def _retry_planned"
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
