"""Planted faults of what must be durable, of the order of writes, and of locks and fences."""

from __future__ import annotations

from tests.torture.planted_fault import (
    ADOPTION,
    ADOPTIONS,
    DEPLOYMENT,
    FOLDER,
    MAILBOX,
    ORDER,
    RECORD,
    REQUESTS,
    RUNNERS,
    SQLITE,
    SUPERVISOR,
    SUPERVISORS,
    Fault,
)

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

DURABLE: dict[str, Fault] = {
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
}
