"""A stand-in for the API of a cluster: Secrets, Jobs, pods and logs of one namespace, over TLS.

It notes what it is asked as the verbs and resources of RBAC, so that a Role can be held against it.
"""

import json
import re
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from services.cluster.api import Api
from services.local.certificates import Authority

NAMESPACE = "hudhud"
TOKEN = "the service account's token"
PATH = re.compile(
    rf"/(?:api|apis/batch)/v1/namespaces/{NAMESPACE}/(?P<resource>secrets|pods|jobs|cronjobs)"
    r"(?:/(?P<name>[a-z0-9.-]+)(?P<log>/log)?)?"
)


class Asked(NamedTuple):
    """One request, in the words of RBAC; the name is empty where RBAC does not look at one."""

    verb: str
    resource: str
    name: str


class FakeApi:
    """What the namespace holds, and what was asked."""

    def __init__(self) -> None:
        self.secrets: dict[str, dict[str, Any]] = {}
        self.logs: dict[str, list[str]] = {}
        self.labels: dict[str, str] = {}
        self.cron_jobs: dict[str, dict[str, Any]] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        # Pods by the names of their Jobs, and what happens when a log was read to its end.
        self.pods_of_jobs: dict[str, list[dict[str, Any]]] = {}
        self.after_log: Callable[[str], None] = lambda pod: None
        self.asked: list[Asked] = []
        self.refuse_with = 0

    def answer(self, method: str, target: str, body: Any) -> tuple[int, Any]:
        parts = urlsplit(target)
        found = PATH.fullmatch(parts.path)
        if found is None:
            return 404, {"message": f"there is no {parts.path}"}
        resource = "pods/log" if found["log"] else found["resource"]
        name = found["name"] or ""
        verb = {"POST": "create", "PUT": "update", "GET": "get" if name else "list"}[method]
        self.asked.append(Asked(verb, resource, name))
        if self.refuse_with:
            return self.refuse_with, {"message": f"{verb} of {resource} is forbidden"}
        match verb, resource:
            case "create", "secrets":
                if body["metadata"]["name"] in self.secrets:
                    return 409, {"message": "it is there"}
                self.secrets[body["metadata"]["name"]] = body
            case "update", "secrets":
                self.secrets[name] = body
            case "get", "secrets":
                return (200, self.secrets[name]) if name in self.secrets else (404, {})
            case "get", "cronjobs":
                if name not in self.cron_jobs:
                    return 404, {"message": f'cronjobs.batch "{name}" not found'}
                return 200, self.cron_jobs[name]
            case "create", "jobs":
                made = body["metadata"]["generateName"] + "x7x2k"
                body["metadata"]["name"] = made
                self.jobs[made] = {**body, "status": {}}
            case "list", "jobs":
                (selector,) = parse_qs(parts.query)["labelSelector"]
                key, _, wanted = selector.partition("=")
                labelled = [
                    job
                    for job in self.jobs.values()
                    if job["metadata"].get("labels", {}).get(key) == wanted
                ]
                return 200, {"items": labelled}
            case "get", "jobs":
                return (200, self.jobs[name]) if name in self.jobs else (404, {"message": "gone"})
            case "list", "pods":
                (selector,) = parse_qs(parts.query)["labelSelector"]
                key, _, wanted = selector.partition("=")
                if key == "batch.kubernetes.io/job-name":
                    return 200, {"items": self.pods_of_jobs.get(wanted, [])}
                pods = [pod for pod, label in self.labels.items() if label == wanted]
                return 200, {"items": [{"metadata": {"name": pod}} for pod in pods]}
            case "get", "pods/log":
                if name not in self.logs:
                    return 404, {}
                content = "\n".join(self.logs[name])
                self.after_log(name)
                return 200, content
        return 200, body


@contextmanager
def serving(fake: FakeApi, authority: Authority, folder: Path) -> Iterator[Api]:
    """The way to it, for a pod whose service account has `TOKEN`."""

    class Handler(BaseHTTPRequestHandler):
        def respond(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            status, content = fake.answer(self.command, self.path, body)
            if self.headers["Authorization"] != f"Bearer {TOKEN}":
                status, content = 401, {"message": "who are you?"}
            text = content if isinstance(content, str) else json.dumps(content)
            self.send_response(status)
            # The library reads what this says it is.
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = do_PUT = respond  # noqa: N815 - the names that the library calls

        def log_message(self, *_: object) -> None:
            """Nothing: a test says what went wrong."""

    identity = authority.identity("kubernetes")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(identity.certificate_file, identity.key_file)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    token_file = folder / "token"
    token_file.write_text(TOKEN + "\n")
    try:
        address = f"127.0.0.1:{server.server_address[1]}"
        yield Api(address, identity.authority_file, token_file, NAMESPACE)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
