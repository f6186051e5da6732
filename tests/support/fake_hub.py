"""A fake of the Hugging Face hub's HTTP interface on loopback: one branch, files kept in memory, git-LFS uploads."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

TOKEN = "hf_test"


@dataclass
class FakeHub:
    """Repositories by name; each is a list of commits, from file name to content."""

    url: str = ""
    repos: dict[str, list[dict[str, bytes]]] = field(default_factory=dict)
    private: set[str] = field(default_factory=set)
    blobs: dict[str, bytes] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)

    def newest(self, repo: str) -> dict[str, bytes]:
        return self.repos[repo][-1]

    def sha(self, repo: str, index: int) -> str:
        return hashlib.sha1(f"{repo}/{index}".encode()).hexdigest()

    def find(self, repo: str, revision: str | None) -> tuple[str, dict[str, bytes]] | None:
        """Commit id and files of a revision."""
        for index, files in reversed(list(enumerate(self.repos.get(repo, [])))):
            sha = self.sha(repo, index)
            if revision in {None, "main", sha}:
                return sha, files
        return None


class Handler(BaseHTTPRequestHandler):
    """The requests of huggingface_hub that a download and a push make."""

    hub: ClassVar[FakeHub]
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def answer(self, body: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def refuse(self, status: int, code: str) -> None:
        self.answer({"error": code}, status=status, headers={"X-Error-Code": code, "X-Error-Message": code})

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        hub, path = self.hub, unquote(urlsplit(self.path).path)
        hub.requests.append(f"{self.command} {path}")
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/(.+))?", path):
            self.describe(*found.groups())
        elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/(.+)", path):
            self.tree(*found.groups())
        elif found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self.resolve(*found.groups())
        else:
            self.refuse(404, "EntryNotFound")

    def describe(self, repo: str, revision: str | None) -> None:
        found = self.hub.find(repo, revision)
        if found is None or (repo in self.hub.private and self.headers.get("Authorization") != f"Bearer {TOKEN}"):
            return self.refuse(404, "RevisionNotFound" if repo in self.hub.repos else "RepoNotFound")
        sha, files = found
        siblings = [{"rfilename": name, "size": len(content), "blobId": "0"} for name, content in files.items()]
        return self.answer(
            {"id": repo, "modelId": repo, "sha": sha, "siblings": siblings, "tags": [], "private": False}
        )

    def tree(self, repo: str, revision: str) -> None:
        _, files = self.hub.find(repo, revision) or ("", {})
        self.answer([{"type": "file", "path": name, "size": len(c), "oid": "0"} for name, c in files.items()])

    def resolve(self, repo: str, revision: str, name: str) -> None:
        sha, files = self.hub.find(repo, revision) or ("", {})
        if name not in files:
            return self.refuse(404, "EntryNotFound")
        etag = f'"{hashlib.sha256(files[name]).hexdigest()}"'
        return self.answer(files[name], headers={"ETag": etag, "X-Repo-Commit": sha, "Accept-Ranges": "bytes"})

    def do_PUT(self) -> None:
        self.hub.blobs[self.path.rpartition("/")[2]] = self.body()
        self.answer(b"")

    def do_POST(self) -> None:
        hub, path, content = self.hub, unquote(urlsplit(self.path).path), self.body()
        hub.requests.append(f"POST {path}")
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.refuse(401, "Unauthorized")
        elif path == "/api/repos/create":
            wanted = json.loads(content)
            repo = f"{wanted.get('organization') or 'me'}/{wanted['name']}"
            hub.repos.setdefault(repo, [{}])
            if wanted.get("private") or wanted.get("visibility") == "private":
                hub.private.add(repo)
            self.answer({"url": f"{hub.url}/{repo}", "name": repo, "id": repo})
        elif path == "/api/validate-yaml":
            self.answer({"errors": [], "warnings": []})
        elif "/preupload/" in path:
            names = [file["path"] for file in json.loads(content)["files"]]
            modes = [(name, "lfs" if name.endswith(".safetensors") else "regular") for name in names]
            self.answer({"files": [{"path": n, "uploadMode": mode, "shouldIgnore": False} for n, mode in modes]})
        elif path.endswith("/info/lfs/objects/batch"):
            objects = json.loads(content)["objects"]
            actions = [{"upload": {"href": f"{hub.url}/upload/{each['oid']}"}} for each in objects]
            described = [{**each, "actions": action} for each, action in zip(objects, actions, strict=True)]
            self.answer({"transfer": "basic", "objects": described}, headers={"Content-Type": "application/json"})
        elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/commit/.+", path):
            self.commit(found[1], content)
        else:
            self.refuse(404, "NotFound")

    def commit(self, repo: str, content: bytes) -> None:
        files = dict(self.hub.newest(repo))
        for line in map(json.loads, content.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.blobs[value["oid"]]
        self.hub.repos[repo].append(files)
        sha = self.hub.sha(repo, len(self.hub.repos[repo]) - 1)
        self.answer({"success": True, "commitOid": sha, "commitUrl": f"{self.hub.url}/{repo}/commit/{sha}"})


@contextlib.contextmanager
def fake_hub() -> Iterator[FakeHub]:
    """Serve a hub without repositories until the block ends."""
    hub = FakeHub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
