"""Accepted triggers survive whatever happens to the host."""

import os

import pytest

from firmware_bridge.journal import Accepted, Journal

ONE, TWO = Accepted(7, 1, 0, 10), Accepted(7, 2, 3, 20)


def killed(journal):
    """Its process is gone, and closed nothing: the system lets go of the lock."""
    os.close(journal._lock)


class Full:
    """A disk that is full for a while: ``os.write`` takes half of what it is given, then nothing."""

    def __init__(self, monkeypatch):
        self.full, self.write = False, os.write
        monkeypatch.setattr(os, "write", self)

    def __call__(self, file, data):
        if not self.full:
            return self.write(file, data)
        if len(data) > 20:
            return self.write(file, data[:20])
        raise OSError(28, "No space left on device")


def test_what_was_accepted_is_open_until_it_is_answered(tmp_path):
    journal = Journal(tmp_path / "j")
    assert journal.accept(ONE)
    assert journal.accept(TWO)
    journal.answer(7, 1)
    assert journal.open == [TWO]


def test_a_new_process_finds_what_was_open(tmp_path):
    journal = Journal(tmp_path / "j")
    journal.accept(ONE)
    journal.accept(TWO)
    journal.answer(7, 1)
    killed(journal)
    assert Journal(tmp_path / "j").open == [TWO]


def test_what_was_answered_is_not_new_when_it_comes_again(tmp_path):
    journal = Journal(tmp_path / "j")
    journal.accept(ONE)
    journal.answer(7, 1)
    assert not journal.accept(ONE)
    killed(journal)
    assert not Journal(tmp_path / "j").accept(ONE)


def test_another_trigger_with_the_number_of_an_answered_one_is_new(tmp_path):
    """Of a board that counts its starts in an EEPROM which was erased: its time tells."""
    journal, other = Journal(tmp_path / "j"), Accepted(ONE.nonce, ONE.id, ONE.source, ONE.time + 1)
    journal.accept(ONE)
    journal.answer(7, 1)
    killed(journal)
    journal = Journal(tmp_path / "j")
    assert journal.accept(other)
    assert not journal.accept(other)
    journal.answer(7, 1)
    assert not journal.accept(other)


def test_a_journal_that_does_not_say_when_an_answered_trigger_was_is_read(tmp_path):
    (tmp_path / "j").write_bytes(b'{"answered": [7, 1]}\n{"accepted": [7, 2, 3, 20]}\n')
    journal = Journal(tmp_path / "j")
    assert journal.open == [TWO]
    assert not journal.accept(ONE)
    journal.close()
    assert not Journal(tmp_path / "j").accept(ONE)


def test_a_torn_last_line_is_left_out(tmp_path):
    journal = Journal(tmp_path / "j")
    journal.accept(ONE)
    journal.close()
    with (tmp_path / "j").open("ab") as file:
        file.write(b'{"accepted": [7, 2')
    again = Journal(tmp_path / "j")
    assert again.open == [ONE]
    again.accept(TWO)
    again.close()
    assert Journal(tmp_path / "j").open == [ONE, TWO]


def test_garbage_is_no_journal_and_harms_nothing(tmp_path):
    (tmp_path / "j").write_bytes(b'\xff\0garbage\n[]\n{}\n{"accepted": "x"}\n')
    assert Journal(tmp_path / "j").open == []


def test_it_is_rewritten_before_it_grows_without_end(tmp_path, monkeypatch):
    monkeypatch.setattr("firmware_bridge.journal._REWRITE", 50)
    journal = Journal(tmp_path / "j")
    for id in range(1, 200):
        journal.accept(Accepted(7, id, 0, 0))
        journal.answer(7, id)
    assert (tmp_path / "j").stat().st_size < 400 * 40
    killed(journal)
    assert Journal(tmp_path / "j").open == []


def test_a_trigger_that_does_not_fit_the_disk_is_not_accepted_and_harms_no_other(tmp_path, monkeypatch):
    journal, disk = Journal(tmp_path / "j"), Full(monkeypatch)
    journal.accept(ONE)
    disk.full = True
    for _ in range(3):
        with pytest.raises(OSError, match="No space"):
            journal.accept(TWO)
    assert journal.open == [ONE]
    disk.full = False
    assert journal.accept(TWO)
    killed(journal)
    assert Journal(tmp_path / "j").open == [ONE, TWO]


def test_an_answer_that_does_not_fit_the_disk_is_not_given_twice_by_this_process(tmp_path, monkeypatch):
    journal, disk = Journal(tmp_path / "j"), Full(monkeypatch)
    journal.accept(ONE)
    disk.full = True
    with pytest.raises(OSError):
        journal.answer(7, 1)
    assert journal.open == []
    disk.full = False
    journal.accept(TWO)
    killed(journal)
    assert Journal(tmp_path / "j").open == [TWO]


def test_what_was_open_is_read_from_a_full_disk(tmp_path, monkeypatch):
    journal = Journal(tmp_path / "j")
    journal.accept(ONE)
    journal.close()
    with (tmp_path / "j").open("ab") as file:
        file.write(b'{"accepted": [7, 2')
    disk = Full(monkeypatch)
    disk.full = True
    journal = Journal(tmp_path / "j")
    assert journal.open == [ONE]
    disk.full = False
    journal.accept(TWO)
    journal.close()
    assert Journal(tmp_path / "j").open == [ONE, TWO]


def test_what_a_failed_sync_has_written_is_written_again(tmp_path):
    """The kernel forgets which pages it could not write: the next sync would say that all is well."""
    syncs = []

    def sync(file):
        syncs.append(os.fstat(file).st_ino)
        if len(syncs) == 4:
            raise OSError(5, "Input/output error")

    journal = Journal(tmp_path / "j", sync=sync)
    journal.accept(ONE)
    first = syncs[-1]
    with pytest.raises(OSError):
        journal.accept(TWO)
    journal.accept(TWO)
    assert syncs[-1] not in (first, syncs[3]), "another file"
    killed(journal)
    assert Journal(tmp_path / "j").open == [ONE, TWO]


def test_two_programs_do_not_keep_one_journal(tmp_path):
    journal = Journal(tmp_path / "j")
    with pytest.raises(OSError, match="another program keeps"):
        Journal(tmp_path / "j")
    journal.close()
    Journal(tmp_path / "j").close()


def test_a_closed_journal_accepts_nothing(tmp_path):
    journal = Journal(tmp_path / "j")
    journal.close()
    with pytest.raises(OSError, match="closed"):
        journal.accept(ONE)


def test_a_folder_is_no_journal(tmp_path):
    (tmp_path / "j").mkdir()
    with pytest.raises(OSError):
        Journal(tmp_path / "j")
