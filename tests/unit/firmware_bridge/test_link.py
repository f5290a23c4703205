"""The link over a perfect line, step by step, and over a bad one, by the thousand."""

import pytest

from firmware_bridge.events import Acknowledged, Down, Heard, RoundTrip, Up
from firmware_bridge.fake import PENDING, FakeBoard
from firmware_bridge.frame import RELIABLE, Frame, encode
from firmware_bridge.journal import Journal
from firmware_bridge.link import BOARD, HOST, LOST, Link
from firmware_bridge.messages import BY_NAME, REFUSED, STALE, TAKEN, UNKNOWN_TYPE
from firmware_bridge.session import Answered, HostSession, Image, Trigger
from tests.serial_line import Faults, Simulation


class Pair:
    """A host and a board with a perfect wire between them."""

    def __init__(self, journal=None):
        self.now = 0.0
        self.journal = journal or Journal(None)
        self.host = HostSession(1001, self.journal)
        self.board = FakeBoard(2002)
        self.events, self.board_events = [], []

    def run(self, seconds=0.5, wire=True):
        until = self.now + seconds
        while self.now < until:
            down, up = self.host.poll(self.now), self.board.poll(self.now)
            self.events += self.host.receive(up if wire else b"", self.now)
            self.board_events += self.board.receive(down if wire else b"", self.now)
            self.now += 0.01
        return self

    def of(self, kind):
        return [one for one in self.events if isinstance(one, kind)]


def test_two_ends_find_each_other():
    pair = Pair().run()
    assert pair.host.link.state == pair.board.link.state == "up"
    assert pair.of(Up) == [Up("fake", 2002, False)]
    assert pair.host.link.payload == pair.board.link.payload == 64


def test_a_trigger_is_answered_once():
    pair = Pair().run()
    id = pair.board.trigger(source=3, time=77)
    pair.run()
    assert pair.of(Trigger) == [Trigger(2002, id, 3, 77)]
    assert pair.host.answer(2002, id, concept=5, score=0.5, known=1.0, is_known=True)
    pair.run()
    [result] = pair.board.results
    assert (result.id, result.concept, result.flags) == (id, 5, 1)
    assert result.score == pytest.approx(32768, abs=1)
    assert pair.of(Answered) == [Answered(2002, id, False)]
    assert pair.journal.open == []


def test_a_second_answer_to_a_trigger_is_not_sent():
    pair = Pair().run()
    id = pair.board.trigger()
    pair.run()
    assert pair.host.answer(2002, id)
    assert not pair.host.answer(2002, id)
    pair.run()
    assert not pair.host.answer(2002, id)
    assert len(pair.board.results) == 1


def test_an_answer_waits_for_a_cable_that_was_pulled_out():
    pair = Pair().run()
    id = pair.board.trigger()
    pair.run()
    pair.run(LOST + 1, wire=False)
    assert pair.host.link.state == "searching"
    pair.host.answer(2002, id, concept=1)
    pair.run(20, wire=False)
    assert not pair.board.results
    pair.run(2)
    assert [one.id for one in pair.board.results] == [id]


def test_a_silent_board_is_noticed_and_said():
    pair = Pair().run()
    pair.run(LOST + 1, wire=False)
    assert [one.reason for one in pair.of(Down)] == ["it has fallen silent"]


def test_a_line_that_is_idle_stays_up():
    pair = Pair().run(60)
    assert not pair.of(Down)
    pair.host.link.ping(pair.now)
    assert pair.run(1).of(RoundTrip)


def test_a_board_keeps_only_a_few_triggers_waiting():
    pair = Pair().run()
    assert [pair.board.trigger() is not None for _ in range(PENDING + 1)] == [True] * PENDING + [False]


def test_a_host_that_was_killed_hands_open_triggers_out_again():
    pair = Pair().run()
    id = pair.board.trigger()
    pair.run()
    pair.host = HostSession(1002, pair.journal)
    pair.events.clear()
    pair.run()
    assert pair.of(Trigger) == [Trigger(2002, id, 0, 0, again=True)]
    pair.host.answer(2002, id, concept=1)
    pair.run()
    assert [one.id for one in pair.board.results] == [id]


def test_a_host_without_a_journal_is_told_again_by_the_board():
    pair = Pair().run()
    id = pair.board.trigger()
    pair.run()
    pair.journal = Journal(None)
    pair.host = HostSession(1002, pair.journal)
    pair.events.clear()
    pair.run(1)
    assert [one.id for one in pair.of(Trigger)] == [id]


def test_the_answer_to_a_trigger_of_a_boards_former_life_is_stale():
    pair = Pair().run()
    id = pair.board.trigger()
    pair.run()
    pair.board = FakeBoard(2003)
    pair.run()
    assert pair.board.trigger() == id, "the new life counts from the start again"
    pair.host.answer(2002, id, concept=9)
    pair.run()
    assert pair.of(Answered) == [Answered(2002, id, True)]
    assert not pair.board.results


def test_a_board_that_has_forgotten_how_often_it_was_started_is_answered():
    pair = Pair().run()
    for nonce, now in ((2002, 1), (2003, 2), (2004, 3), (2002, 4)):  # after which it is 2002 once more
        pair.board = FakeBoard(nonce)
        pair.run()
        pair.events.clear()
        id = pair.board.trigger(time=now)
        pair.run()
        assert [one.id for one in pair.of(Trigger)] == [id]
        pair.host.answer(nonce, id, concept=now)
        pair.run()
        assert [one.concept for one in pair.board.results] == [now]


def test_a_trigger_is_not_acknowledged_while_it_cannot_be_kept():
    class Full(Journal):
        def accept(self, _):
            raise OSError(28, "no space")

    pair = Pair(Full(None)).run()
    pair.board.trigger()
    pair.run(1)
    assert "no space" in pair.host.trouble
    assert "make room" in pair.host.trouble
    assert pair.board.accepted == []
    assert not pair.of(Trigger)


def test_names_of_concepts_reach_a_board_that_comes_later():
    pair = Pair()
    pair.host.set_concepts(["ripe", "grün"])
    pair.run()
    assert pair.board.concepts == {0: "ripe", 1: "grün"}
    pair.host.set_concepts(["ripe"])
    pair.run()
    assert pair.board.concepts == {0: "ripe"}


def test_a_number_of_the_sketch_is_set():
    pair = Pair().run()
    pair.host.configure(3, 70_000)
    assert pair.run().board.config == {3: 70_000}


# --- what strangers send ---------------------------------------------------------------------------------------------


def alone(role=HOST, deliver=lambda _: TAKEN):
    """A link that is up, with a peer that is us."""
    link = Link(role, 5, deliver)
    hello = BY_NAME["HELLO"].pack(
        version_min=1, version_max=1, role=1 - role, nonce=6, peer_nonce=5, max_payload=64, name="x"
    )
    link.receive(encode(Frame(1, 0, 0, 0, hello)), 0.0)
    link.poll(0.0)
    assert link.state == "up"
    return link


def acked(link, frame):
    link.receive(encode(frame), 0.1)
    out = link.poll(0.1)
    from firmware_bridge.frame import Decoder

    return [(one.sequence, one.payload[0]) for one in Decoder().feed(out) if one.type == 2]


def test_an_unknown_message_is_said_to_be_unknown_and_does_not_block_the_line():
    link = alone()
    assert acked(link, Frame(0x7F, RELIABLE, 1, 5 ^ 6)) == [(1, UNKNOWN_TYPE)]
    assert acked(link, Frame(0x10, RELIABLE, 2, 5 ^ 6, bytes(9))) == [(2, TAKEN)]


def test_a_message_that_is_too_short_is_refused():
    assert acked(alone(), Frame(0x10, RELIABLE, 1, 5 ^ 6, b"x")) == [(1, REFUSED)]


def test_a_message_that_comes_twice_is_acknowledged_twice_and_delivered_once():
    seen = []
    link = alone(deliver=lambda message: seen.append(message) or STALE)
    frame = Frame(0x10, RELIABLE, 1, 5 ^ 6, bytes(9))
    assert acked(link, frame) == acked(link, frame) == [(1, STALE)]
    assert len(seen) == 1


def test_frames_of_another_life_are_answered_with_hello_and_nothing_else():
    link = alone()
    link.receive(encode(Frame(0x10, RELIABLE, 1, 999, bytes(9))), 10.0)
    out = link.poll(1.0)
    assert out[2] == 1 or BY_NAME["HELLO"].number in out[:4]
    assert link.counts.strays == 1


def test_a_board_of_a_newer_version_is_told_so():
    link = Link(HOST, 5, lambda _: TAKEN)
    hello = BY_NAME["HELLO"].pack(version_min=9, version_max=9, role=1, nonce=6, peer_nonce=0, max_payload=64, name="x")
    [event] = link.receive(encode(Frame(1, 0, 0, 0, hello)), 0.0)
    assert "9 to 9" in event.reason
    assert link.state == "incompatible"


def test_an_echo_is_no_board():
    link = Link(HOST, 5, lambda _: TAKEN)
    link.receive(link.poll(0.0), 0.0)
    assert link.peer_nonce == 0


def test_a_late_hello_of_a_former_life_loses_nothing():
    pair = Pair().run()
    old = BY_NAME["HELLO"].pack(
        version_min=1, version_max=1, role=1, nonce=1999, peer_nonce=1001, max_payload=64, name="old"
    )
    ids = []
    for _ in range(3):
        ids.append(pair.board.trigger())
        pair.run(0.02)
        pair.events += pair.host.receive(encode(Frame(1, 0, 0, 0, old)), pair.now)
        pair.run(3)
    assert [one.id for one in pair.of(Trigger)] == ids


def test_what_a_board_says_to_people_arrives():
    pair = Pair().run()
    pair.board.link.send("LOG", level=20, text="good morning")
    [heard] = pair.run().of(Heard)
    assert heard.message.fields == {"level": 20, "text": "good morning"}


def test_a_message_that_is_too_long_for_the_board_is_not_sent():
    pair = Pair().run()
    with pytest.raises(ValueError, match="takes 64"):
        pair.host.link.send("CONCEPTS", version=1, count=1, index=0, name="x" * 80)


def test_acknowledgements_are_events():
    pair = Pair().run()
    pair.host.configure(1, 2)
    assert pair.run().of(Acknowledged)[-1].name == "CONFIG"


@pytest.mark.parametrize("role", [HOST, BOARD])
def test_a_nonce_of_zero_is_refused(role):
    with pytest.raises(ValueError):
        Link(role, 0, lambda _: TAKEN)


# --- pictures --------------------------------------------------------------------------------------------------------


def send_image(board, data, number=1, lose=()):
    import zlib

    board.link.send("IMAGE_BEGIN", image=number, size=len(data), crc=zlib.crc32(data))
    for offset in range(0, len(data), 50):
        if offset not in lose:
            board.link.send("IMAGE_CHUNK", image=number, offset=offset, data=data[offset : offset + 50])
    board.link.send("IMAGE_END", image=number)


def test_a_picture_arrives_whole():
    pair, data = Pair().run(), bytes(range(256)) * 3
    send_image(pair.board, data)
    assert pair.run(2).of(Image) == [Image(1, data)]


def test_a_picture_with_a_hole_is_asked_for_from_there():
    pair, data = Pair().run(), bytes(500)
    send_image(pair.board, data, lose=(100,))
    pair.run(2)
    assert not pair.of(Image)
    assert pair.board.resume == (1, 100)


def test_a_host_that_does_not_know_the_picture_asks_for_its_beginning():
    pair = Pair().run()
    pair.board.link.send("IMAGE_CHUNK", image=7, offset=50, data=b"x")
    pair.run()
    assert pair.board.resume == (7, 0)


def test_a_picture_with_another_checksum_is_asked_for_again():
    pair = Pair().run()
    pair.board.link.send("IMAGE_BEGIN", image=1, size=3, crc=1)
    pair.board.link.send("IMAGE_CHUNK", image=1, offset=0, data=b"abc")
    pair.board.link.send("IMAGE_END", image=1)
    pair.run()
    assert not pair.of(Image)
    assert pair.board.resume == (1, 0)


# --- a bad line ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_every_acknowledged_trigger_gets_exactly_one_answer(seed, tmp_path):
    tally = Simulation(seed, Faults(), journal=tmp_path / "journal").run(1000)
    assert tally.acknowledged > 900
    assert tally.answered + tally.lost_with_board == tally.acknowledged
    assert tally.lost_with_board <= PENDING * tally.board_restarts
    assert (tally.lost, tally.forgotten, tally.twice, tally.wrong) == (0, 0, 0, 0)
    assert tally.cuts + tally.host_restarts + tally.board_restarts > 0


def test_on_a_perfect_line_nothing_is_sent_again():
    simulation = Simulation(0, Faults(0, 0, 0, 0, 0, 0))
    simulation.run(300)
    assert simulation.host.link.counts.resent == simulation.board.link.counts.resent == 0
    assert simulation.tally.answered == 300
