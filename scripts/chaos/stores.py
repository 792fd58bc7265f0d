"""Places that a run writes to: a folder, or a real store on loopback that can be killed and started again."""

import hashlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time


def digests(folder: pathlib.Path) -> dict[str, str]:
    """Every file under a folder by its relative name, with its SHA-256."""
    files = (file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Folder:
    """A local folder: nothing to start or kill."""

    environment: dict[str, str] = {}
    server = False

    def __init__(self, folder: pathlib.Path):
        self.folder = folder

    def output(self, name: str) -> str:
        return str(self.folder / name)

    def files(self, name: str) -> dict[str, str]:
        return digests(self.folder / name)

    def forget(self, name: str) -> None:
        shutil.rmtree(self.folder / name)


class Server:
    """A store's process on loopback, with its data in a folder that outlives it."""

    server = True
    process = None

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.folder.mkdir(parents=True)
        self.port = free_port()

    def start(self) -> None:
        log = open(self.folder.with_suffix(".log"), "ab")
        self.process = subprocess.Popen(self.command(), stdout=log, stderr=log)
        log.close()
        until = time.monotonic() + 30
        while time.monotonic() < until:
            try:
                return socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                assert self.process.poll() is None, f"the store ended: see {self.folder.with_suffix('.log')}"
                time.sleep(0.02)
        raise TimeoutError("the store does not answer")

    def stop(self, how: signal.Signals) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait()


class LocalBucket(Server):
    """localbucket (PyPI): an S3 server that keeps every object as a file, which is how it is looked at here."""

    death = signal.SIGKILL

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
        }

    def command(self) -> list[str]:
        (self.folder / "bucket").mkdir(exist_ok=True)
        return [sys.executable, "-m", "localbucket", "--port", str(self.port), str(self.folder)]

    def output(self, name: str) -> str:
        return f"s3://bucket/{name}"

    def files(self, name: str) -> dict[str, str]:
        """Its objects, and its unfinished uploads; not what a killed server itself left of an answer."""
        uploads = self.folder / ".localbucket-uploads"
        unfinished = {f"upload {name}": "" for name in os.listdir(uploads)} if uploads.is_dir() else {}
        objects = digests(self.folder / "bucket" / name).items()
        return {file: digest for file, digest in objects if ".localbucket-" not in file} | unfinished

    def forget(self, name: str) -> None:
        shutil.rmtree(self.folder / "bucket" / name)


class Azurite(Server):
    """azurite (npm): Azure's emulator. It writes its index to the disk every five seconds and when it is asked to end, so
    that what it acknowledged would be lost if it were killed: it is stopped with SIGTERM."""

    death = signal.SIGTERM
    account = "devstoreaccount1"
    key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AZURE_STORAGE_USE_EMULATOR": "true",
            "AZURITE_BLOB_STORAGE_URL": f"http://127.0.0.1:{self.port}",
        }

    def command(self) -> list[str]:
        program = pathlib.Path(os.environ["CHAOS_TOOLS"]) / "node_modules/.bin/azurite-blob"
        options = ["--silent", "--skipApiVersionCheck", "--disableTelemetry", "--blobHost", "127.0.0.1"]
        return [str(program), *options, "--blobPort", str(self.port), "--location", str(self.folder)]

    def start(self) -> None:
        super().start()
        from azure.core.exceptions import ResourceExistsError
        from azure.storage.blob import ContainerClient

        address = f"http://127.0.0.1:{self.port}/{self.account}"
        self.container = ContainerClient(address, "bucket", credential={"account_name": self.account, "account_key": self.key})
        try:
            self.container.create_container()
        except ResourceExistsError:
            pass

    def output(self, name: str) -> str:
        return f"az://bucket/{name}"

    def files(self, name: str) -> dict[str, str]:
        names = (blob.name for blob in self.container.list_blobs(name + "/"))
        read = lambda blob: self.container.download_blob(blob).readall()
        return {blob.removeprefix(name + "/"): hashlib.sha256(read(blob)).hexdigest() for blob in names}

    def forget(self, name: str) -> None:
        for blob in self.container.list_blobs(name + "/"):
            self.container.delete_blob(blob.name)
