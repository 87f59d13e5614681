"""A real broker that asks who comes: SASL/SCRAM over TLS, mutual TLS, and rights by ACL alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import trustme
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its stubs forget to export them
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from cryptography.hazmat.primitives import serialization as how

from tests.servers.kafka import Kafka
from tests.servers.process import free_port

#: Super user; everybody else has the rights that ACLs give.
ADMIN = "admin"
#: Users whom the broker knows by password; by certificate it knows everybody.
PASSWORDS = {ADMIN: "adm-7Kx2qe", "system-mes": "mes-9Vt4wz", "flow-confirmations": "flow-3Rb8ny"}
# The plain listener stays for brokers among themselves and for what tests prepare.
_PROPERTIES = """\
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:{admin}
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.scram.scram-sha-512.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
ssl.keystore.type=PEM
ssl.keystore.location={keystore}
ssl.truststore.type=PEM
ssl.truststore.location={truststore}
listener.name.mtls.ssl.client.auth=required
ssl.principal.mapping.rules=RULE:^.*CN=([^,]+).*$/$1/,DEFAULT
"""


class SecureKafka(Kafka):
    """Context manager: a broker with a SCRAM-SHA-512 and a mutual-TLS listener, and an authorizer that denies.

    A user's principal is `User:<name>` on both listeners; certificates name it as their common name.

    Args:
        folder: Existing folder for configuration, certificates, data and `kafka.log`.
        users: Password by user, the admin's among them.
    """

    def __init__(self, folder: Path, users: Mapping[str, str] = PASSWORDS) -> None:
        super().__init__(folder)
        self._users = users
        self._scram, self._mtls = free_port(), free_port()
        self._authority = trustme.CA()
        self.authority = folder / "authority.pem"
        self._authority.cert_pem.write_to_path(self.authority)

    def by_password(self, user: str, password: str | None = None) -> dict[str, Any]:
        """`kafka:` settings of a user on the SCRAM listener; the password in a file, as a mounted secret is."""
        secret = self._folder / f"{user}-{len(list(self._folder.iterdir()))}.password"
        secret.write_text(password or self._users[user])
        return {
            "bootstrap": f"localhost:{self._scram}",
            "security_protocol": "SASL_SSL",
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_username": user,
            "sasl_password_file": str(secret),
            "ssl_ca": str(self.authority),
        }

    def by_certificate(self, user: str, authority: trustme.CA | None = None) -> dict[str, Any]:
        """`kafka:` settings of a user on the mutual-TLS listener, with a new certificate (of another authority)."""
        made = (authority or self._authority).issue_cert(f"{user}.example", common_name=user)
        start = self._folder / f"{user}-{len(list(self._folder.iterdir()))}"
        certificate, key = start.with_suffix(".crt"), start.with_suffix(".key")
        certificate.write_bytes(_chain(made))
        key.write_bytes(made.private_key_pem.bytes())
        return {
            "bootstrap": f"localhost:{self._mtls}",
            "security_protocol": "SSL",
            "ssl_ca": str(self.authority),
            "ssl_certificate": str(certificate),
            "ssl_key": str(key),
        }

    def set_password(self, user: str, password: str) -> None:
        """Give a user another password; connections that stand are kept by the broker until they end."""
        mechanism = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 8192)
        change = UserScramCredentialUpsertion(user, mechanism, password.encode())
        admin = AdminClient({"bootstrap.servers": self.bootstrap})  # ends with its last name
        admin.alter_user_scram_credentials([change])[user].result()

    def may_all(self, user: str) -> None:
        """Every right on topics and groups."""
        literal, every, allow = ResourcePatternType.LITERAL, AclOperation.ALL, AclPermissionType.ALLOW
        rights = [
            AclBinding(kind, "*", literal, f"User:{user}", "*", every, allow)
            for kind in (ResourceType.TOPIC, ResourceType.GROUP)
        ]
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        for done in admin.create_acls(rights).values():
            done.result()

    def _guards(self) -> tuple[str, str, list[str]]:
        keystore = self._folder / "broker.pem"
        made = self._authority.issue_cert("localhost", "127.0.0.1")
        keystore.write_bytes(_pkcs8(made.private_key_pem.bytes()) + _chain(made))
        text = _PROPERTIES.format(admin=ADMIN, keystore=keystore, truststore=self.authority)
        users = [f"SCRAM-SHA-512=[name={name},password={password}]" for name, password in self._users.items()]
        scram = [word for user in users for word in ("--add-scram", user)]
        return f",SCRAM://localhost:{self._scram},MTLS://localhost:{self._mtls}", text, scram


def _chain(made: trustme.LeafCert) -> bytes:
    return b"".join(blob.bytes() for blob in made.cert_chain_pems)


def _pkcs8(key: bytes) -> bytes:
    """The only form of a key that the broker reads from PEM."""
    loaded = how.load_pem_private_key(key, None)
    return loaded.private_bytes(how.Encoding.PEM, how.PrivateFormat.PKCS8, how.NoEncryption())
