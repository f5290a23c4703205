"""The device's own certificates: what they are good for, when they are renewed, and who can read them."""

import ssl
import stat
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509

from edge.errors import InvalidArgument, StoreUnavailable
from edge.faces.api import hosts, tls
from edge.faces.api.authority import BEGIN, END, Issued, issue, make_authority
from edge.faces.api.options import Options
from edge.faces.api.serve import keeper_of

NOW = datetime(2030, 6, 1, tzinfo=UTC)
NAMES = ("localhost", "greenhouse", "greenhouse.local")
ADDRESSES = (ip_address("127.0.0.1"), ip_address("192.168.1.20"), ip_address("fd00::20"))


@pytest.fixture
def own(tmp_path):
    """``own(names=..., now=...)``: the device's identity in the test's folder, as of NOW unless told."""

    def make(**changes):
        return tls.own(tmp_path / "tls", **{"names": NAMES, "addresses": ADDRESSES, "now": NOW, **changes})

    return make


def certificate(identity):
    return x509.load_pem_x509_certificate(identity.certificate.read_bytes())


def shake(keeper, trusted, name):
    """One TLS handshake in memory; returns the certificate that the client was shown."""
    client = ssl.create_default_context(cadata=trusted.decode())
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(down, up, server_hostname=name)
    answering = keeper.context().wrap_bio(up, down, server_side=True)
    waiting = [asking, answering]
    for _ in range(8):
        for end in list(waiting):
            try:
                end.do_handshake()
                waiting.remove(end)
            except ssl.SSLWantReadError:
                pass
    assert not waiting
    return asking.getpeercert()


@pytest.mark.parametrize("name", ["greenhouse", "greenhouse.local", "localhost", "192.168.1.20", "fd00::20"])
def test_a_client_that_trusts_the_authority_reaches_the_device_by_each_name_and_address(tmp_path, name):
    keeper = tls.Keeper(lambda: tls.own(tmp_path, names=NAMES, addresses=ADDRESSES))
    assert shake(keeper, keeper.identity.authority, name)


def test_names_and_a_folder_of_ones_own_choosing(tmp_path, core):
    options = Options(tls=True, tls_folder=tmp_path / "elsewhere", names=("trap.example", "10.9.8.7"))
    keeper = keeper_of(core.engine, options)
    for name in options.names:
        assert shake(keeper, keeper.identity.authority, name)
    assert keeper.identity.certificate.parent == options.tls_folder


def test_a_client_refuses_a_name_that_is_not_the_devices(tmp_path):
    keeper = tls.Keeper(lambda: tls.own(tmp_path, names=NAMES, addresses=ADDRESSES))
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        shake(keeper, keeper.identity.authority, "elsewhere.local")


def test_a_client_refuses_a_device_with_another_authority(tmp_path):
    keeper = tls.Keeper(lambda: tls.own(tmp_path / "a", names=NAMES, addresses=ADDRESSES))
    stranger = tls.own(tmp_path / "b", names=NAMES, addresses=ADDRESSES).authority
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(keeper, stranger, "greenhouse")


def test_a_stolen_authority_cannot_vouch_for_names_of_the_internet(tmp_path):
    stolen = make_authority("greenhouse", NAMES)
    forged = issue(stolen, ["localhost"], [], datetime.now(UTC))
    builder = x509.CertificateBuilder(
        forged.certificate.issuer,
        forged.certificate.subject,
        forged.key.public_key(),
        1,
        forged.certificate.not_valid_before_utc,
        forged.certificate.not_valid_after_utc,
    ).add_extension(x509.SubjectAlternativeName([x509.DNSName("bank.example")]), critical=False)
    path = tmp_path / "forged.pem"
    path.write_bytes(Issued(builder.sign(stolen.key, forged.certificate.signature_hash_algorithm), forged.key).pem())
    trusted = tmp_path / "ca.pem"
    trusted.write_bytes(stolen.pem()[stolen.pem().index(b"-----BEGIN CERT") :])
    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree"):
        shake(tls.Keeper(lambda: tls.given(path)), trusted.read_bytes(), "bank.example")


def test_only_the_owner_can_read_what_is_stored(own, tmp_path):
    own()
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "tls").glob("*.pem")}
    assert modes == {"authority.pem": 0o600, "device.pem": 0o600, "ca.pem": 0o600}
    assert stat.S_IMODE((tmp_path / "tls").stat().st_mode) == 0o700


def test_the_ca_file_holds_no_key(own, tmp_path):
    identity = own()
    assert (tmp_path / "tls" / "ca.pem").read_bytes() == identity.authority
    assert b"KEY" not in identity.authority


def test_opening_again_changes_nothing(own):
    before = own().certificate.read_bytes()
    assert own(now=NOW + timedelta(days=200)).certificate.read_bytes() == before


def test_a_certificate_is_renewed_before_it_expires_and_the_authority_stays(own):
    first = own()
    until = certificate(first).not_valid_after_utc
    again = own(now=NOW + timedelta(days=280))
    assert certificate(again).not_valid_after_utc > until
    assert again.authority == first.authority


def test_a_new_address_brings_a_new_certificate(own):
    own()
    moved = (*ADDRESSES, ip_address("10.0.0.7"))
    subjects = certificate(own(addresses=moved)).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(subjects.get_values_for_type(x509.IPAddress)) == set(moved)


def test_the_address_it_listens_on_is_covered_too_unless_it_means_everywhere(own):
    made = certificate(own(also=("127.0.0.43", "shelf.local", "0.0.0.0", "::", "not a host")))
    subjects = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(subjects.get_values_for_type(x509.DNSName)) == {*NAMES, "shelf.local"}
    assert set(subjects.get_values_for_type(x509.IPAddress)) == {*ADDRESSES, ip_address("127.0.0.43")}


def test_an_address_that_is_gone_for_a_while_keeps_the_certificate(own):
    before = own().certificate.read_bytes()
    assert own(addresses=ADDRESSES[:1]).certificate.read_bytes() == before


def test_a_clock_that_starts_in_1970_makes_certificates_once_and_they_are_replaced_when_it_is_set(own):
    asleep = datetime(1970, 1, 1, 0, 5, tzinfo=UTC)
    first = own(now=asleep)
    assert certificate(first).not_valid_before_utc == BEGIN
    before = first.certificate.read_bytes()
    assert own(now=asleep + timedelta(hours=1)).certificate.read_bytes() == before
    awake = own()
    assert certificate(awake).not_valid_before_utc < NOW < certificate(awake).not_valid_after_utc
    assert awake.authority == first.authority


def test_a_clock_that_ran_ahead_is_forgiven(own):
    own(now=NOW + timedelta(days=4000))
    assert certificate(own()).not_valid_before_utc < NOW


def test_no_certificate_outlives_its_authority(own):
    late = certificate(own(now=datetime(2049, 12, 1, tzinfo=UTC)))
    assert late.not_valid_after_utc <= END


def test_a_certificate_lasts_no_longer_than_phones_accept(own):
    issued = certificate(own())
    assert issued.not_valid_after_utc - issued.not_valid_before_utc <= timedelta(days=825)


def test_names_that_the_authority_may_not_vouch_for_are_left_out_and_named(own):
    own()
    identity = own(names=("localhost", "renamed", "renamed.local"))
    assert identity.unnamed == ("renamed",)
    subjects = certificate(identity).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert subjects.get_values_for_type(x509.DNSName) == ["localhost", "renamed.local"]


def test_a_damaged_device_certificate_is_made_again(own):
    first = own()
    first.certificate.write_bytes(first.certificate.read_bytes()[:300])
    assert own().authority == first.authority
    assert certificate(own())


def test_a_damaged_authority_is_not_replaced_in_silence(own, tmp_path):
    own()
    (tmp_path / "tls" / "authority.pem").write_bytes(b"noise")
    with pytest.raises(StoreUnavailable, match=r"authority\.pem is damaged: put its backup back, or delete it"):
        own()


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailable, match="check its permissions"):
        tls.own(tmp_path / "file" / "tls")


def test_a_refreshed_keeper_shows_the_new_certificate_to_new_connections(tmp_path):
    addresses = list(ADDRESSES)
    keeper = tls.Keeper(lambda: tls.own(tmp_path, names=NAMES, addresses=addresses))
    shown = shake(keeper, keeper.identity.authority, "greenhouse")
    assert not keeper.refresh()
    addresses.append(ip_address("10.0.0.7"))
    assert keeper.refresh()
    renewed = shake(keeper, keeper.identity.authority, "10.0.0.7")
    assert renewed["serialNumber"] != shown["serialNumber"]


def test_a_certificate_of_ones_own_can_be_in_one_file_or_two(own, tmp_path):
    text = own().certificate.read_bytes()
    cut = text.index(b"-----BEGIN CERT")
    key, alone = tmp_path / "key.pem", tmp_path / "cert.pem"
    key.write_bytes(text[:cut])
    alone.write_bytes(text[cut:])
    assert tls.given(alone, key).authority is None
    assert tls.given(own().certificate).key == own().certificate


def test_a_key_of_another_certificate_is_refused(own, tmp_path):
    other = tls.own(tmp_path / "other", names=NAMES, addresses=ADDRESSES, now=NOW)
    with pytest.raises(InvalidArgument, match="give PEM files that belong together"):
        tls.given(own().certificate, other.key)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x00\xff" * 50])
def test_a_file_that_is_no_certificate_is_refused(tmp_path, content):
    (tmp_path / "cert.pem").write_bytes(content)
    with pytest.raises(InvalidArgument, match="give PEM files"):
        tls.given(tmp_path / "cert.pem")


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(InvalidArgument, match="cannot be read"):
        tls.given(tmp_path / "nothing.pem")


def test_a_key_with_a_password_is_refused_and_nobody_is_asked_for_it(own, tmp_path):
    from cryptography.hazmat.primitives import serialization

    issued = Issued.from_pem(own().certificate.read_bytes())
    secret = serialization.BestAvailableEncryption(b"secret")
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (tmp_path / "key.pem").write_bytes(issued.key.private_bytes(encoding, form, secret))
    with pytest.raises(InvalidArgument, match="without a password"):
        tls.given(own().certificate, tmp_path / "key.pem")


def test_broken_files_of_ones_own_leave_the_old_certificate_in_use(own, tmp_path):
    path = tmp_path / "cert.pem"
    path.write_bytes(own().certificate.read_bytes())
    keeper = tls.Keeper(lambda: tls.given(path))
    path.write_bytes(b"half")
    with pytest.raises(InvalidArgument):
        keeper.refresh()
    path.write_bytes(own().certificate.read_bytes())
    assert not keeper.refresh()


def test_a_device_knows_names_and_addresses_of_its_own():
    assert "localhost" in hosts.names()
    assert ip_address("127.0.0.1") in hosts.addresses()
    assert all(hosts.is_name(one) for one in hosts.names())


@pytest.mark.parametrize("name", ["", "a b", "-a", "a..b", "под", "a" * 64, ".local", "x/../y"])
def test_what_is_no_host_name_never_reaches_a_certificate(name):
    assert not hosts.is_name(name)


def test_a_host_without_a_usable_name_still_has_localhost(monkeypatch):
    monkeypatch.setattr("socket.gethostname", lambda: "my_pi")
    assert hosts.names() == ["localhost"]
