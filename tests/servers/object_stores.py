"""Object stores: moto (an emulated S3, everywhere), and MinIO, Azurite and fake-gcs-server, which are built once."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Mapping, Sequence
from email.utils import formatdate
from pathlib import Path
from typing import Self

import httpx

from tests.servers.built import installed
from tests.servers.process import ServerProcess, free_port
from tests.servers.thread_proxy import ThreadLink, ThreadProxy

#: Azurite's well-known account, which is no secret.
_ACCOUNT = "devstoreaccount1"
_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


class ObjectStoreServer:
    """Context manager: an object store behind a link that can be cut.

    Args:
        folder: Existing folder for data and log.
        command: Program and arguments by its port and the folder.
        scheme: Of its URLs.
        environment: What clients are told, by the port of the link.
        make_bucket: Makes a bucket of a name at a port.
    """

    def __init__(
        self,
        folder: Path,
        command: Callable[[int, Path], Sequence[str]],
        scheme: str,
        environment: Callable[[int, Path], Mapping[str, str]],
        make_bucket: Callable[[int, str], None],
    ) -> None:
        self._port, self._scheme, self._make_bucket = free_port(), scheme, make_bucket
        env = {"MINIO_ROOT_USER": "millrace", "MINIO_ROOT_PASSWORD": "millrace-secret"}
        self.server = ServerProcess(command(self._port, folder), folder / "store.log", self._answers, env)
        self._proxy = ThreadProxy()
        self._environment, self._folder = environment, folder
        self.link: ThreadLink

    def __enter__(self) -> Self:
        self.server.start()
        self._proxy.__enter__()
        self.link = self._proxy.link("store", self._port)
        return self

    def __exit__(self, *error: object) -> None:
        try:
            self._proxy.__exit__(*error)
        finally:
            self.server.kill()

    @property
    def environment(self) -> Mapping[str, str]:
        """Variables by which a client comes in over the link."""
        return self._environment(self.link.port, self._folder)

    @property
    def direct(self) -> Mapping[str, str]:
        """The same past the link, which is a thread of this process: for clients that hold Python's lock meanwhile."""
        return self._environment(self._port, self._folder)

    @property
    def port(self) -> int:
        """Port of the store itself."""
        return self._port

    def through(self, port: int) -> Mapping[str, str]:
        """The same by way of something else that listens at a port."""
        return self._environment(port, self._folder)

    def bucket(self) -> str:
        """URL of a new bucket."""
        name = f"plant-{uuid.uuid4().hex[:12]}"
        self._make_bucket(self._port, name)
        return f"{self._scheme}://{name}"

    def _answers(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self._port}/", trust_env=False).status_code > 0
        except httpx.TransportError:
            return False


def moto(folder: Path) -> ObjectStoreServer:
    """An emulated S3; keeps everything in memory."""

    def command(port: int, _folder: Path) -> Sequence[str]:
        return [sys.executable, "-c", f"from moto.server import main; main(['-H', '127.0.0.1', '-p', '{port}'])"]

    return ObjectStoreServer(folder, command, "s3", _s3, _s3_bucket)


def minio(folder: Path) -> ObjectStoreServer:
    """A real MinIO.

    Raises:
        ServersUnavailable: Go is missing or cannot build it.
    """
    program = str(installed("minio", "github.com/minio/minio@latest"))

    def command(port: int, folder: Path) -> Sequence[str]:
        return [program, "server", "--quiet", "--address", f"127.0.0.1:{port}", str(folder / "data")]

    return ObjectStoreServer(folder, command, "s3", _s3, _s3_bucket)


def azurite(folder: Path) -> ObjectStoreServer:
    """Microsoft's emulator of blob storage.

    Raises:
        ServersUnavailable: npm is missing or cannot install it.
    """
    program = installed("azurite", "azurite", by="npm")

    def command(port: int, folder: Path) -> Sequence[str]:
        where = ["--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", str(folder / "data")]
        return [str(shutil.which("node")), str(program), *where, "--silent", "--skipApiVersionCheck"]

    return ObjectStoreServer(folder, command, "abfss", _azure, _azure_container)


def gcs(folder: Path) -> ObjectStoreServer:
    """fake-gcs-server behind a gateway for the puts of the XML interface, which it lacks.

    Raises:
        ServersUnavailable: Go is missing or cannot build it.
    """
    program = str(installed("fake-gcs-server", "github.com/fsouza/fake-gcs-server@v1.56.1"))

    def command(port: int, _folder: Path) -> Sequence[str]:
        return [sys.executable, "-m", "tests.servers.gcs_gateway", str(port), program]

    return ObjectStoreServer(folder, command, "gs", _gcs, _gcs_bucket)


#: By name, as `MILLRACE_OBJECT_STORES` lists them.
STORES: Mapping[str, Callable[[Path], ObjectStoreServer]] = {
    "moto": moto,
    "minio": minio,
    "azurite": azurite,
    "gcs": gcs,
}


def _s3(port: int, _folder: Path) -> Mapping[str, str]:
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "millrace",
        "AWS_SECRET_ACCESS_KEY": "millrace-secret",
    }


def _s3_bucket(port: int, name: str) -> None:
    _in_child(
        "import sys, boto3; boto3.client('s3', endpoint_url=sys.argv[1], region_name='us-east-1', "
        "aws_access_key_id='millrace', aws_secret_access_key='millrace-secret').create_bucket(Bucket=sys.argv[2])",
        f"http://127.0.0.1:{port}",
        name,
    )


def _azure(port: int, _folder: Path) -> Mapping[str, str]:
    return {
        "AZURE_STORAGE_ACCOUNT_NAME": _ACCOUNT,
        "AZURE_STORAGE_ACCOUNT_KEY": _KEY,
        "AZURE_STORAGE_USE_EMULATOR": "true",
        "AZURITE_BLOB_STORAGE_URL": f"http://127.0.0.1:{port}",
    }


def _azure_container(port: int, name: str) -> None:
    """Signed by hand: the only request that no client of ours makes."""
    headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-08-06"}
    canonical = "".join(f"{key}:{value}\n" for key, value in sorted(headers.items()))
    resource = f"/{_ACCOUNT}/{_ACCOUNT}/{name}\nrestype:container"
    text = "PUT\n\n\n\n\n\n\n\n\n\n\n\n" + canonical + resource
    signed = base64.b64encode(hmac.new(base64.b64decode(_KEY), text.encode(), hashlib.sha256).digest()).decode()
    headers["Authorization"] = f"SharedKey {_ACCOUNT}:{signed}"
    address = f"http://127.0.0.1:{port}/{_ACCOUNT}/{name}"
    httpx.put(address, params={"restype": "container"}, headers=headers, trust_env=False).raise_for_status()


def _gcs(port: int, folder: Path) -> Mapping[str, str]:
    """A service account names the address, which no variable does for all clients, and needs no token for it."""
    account = folder / f"account-{port}.json"
    address = f"http://127.0.0.1:{port}"
    content = {
        "gcs_base_url": address,
        "disable_oauth": True,
        "client_email": "",
        "private_key": "",
        "private_key_id": "",
    }
    account.write_text(json.dumps(content), encoding="utf-8")
    return {"GOOGLE_SERVICE_ACCOUNT": str(account), "GOOGLE_BASE_URL": address}


def _gcs_bucket(port: int, name: str) -> None:
    address = f"http://127.0.0.1:{port}/storage/v1/b?project=plant"
    httpx.post(address, json={"name": name}, trust_env=False).raise_for_status()


def _in_child(code: str, *arguments: str) -> None:
    """In a process of its own: boto3 warns of what is not ours to mend."""
    env = {**os.environ, "NO_PROXY": "127.0.0.1"}
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, env=env, capture_output=True)
