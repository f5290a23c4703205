"""Folders that pictures are put into."""

from __future__ import annotations

import os

import pytest

from edge.camera.catalogue import open_source
from edge.camera.fake import encoded, scene
from edge.camera.newest import Camera
from edge.errors import BadImage, CameraUnavailable, InvalidArgument


def test_a_folder_gives_what_is_put_into_it_from_now_on(tmp_path):
    (tmp_path / "old.jpg").write_bytes(encoded(scene(1, 16, 16)))
    with Camera(f"folder://{tmp_path}") as camera:
        assert camera.newest(timeout=0.6) is None
        (tmp_path / "new.jpg").write_bytes(encoded(scene(2, 16, 16)))
        assert camera.newest(timeout=5).source.endswith("new.jpg")


def test_a_file_that_is_still_being_written_is_waited_for(tmp_path):
    data = encoded(scene(1, 64, 64))
    with Camera(f"folder://{tmp_path}") as camera, (tmp_path / "slow.jpg").open("wb") as file:
        for part in (data[:100], data[100:200]):
            file.write(part)
            file.flush()
            assert camera.newest(timeout=0.6) is None
        file.write(data[200:])
        file.flush()
        assert camera.newest(timeout=5).picture == data


def test_pictures_that_were_taken_are_moved_where_they_shall_go_and_a_restart_goes_on(tmp_path):
    incoming, done = tmp_path / "incoming", tmp_path / "done"
    incoming.mkdir()
    for number in range(3):
        (incoming / f"{number}.jpg").write_bytes(encoded(scene(number, 16, 16)))
    url = f"folder://{incoming}?done={done}"
    first = open_source(url)
    names = [first.read()[1] for _ in range(2)]
    first.close()
    assert [one.name for one in done.iterdir()] == ["0.jpg"]  # the second may not have been used yet
    again = open_source(url)
    names += [again.read()[1] for _ in range(2)]
    again.close()
    assert [name[-5:] for name in names] == ["0.jpg", "1.jpg", "1.jpg", "2.jpg"]


def test_who_only_looks_takes_no_picture_away(tmp_path):
    incoming, done = tmp_path / "incoming", tmp_path / "done"
    incoming.mkdir()
    for name in "ab":
        (incoming / f"{name}.jpg").write_bytes(encoded(scene(1, 16, 16)))
    with Camera(f"folder://{incoming}?done={done}") as camera:
        assert camera.look(timeout=5).number == 1
        assert camera.newest(after=1, timeout=0.5) is None
        assert not list(done.iterdir())
        camera.newest(timeout=5)
        assert camera.newest(after=1, timeout=5).source.endswith("b.jpg")


def test_a_picture_that_is_moved_replaces_none_of_the_same_name(tmp_path):
    incoming, done = tmp_path / "incoming", tmp_path / "done"
    incoming.mkdir()
    done.mkdir()
    (done / "a.jpg").write_bytes(b"kept")
    for name in "ab":
        (incoming / f"{name}.jpg").write_bytes(encoded(scene(1, 16, 16)))
    source = open_source(f"folder://{incoming}?done={done}")
    source.read()
    source.read()
    source.close()
    assert (done / "a.jpg").read_bytes() == b"kept"
    assert (done / "a-1.jpg").exists()


def test_a_folder_cannot_be_its_own_done_folder(tmp_path):
    with pytest.raises(InvalidArgument, match="another folder"):
        open_source(f"folder://{tmp_path}?done={tmp_path}/")


def test_a_huge_file_is_left_out_unread_and_the_next_one_comes(tmp_path):
    with (tmp_path / "huge.png").open("wb") as file:
        file.truncate(200 << 20)
    os.utime(tmp_path / "huge.png", (1, 1))
    (tmp_path / "small.jpg").write_bytes(encoded(scene(1, 16, 16)))
    source = open_source(f"folder://{tmp_path}?existing=1")
    given = []
    for _ in range(2):
        try:
            given.append(source.read()[1][-9:])
        except BadImage as error:
            given.append(str(error))
    assert sorted(given)[1] == "small.jpg"
    assert "larger than 64 MiB" in sorted(given)[0]


def test_a_folder_leaves_texts_links_and_hidden_files_alone(tmp_path):
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(encoded(scene(1, 16, 16)))
    folder = tmp_path / "incoming"
    folder.mkdir()
    (folder / "a.txt").write_text("hello")
    (folder / ".b.jpg").write_bytes(b"x")
    (folder / "c.jpg").symlink_to(secret)
    with Camera(f"folder://{folder}?existing=1") as camera:
        assert camera.newest(timeout=0.8) is None


def test_a_folder_that_goes_away_is_a_camera_that_goes_away(tmp_path):
    folder = tmp_path / "incoming"
    folder.mkdir()
    source = open_source(f"folder://{folder}")
    folder.rmdir()
    with pytest.raises(CameraUnavailable, match="make it, or mount"):
        source.read()
