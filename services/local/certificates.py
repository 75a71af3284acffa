"""A private certificate authority, and one certificate for each service it vouches for.

Between services TLS is mutual: the caller is the service that its certificate's common name says.
The authority and all keys stay in the state folder, readable by their owner alone.
"""

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from services.local.private_files import private_folder, write_private

_AUTHORITY_LIFETIME = timedelta(days=3650)
_CERTIFICATE_LIFETIME = timedelta(days=90)
# A certificate with less than this left is renewed at the next start.
_RENEWAL_MARGIN = timedelta(days=30)
# Clocks of two machines or containers may disagree by a little.
_BACKDATING = timedelta(minutes=5)


@dataclass(frozen=True)
class Identity:
    """The three files with which a process shows who it is and checks who others are."""

    certificate_file: Path
    key_file: Path
    authority_file: Path


class Authority:
    """The certificate authority of one folder: made once, renewed before it expires."""

    def __init__(
        self, folder: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        """Open the authority in this folder, or make it. `now` is the clock, for tests."""
        self._folder = private_folder(folder)
        self._now = now
        self.certificate_file = folder / "authority.pem"
        self.key_file = folder / "authority.key"
        if not self._is_fresh(self.certificate_file, self.key_file):
            self._make_authority()
        self._certificate = x509.load_pem_x509_certificate(self.certificate_file.read_bytes())
        self._key = _load_key(self.key_file)

    def identity(self, name: str, host_names: Sequence[str] = ()) -> Identity:
        """The certificate and key of this name, issued now unless a good one is there already.

        The certificate serves and calls: it is valid for this machine's own addresses and for the
        name as a service's host name, and its common name is who the caller is. A new one is valid
        for `host_names` as well.
        """
        certificate_file = self._folder / f"{name}.pem"
        key_file = self._folder / f"{name}.key"
        if not self._is_fresh(certificate_file, key_file) or not self._is_ours(certificate_file):
            key = ec.generate_private_key(ec.SECP256R1())
            # The key goes first: a certificate without its key would look finished.
            write_private(key_file, _key_bytes(key))
            write_private(certificate_file, self._issue(name, key, host_names).public_bytes(_PEM))
        return Identity(certificate_file, key_file, self.certificate_file)

    def _make_authority(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("Hudhud local authority")
        now = self._now()
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _BACKDATING)
            .not_valid_after(now + _AUTHORITY_LIFETIME)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(signs_certificates=True), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .sign(key, hashes.SHA256())
        )
        write_private(self.key_file, _key_bytes(key))
        write_private(self.certificate_file, certificate.public_bytes(_PEM))

    def _issue(
        self, name: str, key: ec.EllipticCurvePrivateKey, more_host_names: Sequence[str]
    ) -> x509.Certificate:
        now = self._now()
        addresses = [x509.IPAddress(ipaddress.ip_address(text)) for text in ("127.0.0.1", "::1")]
        host_names = ["localhost", name, f"{name}.hudhud.local", *more_host_names]
        dns_names = [x509.DNSName(host) for host in host_names]
        issuer_key = self._certificate.public_key()
        assert isinstance(issuer_key, ec.EllipticCurvePublicKey)
        return (
            x509.CertificateBuilder()
            .subject_name(_name(name))
            .issuer_name(self._certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _BACKDATING)
            .not_valid_after(
                min(now + _CERTIFICATE_LIFETIME, self._certificate.not_valid_after_utc)
            )
            .add_extension(x509.SubjectAlternativeName([*dns_names, *addresses]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage(
                    [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
                ),
                critical=False,
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False
            )
            .sign(self._key, hashes.SHA256())
        )

    def _is_fresh(self, certificate_file: Path, key_file: Path) -> bool:
        """Whether both files are there, belong together, and have long enough to live."""
        try:
            certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
            key = _load_key(key_file)
        except (OSError, ValueError, TypeError):
            return False
        is_pair = certificate.public_key() == key.public_key()
        return is_pair and certificate.not_valid_after_utc - self._now() > _RENEWAL_MARGIN

    def _is_ours(self, certificate_file: Path) -> bool:
        certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
        try:
            certificate.verify_directly_issued_by(self._certificate)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return True


_PEM = serialization.Encoding.PEM


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _key_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _load_key(file: Path) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(file.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{file} is not an elliptic curve key")
    return key


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
