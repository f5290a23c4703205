"""The Edge TPU without the stick: every way in which it can be missing has a sentence of its own.

The library is a stand-in, built here; device nodes and USB ids lie in a folder.
"""

import os
import re
import shutil
import subprocess
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from edge.backbone import catalogue, delegate, runtime, tflite
from edge.config import DEFAULT_BACKBONE
from edge.errors import HardwareMissing

SOURCE = Path(__file__).resolve().parents[3] / "scripts" / "emulated-pi.d" / "edgetpu.c"
MARK = b"edgetpu-custom-op"

pytestmark = pytest.mark.either_runtime


@pytest.fixture(scope="session")
def name():
    """The runtime under test."""
    return runtime.choose(os.environ["EDGE_RUNTIME"])


@pytest.fixture
def built(tmp_path):
    """``built("-DANSWER=ACCEPTS")``: the path of a library made from the stand-in, or from ``source``."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler; install gcc")

    def build(*options: str, source: str | None = None, name: str = delegate.LIBRARY) -> str:
        path = tmp_path / "built" / name
        path.parent.mkdir(exist_ok=True)
        file = SOURCE
        if source is not None:
            file = tmp_path / "other.c"
            file.write_text(source)
        subprocess.run([compiler, "-shared", "-fPIC", f"-Wl,-soname,{name}", "-o", path, file, *options], check=True)
        return str(path)

    return build


@pytest.fixture
def root(tmp_path):
    """An empty file system."""
    (tmp_path / "root" / "dev").mkdir(parents=True)
    return tmp_path / "root"


def plug_usb(root, ids=("18d1", "9302"), *, node=True, port="1-1", number="7"):
    entry = root / "sys/bus/usb/devices" / port
    entry.mkdir(parents=True)
    for file, value in zip(("idVendor", "idProduct", "busnum", "devnum"), (*ids, "2", number), strict=True):
        (entry / file).write_text(value + "\n")
    path = root / "dev/bus/usb/002" / f"{int(number):03}"
    if node:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return path


def plug_pci(root, *, node=True):
    entry = root / "sys/bus/pci/devices/0000:01:00.0"
    entry.mkdir(parents=True)
    (entry / "vendor").write_text("0x1ac1\n")
    (entry / "device").write_text("0x089a\n")
    if node:
        (root / "dev/apex_0").touch()


def reason(name, library, root):
    with pytest.raises(HardwareMissing) as caught:
        delegate.load(name, library=library, root=root)
    return str(caught.value)


# --- devices ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ids", sorted(delegate.USB_IDS))
def test_a_stick_is_found_before_and_after_its_firmware_is_loaded(root, ids):
    node = plug_usb(root, ids)
    assert delegate.devices(root) == (delegate.Device("usb", node),)


def test_a_card_is_found(root):
    plug_pci(root)
    assert delegate.devices(root) == (delegate.Device("pci", root / "dev/apex_0"),)


def test_other_devices_and_unreadable_entries_are_passed_over(root):
    plug_usb(root, ("046d", "0825"))
    (root / "sys/bus/usb/devices/2-1").mkdir()
    plug_usb(root, port="3-1", number="8").unlink()
    (root / "sys/bus/usb/devices/3-1/devnum").write_bytes(b"\xff\n")
    assert delegate.devices(root) == ()


def test_a_machine_without_usb_has_none(root):
    assert delegate.devices(root) == ()


# --- the library -----------------------------------------------------------------------------------------------------


def test_a_library_that_is_not_installed_is_named_with_its_package(name, root):
    found = reason(name, "libedgetpu-not-here.so.1", root)
    assert found == (
        "the Edge TPU library libedgetpu-not-here.so.1 is not installed; install libedgetpu1-std from Coral's "
        "package archive"
    )


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"#!/bin/sh\necho no library\n" * 100, "invalid ELF header"),
        (b"", "file too short"),
        # the header of a library for the other word length
        (b"\x7fELF" + bytes([1 if np.intp(0).itemsize == 8 else 2, 1, 1]) + bytes(1000), "wrong ELF class"),
    ],
)
def test_a_file_that_is_no_library_for_this_system_is_the_wrong_version(name, root, tmp_path, content, why):
    library = tmp_path / delegate.LIBRARY
    library.write_bytes(content)
    found = reason(name, str(library), root)
    assert "is of the wrong version for this system" in found
    assert why in found


def test_a_library_for_another_processor_is_not_called_missing(name, root, built):
    data = bytearray(Path(built("-DANSWER=ACCEPTS")).read_bytes())
    data[18:20] = (8).to_bytes(2, "little")  # e_machine: MIPS
    place = root / "usr/lib/mips64-linux-gnu"
    place.mkdir(parents=True)
    library = "libedgetpu-for-another.so.1"  # a name that is surely not on this machine's path
    (place / library).write_bytes(data)
    found = reason(name, library, root)
    assert f"the Edge TPU library {place / library} is built for another kind of processor" in found
    assert "another kind of processor" in reason(name, str(place / library), root)


def test_a_library_that_lacks_what_it_needs_says_what(name, root, built):
    library = built(source="int no_such_function(void); int call(void) { return no_such_function(); }")
    assert re.search(r"does not load \(.*no_such_function\); install", reason(name, library, root))


def test_a_library_whose_own_library_is_missing_names_that_one(name, root, built):
    other = Path(built(source="int leave(void) { return 1; }", name="libusb-made-up.so"))
    library = built(str(other), source="int leave(void); int call(void) { return leave(); }")
    other.unlink()
    assert re.search(r"does not load \(libusb-made-up.so: cannot open", reason(name, library, root))


def test_some_other_library_is_not_taken_for_it(name, root, built, capfd):
    plug_usb(root)
    library = built(source="int nothing;")
    assert "is not the Edge TPU library (it has no tflite_plugin_create_delegate)" in reason(name, library, root)
    assert capfd.readouterr().err == ""


# --- the device ------------------------------------------------------------------------------------------------------


def test_no_stick_says_to_connect_one(name, root, built):
    assert "no Edge TPU is plugged in; connect the stick" in reason(name, built("-DANSWER=ACCEPTS"), root)


def test_a_stick_one_may_not_open_names_the_group(name, root, built, monkeypatch):
    node = plug_usb(root)
    refuse(monkeypatch, node)
    found = reason(name, built("-DANSWER=ACCEPTS"), root)
    assert f"no permission to use the Edge TPU at {node}; add your user to the plugdev (USB)" in found


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_permission_is_asked_as_the_user_who_runs():
    with TemporaryDirectory() as name:  # pytest's own folders are closed to others
        root = Path(name)
        root.chmod(0o755)
        plug_usb(root).chmod(0o600)
        child = os.fork()
        if child == 0:
            os.setuid(65534)
            try:
                delegate._usable(delegate.devices(root))
            except HardwareMissing as error:
                os._exit(7 if "no permission" in str(error) else 8)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_a_second_device_is_used_when_the_first_may_not_be(root, monkeypatch):
    refuse(monkeypatch, plug_usb(root))
    plug_pci(root)
    assert delegate._usable(delegate.devices(root)).bus == "pci"


def test_a_stick_without_a_node_is_no_question_of_permission(name, root, built):
    node = plug_usb(root, node=False)
    found = reason(name, built("-DANSWER=ACCEPTS"), root)
    assert f"an Edge TPU (usb) is there but {node} is not; start the container with --device" in found


def test_a_card_without_a_driver_says_which_one(name, root, built):
    plug_pci(root, node=False)
    found = reason(name, built("-DANSWER=ACCEPTS"), root)
    assert f"an Edge TPU (pci) is there but {root / 'dev/apex_0'} is not; install the drivers gasket-dkms" in found


def refuse(monkeypatch, node):
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != node and allowed(path, mode))


# --- starting --------------------------------------------------------------------------------------------------------


def test_a_stick_that_may_be_used_is_started(name, root, built):
    node = plug_usb(root)
    loaded, device = delegate.load(name, library=built("-DANSWER=ACCEPTS"), root=root)
    assert loaded is not None
    assert device == delegate.Device("usb", node)


def test_a_library_that_refuses_to_start_names_busy_and_version(name, root, built):
    plug_usb(root)
    found = reason(name, built("-DANSWER=REFUSES"), root)
    assert f"its library refuses to start in {name} (Failed to load delegate from" in found
    assert "stop other programs that use it" in found
    assert "of different versions" in found


def test_what_the_library_says_is_passed_on(name, root, built):
    plug_usb(root)
    found = reason(name, built("-DANSWER=EXPLAINS"), root)
    assert "(runtime version 14 is wanted, this is 13)" in found


@pytest.fixture
def compiled(root, built, config, monkeypatch):
    """``compiled("ACCEPTS")``: the default backbone, marked as compiled, opened where a stick is plugged in."""
    plug_usb(root)
    folder, card = catalogue.find_card(DEFAULT_BACKBONE, config)
    data = catalogue.read_verified(folder, card) + MARK  # behind the graph, where no runtime looks

    def start(answer: str, wanted: str = "auto") -> tflite.TfliteBackbone:
        here = partial(delegate.load, library=built(f"-DANSWER={answer}"), root=root)
        monkeypatch.setattr(delegate, "load", here)
        return tflite.TfliteBackbone(card, data, runtime=config.runtime, delegate=wanted, threads=1)

    return start


@pytest.mark.parametrize("wanted", ["auto", "edgetpu"])
def test_a_compiled_backbone_runs_with_its_delegate(compiled, backbone, wanted):
    opened = compiled("ACCEPTS", wanted)
    picture = np.full((224, 224, 3), 90, dtype=np.uint8)
    assert opened.runtime == "Edge TPU (usb)"
    assert np.abs(opened.embed(picture).astype(int) - backbone.embed(picture)).max() <= 30
    opened.close()


def test_a_file_compiled_for_a_newer_library_says_so(compiled):
    with pytest.raises(HardwareMissing, match=r"rejects this file \(.*compiled for a newer library") as caught:
        compiled("REJECTS")
    assert "export or copy it again" not in str(caught.value)  # the advice for a damaged file
    assert "\n" not in str(caught.value)


def test_a_compiled_backbone_without_its_accelerator_does_not_fall_back(compiled):
    with pytest.raises(HardwareMissing, match="refuses to start"):
        compiled("REFUSES")
