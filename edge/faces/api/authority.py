"""The device's own certificate authority, and the certificates it issues to the device (X.509 after RFC 5280).

Keys are P-256: quick on a small board, and every client takes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from edge.faces.api.hosts import Address

BEGIN = datetime(2020, 1, 1, tzinfo=UTC)
END = datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)
"""An authority is valid between these, whatever the clock says when it is made: boards without a clock battery start
in the past, and whoever trusts it should not have to do so again. 2049 is the last year of X.509's short form."""

LIFETIME = timedelta(days=365)
RENEWAL = timedelta(days=90)
"""A certificate is issued for a year and renewed when less than three months are left. (Apple refuses more than 825
days, also from authorities that the owner of the phone has added.)"""

LOCAL = ("localhost", "local", "lan", "home", "internal", "home.arpa", "localdomain")
"""Names that exist in no public DNS. The authority's certificate limits it to these and to the device's own names:
whoever steals a device's key must not be able to pose as a bank to the phones that trust the device. Addresses are
not limited, because gRPC's TLS library cannot read limits on them and would refuse every certificate."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def pem(self) -> bytes:
        """Key and certificate in one PEM text, so that one file holds both or neither."""
        encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        key = self.key.private_bytes(encoding, form, serialization.NoEncryption())
        return key + self.certificate.public_bytes(encoding)

    @classmethod
    def from_pem(cls, text: bytes) -> Issued:
        """Read what ``pem`` wrote. Raises ValueError for anything else, and when key and certificate differ."""
        key = serialization.load_pem_private_key(text, password=None)
        certificate = x509.load_pem_x509_certificate(text)
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
            raise ValueError("the key does not belong to the certificate")
        return cls(certificate, key)


def make_authority(device: str, names: Sequence[str]) -> Issued:
    """A new authority, limited to local names and to ``names``."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"Edge Concepts on {device}"[:64])
    permitted = [x509.DNSName(one) for one in dict.fromkeys((*LOCAL, *names))]
    builder = (
        _started(name, name, key.public_key(), BEGIN, END)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.NameConstraints(permitted_subtrees=permitted, excluded_subtrees=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return Issued(builder.sign(key, hashes.SHA256()), key)


def issue(authority: Issued, names: Sequence[str], addresses: Sequence[Address], now: datetime) -> Issued:
    """A certificate of ``authority`` for these names and addresses, as of a day before ``now`` and for a year.

    Names that the authority may not vouch for are left out: one such name would spoil the certificate for all.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    kept = [one for one in names if may_name(authority, one)]
    subjects = [*(x509.DNSName(one) for one in kept), *(x509.IPAddress(one) for one in addresses)]
    start = min(max(now - timedelta(days=1), BEGIN), END - LIFETIME)
    issuer = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = (
        _started(_name("Edge Concepts"), authority.certificate.subject, key.public_key(), start, start + LIFETIME)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(subjects), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer), critical=False)
    )
    return Issued(builder.sign(authority.key, hashes.SHA256()), key)


def may_name(authority: Issued, name: str) -> bool:
    """Whether ``authority`` may vouch for a host name."""
    limits = authority.certificate.extensions.get_extension_for_class(x509.NameConstraints).value
    permitted = [one.value for one in limits.permitted_subtrees or ()]
    return any(name == one or name.endswith(f".{one}") for one in permitted)


def serves(
    issued: Issued, authority: Issued, names: Sequence[str], addresses: Sequence[Address], now: datetime
) -> bool:
    """Whether a certificate is this authority's, valid for long enough, and covers all it could of these names."""
    certificate = issued.certificate
    try:
        certificate.verify_directly_issued_by(authority.certificate)
        subjects = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except Exception:  # noqa: BLE001 whatever is wrong with it, a new one is right
        return False
    wanted = {one for one in names if may_name(authority, one)}
    return (
        certificate.not_valid_before_utc <= max(now, BEGIN)
        and now < certificate.not_valid_after_utc - RENEWAL
        and wanted <= set(subjects.get_values_for_type(x509.DNSName))
        and set(addresses) <= set(subjects.get_values_for_type(x509.IPAddress))
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _started(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, start: datetime, end: datetime
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    return builder.serial_number(x509.random_serial_number()).not_valid_before(start).not_valid_after(end)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
