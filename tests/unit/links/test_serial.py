"""The bridge as a link of loops."""

import time
import zlib

import pytest

from edge.camera.base import EndOfPictures
from edge.camera.fake import encoded, scene
from edge.errors import RemoteUnavailable, StoreUnavailable
from edge.links.pictures import BoardCamera
from edge.links.serial import SerialLink
from tests.firmware.boards import SocketBoard


def test_two_programs_that_answer_the_triggers_of_one_port_are_refused(tmp_path):
    first, second = (SerialLink("/dev/ttyNothing9", journal=tmp_path / "j") for _ in range(2))
    first.start()
    with pytest.raises(StoreUnavailable, match="end that one"):
        second.start()
    first.close()
    second.start()
    second.close()


@pytest.fixture
def linked(tmp_path):
    """A link to a board, and the board."""
    with SocketBoard() as board:
        link = SerialLink(board.port, journal=tmp_path / "j")
        yield link, board.board
        link.close(0.5)


def until(happens, seconds=20.0):
    end = time.monotonic() + seconds
    while not (found := happens()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)
    return found


def answered(link, concept):
    """Answers every trigger with a concept."""
    link.on_trigger(
        lambda asking, _: link.answer(asking, concept=concept, score=0.5, known=1.0, is_known=True, failed=False)
    )


def test_loops_that_share_a_board_share_its_table_each_with_a_part_of_its_own(linked):
    link, board = linked
    assert link.teach("gate", ["car", "van"]) == 0
    link.start()
    assert link.teach("door", ["cat"]) == 2
    assert link.teach("gate", ["car", "van"]) == 0
    until(lambda: board.concepts == {0: "car", 1: "van", 2: "cat"})


def test_a_table_that_changed_is_sent_before_the_answer_that_means_it(linked):
    link, board = linked
    link.teach("gate", ["car"])
    link.start()
    until(lambda: board.concepts == {0: "car"})
    link.teach("gate", ["bus", "car"])
    answered(link, link.teach("gate", ["bus", "car"]) + 1)
    board.trigger()
    (result,) = until(lambda: list(board.results))
    assert board.concepts[result.concept] == "car"


def test_a_trigger_that_came_before_anybody_listened_is_told(linked):
    link, board = linked
    link.start()
    board.trigger()
    until(lambda: link._early)
    answered(link, 0)
    until(lambda: board.results)


def test_a_port_that_is_not_there_is_said_beforehand():
    with pytest.raises(RemoteUnavailable, match="`firmware-bridge ports` lists"):
        SerialLink("/dev/ttyNothing9").check()
    with pytest.raises(RemoteUnavailable, match="not plugged in"):
        SerialLink("usb://ffff:ffff").check()


def test_a_port_that_may_not_be_opened_is_said_beforehand_with_its_group(tmp_path, monkeypatch):
    (tmp_path / "tty").touch()
    monkeypatch.setattr("edge.links.serial.os.access", lambda *_: False)
    with pytest.raises(RemoteUnavailable, match=rf"usermod -aG {(tmp_path / 'tty').group()} "):
        SerialLink(str(tmp_path / "tty")).check()


def test_pictures_of_a_board_are_a_cameras(linked):
    link, board = linked
    camera = BoardCamera(link)
    until(lambda: link.state == "up")
    data = encoded(scene(1, 24, 32))
    board.link.send("IMAGE_BEGIN", image=1, size=len(data), crc=zlib.crc32(data))
    for start in range(0, len(data), 32):
        board.link.send("IMAGE_CHUNK", image=1, offset=start, data=data[start : start + 32])
    board.link.send("IMAGE_END", image=1)
    assert camera.read() == (data, link.url)


def test_a_closed_link_is_the_end_of_its_pictures(linked):
    link, _ = linked
    camera = BoardCamera(link)
    link.close(0.1)
    with pytest.raises(EndOfPictures):
        camera.read()
