"""The bridge as a link of loops."""

import pytest

from edge.errors import StoreUnavailable
from edge.links.serial import SerialLink


def test_two_programs_that_answer_the_triggers_of_one_port_are_refused(tmp_path):
    first, second = (SerialLink("/dev/ttyNothing9", journal=tmp_path / "j") for _ in range(2))
    first.start()
    with pytest.raises(StoreUnavailable, match="end that one"):
        second.start()
    first.close()
    second.start()
    second.close()
