"""Owns the way to the API of the cluster that we run in: the few calls that our jobs make.

The library `kubernetes` knows the whole API, and would be a quarter of the image.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, urlencode

from services.cluster.errors import ClusterError

SERVICE_ACCOUNT: Path = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_TIMEOUT_SECONDS = 10.0


class Api:
    """The API, for one namespace, as the service account of this pod."""

    def __init__(
        self, address: str, authority_file: Path, token_file: Path, namespace: str
    ) -> None:
        """`address` is host:port."""
        self._address = address
        self._tls = ssl.create_default_context(cafile=str(authority_file))
        self._token_file = token_file
        self._namespace = namespace

    @classmethod
    def of_this_pod(cls) -> Self:
        """What the kubelet has told this pod. Raises ClusterError outside a cluster."""
        try:
            host = os.environ["KUBERNETES_SERVICE_HOST"]
            host = f"[{host}]" if ":" in host else host
            return cls(
                f"{host}:{os.environ['KUBERNETES_SERVICE_PORT']}",
                SERVICE_ACCOUNT / "ca.crt",
                SERVICE_ACCOUNT / "token",
                (SERVICE_ACCOUNT / "namespace").read_text().strip(),
            )
        except (KeyError, OSError) as error:
            raise ClusterError(
                f"This runs only in a pod that has a service account's token: {error} is missing."
            ) from error

    def read_secret(self, name: str) -> dict[str, bytes] | None:
        """The files of a Secret, or None where there is none."""
        answer = self._call("GET", f"secrets/{quote(name)}", missing=404)
        if answer is None:
            return None
        data = json.loads(answer).get("data") or {}
        return {key: base64.b64decode(value) for key, value in data.items()}

    def create_secret(self, name: str, files: Mapping[str, bytes], kind: str = "Opaque") -> bool:
        """Make a Secret; returns whether it was not there before (then it stays as it was)."""
        secret = _secret(name, files, kind)
        return self._call("POST", "secrets", body=secret, missing=409) is not None

    def replace_secret(self, name: str, files: Mapping[str, bytes], kind: str = "Opaque") -> None:
        """Give a Secret that is there other files."""
        self._call("PUT", f"secrets/{quote(name)}", body=_secret(name, files, kind))

    def pods(self, name: str) -> list[str]:
        """The pods whose label `app.kubernetes.io/name` is `name`."""
        selector = urlencode({"labelSelector": f"app.kubernetes.io/name={name}"})
        answer = self._call("GET", f"pods?{selector}")
        assert answer is not None
        return [pod["metadata"]["name"] for pod in json.loads(answer)["items"]]

    def pod_log(self, pod: str, since_seconds: int) -> list[str]:
        """The lines that a pod has printed of late, each with its time in front; none where it
        prints nothing yet or is gone.
        """
        query = urlencode({"sinceSeconds": since_seconds, "timestamps": "true"})
        answer = self._call("GET", f"pods/{quote(pod)}/log?{query}", missing=404)
        return (answer or b"").decode(errors="replace").splitlines()

    def _call(
        self, method: str, path: str, *, body: Any = None, missing: int | None = None
    ) -> bytes | None:
        """The body of the answer; None if its status is `missing`. Raises ClusterError."""
        connection = http.client.HTTPSConnection(
            self._address, timeout=_TIMEOUT_SECONDS, context=self._tls
        )
        try:
            connection.request(
                method,
                f"/api/v1/namespaces/{quote(self._namespace)}/{path}",
                body=None if body is None else json.dumps(body),
                headers={
                    # Read each time: the kubelet renews it.
                    "Authorization": f"Bearer {self._token_file.read_text().strip()}",
                    "Content-Type": "application/json",
                },
            )
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise ClusterError(
                f"The cluster's API at {self._address} cannot be reached: {error}. A network policy"
                " must let this pod there."
            ) from error
        finally:
            connection.close()
        if response.status == missing:
            return None
        if response.status >= 300:
            raise ClusterError(
                f"The cluster's API answers {method} {path.partition('?')[0]} with"
                f" {response.status}: {_reason(content)}"
            )
        return content


def _secret(name: str, files: Mapping[str, bytes], kind: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": kind,
        "metadata": {"name": name, "labels": {"app.kubernetes.io/part-of": "hudhud"}},
        "data": {key: base64.b64encode(value).decode() for key, value in files.items()},
    }


def _reason(content: bytes) -> str:
    try:
        return str(json.loads(content)["message"])
    except (ValueError, KeyError, TypeError):
        return "no reason given"
