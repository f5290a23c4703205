"""What the page takes of a camera that somebody works through."""

import threading

import pytest

from edge.faces.api.options import Options


@pytest.fixture
def incoming(tmp_path, jpeg):
    folder = tmp_path / "incoming"
    folder.mkdir()
    for number in range(6):
        (folder / f"{number}.jpg").write_bytes(jpeg("red", number))
    return folder


@pytest.fixture
def options(incoming):
    return Options(cameras={"gate": f"folder://{incoming}?done={incoming}/done"})


def seen(client, after):
    """The number of the picture that the page gets."""
    answer = client.get("/local/cameras/gate/picture", params={"after": after} if after else {})
    assert answer.status_code == 200, answer.text
    return int(answer.headers["X-Picture"])


def test_a_page_that_looks_on_takes_no_picture_away_from_a_loop(client, core):
    camera, there = core.cameras.camera("gate"), threading.Event()
    camera.listen(there.set)
    assert [seen(client, 0), seen(client, 0)] == [1, 1]
    taken = []
    while len(taken) < 6 and (capture := camera.newest(taken[-1] if taken else 0, 10)) is not None:
        taken.append(capture.number)
        seen(client, capture.number - 1)
    assert taken == [1, 2, 3, 4, 5, 6]


def test_where_no_loop_is_the_page_goes_through_the_pictures(client):
    numbers = [0]
    while numbers[-1] < 6:
        numbers.append(seen(client, numbers[-1]))
    assert numbers == [0, 1, 2, 3, 4, 5, 6]
