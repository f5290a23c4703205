"""Accepted triggers survive whatever happens to the host."""

from firmware_bridge.journal import Accepted, Journal

ONE, TWO = Accepted(7, 1, 0, 10), Accepted(7, 2, 3, 20)


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
    journal.answer(7, 1)  # and then it is killed: nothing is closed
    assert Journal(tmp_path / "j").open == [TWO]


def test_what_was_answered_is_not_new_when_it_comes_again(tmp_path):
    journal = Journal(tmp_path / "j")
    journal.accept(ONE)
    journal.answer(7, 1)
    assert not journal.accept(ONE)
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
    assert Journal(tmp_path / "j").open == []
