"""A Hugging Face Hub on the loopback: as much of its HTTP interface as its client uses for models.

It keeps repositories in memory, checks tokens, takes uploads, and fails on demand.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LFS = (".safetensors", ".bin")
TOKEN = "hf_right"
RESOLVE = re.compile(r"/([\w.-]+/[\w.-]+)/resolve/([^/]+)/(.+)")
API = re.compile(
    r"/api/(models|spaces)/([\w.-]+/[\w.-]+)(?:/(revision|tree|preupload|commit)/(.+))?"
)


@dataclass
class Repo:
    private: bool = False
    gated: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)

    def commit(self, files: dict[str, bytes], ref: str = "main") -> str:
        """A new commit with these files and those that were there, under the ref."""
        whole = {**self.commits.get(self.refs.get(ref, ""), {}), **files}
        oid = hashlib.sha1(repr((time.time_ns(), sorted(whole))).encode()).hexdigest()
        self.commits[oid], self.refs[ref] = whole, oid
        return oid

    def find(self, revision: str) -> str | None:
        oid = self.refs.get(revision, revision)
        return oid if oid in self.commits else None


class Hub(ThreadingHTTPServer):
    """The server; `asked` holds (method, path) of every request.

    sizes: what it says of a file's size, {(repository, path): bytes}, where that is not the truth.

    fault: called with (method, path) of each request; what it returns is done instead: a status,
    or ("cut", n) for a body that ends after n bytes, ("wait", seconds), ("bytes", content of a
    file), ("page", content of the answer), or "hang up".
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.repos: dict[str, Repo] = {}
        self.uploads: dict[str, bytes] = {}
        self.asked: list[tuple[str, str]] = []
        self.sizes: dict[tuple[str, str], int | None] = {}
        self.fault: Callable[[str, str], object] = lambda method, path: None
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def reset(self) -> None:
        self.repos.clear()
        self.asked.clear()
        self.sizes.clear()
        self.fault = lambda method, path: None

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are part of the tests."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, *arguments: object) -> None:
        pass

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.partition("?")[0]
        self.server.asked.append((self.command, path))
        self.cut = self.instead = None
        match self.server.fault(self.command, path):
            case int(status):
                return self.send(status, b"{}", {"Retry-After": "0"})
            case ("cut", int(length)):
                self.cut = length
            case "hang up":
                self.close_connection = True
                return None
            case ("wait", seconds):
                time.sleep(seconds)
            case ("bytes", content):
                self.instead = content
            case ("page", content):
                return self.send(200, content, {"Content-Type": "text/html"})
        if found := RESOLVE.fullmatch(path):
            return self.resolve(*found.groups())
        if path == "/api/repos/create":
            return self.create(json.loads(body))
        if path == "/api/validate-yaml":
            return self.send_json({"errors": [], "warnings": []})
        if path.endswith("/info/lfs/objects/batch"):
            return self.batch(json.loads(body))
        if path.startswith("/upload/"):
            self.server.uploads[path.removeprefix("/upload/")] = body
            return self.send(200, b"")
        if found := API.fullmatch(path):
            return self.api(body, *found.groups())
        return self.send(404, b"{}")

    do_HEAD = do_GET = do_POST = do_PUT = answer

    def send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        if "Content-Length" not in (headers or {}):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_json(self, value: object) -> None:
        self.send(200, json.dumps(value).encode())

    def refused(self, code: str, status: int = 404) -> None:
        self.send(status, b'{"error": "refused"}', {"X-Error-Code": code})

    def repo(self, name: str) -> Repo | None:
        """The repository, if this client may see it; else the answer is given."""
        repo = self.server.repos.get(name)
        right = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        if repo is None or (repo.private and not right):
            self.refused("RepoNotFound", 404 if right else 401)
            return None
        if repo.gated:
            self.refused("GatedRepo", 403)
            return None
        return repo

    def resolve(self, name: str, revision: str, path: str) -> None:
        repo = self.repo(name)
        if repo is None:
            return
        oid = repo.find(revision)
        if oid is None or path not in repo.commits[oid]:
            return self.refused("EntryNotFound" if oid else "RevisionNotFound")
        content = repo.commits[oid][path]
        digest = hashlib.sha256(content).hexdigest() if path.endswith(LFS) else blob_id(content)
        headers = {"X-Repo-Commit": oid, "ETag": f'"{digest}"'}
        if path.endswith(LFS):
            headers |= {"X-Linked-Etag": f'"{digest}"', "X-Linked-Size": str(len(content))}
        if self.instead is not None:
            content = self.instead
        headers["Content-Length"] = str(len(content))
        if self.cut is not None and self.command == "GET":
            self.close_connection = True
            content = content[: self.cut]
        self.send(200, content, headers)

    def create(self, wanted: dict) -> None:
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self.refused("Unauthorized", 401)
        name = f"{wanted.get('organization') or 'me'}/{wanted['name']}"
        private = bool(wanted.get("private")) or wanted.get("visibility") == "private"
        if name not in self.server.repos:
            self.server.repos[name] = Repo(private=private)
            self.server.repos[name].commit({})
        self.send_json({"url": f"{self.server.address}/{name}", "name": name})

    def batch(self, wanted: dict) -> None:
        objects = []
        for item in wanted["objects"]:
            href = f"{self.server.address}/upload/{item['oid']}"
            objects.append({**item, "authenticated": True, "actions": {"upload": {"href": href}}})
        self.send_json({"transfer": "basic", "objects": objects})

    def api(self, body: bytes, kind: str, name: str, action: str | None, rest: str | None) -> None:
        repo = self.repo(name)
        if repo is None:
            return
        if action == "preupload":
            modes = [
                {"path": path, "uploadMode": "lfs" if path.endswith(LFS) else "regular"}
                for path in (file["path"] for file in json.loads(body)["files"])
            ]
            return self.send_json({"files": [{**mode, "shouldIgnore": False} for mode in modes]})
        if action == "commit":
            return self.commit(repo, name, body, rest)
        oid = repo.find(rest or "main")
        if oid is None:
            return self.refused("RevisionNotFound")
        entries = [tree_entry(path, content) for path, content in repo.commits[oid].items()]
        if action == "tree":
            return self.send_json(entries)
        for entry in entries:
            entry |= {"rfilename": entry["path"], "blobId": entry["oid"]}
            entry["size"] = self.server.sizes.get((name, entry["path"]), entry["size"])
        self.send_json({"id": name, "sha": oid, "private": repo.private, "siblings": entries})

    def commit(self, repo: Repo, name: str, body: bytes, ref: str) -> None:
        files = {}
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                content = self.server.uploads[value["oid"]]
                assert hashlib.sha256(content).hexdigest() == value["oid"]
                files[value["path"]] = content
        oid = repo.commit(files, ref)
        url = f"{self.server.address}/{name}/commit/{oid}"
        self.send_json({"success": True, "commitOid": oid, "commitUrl": url})


def blob_id(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def tree_entry(path: str, content: bytes) -> dict[str, Any]:
    entry = {"type": "file", "path": path, "size": len(content), "oid": blob_id(content)}
    if path.endswith(LFS):
        digest = hashlib.sha256(content).hexdigest()
        entry["lfs"] = {"oid": digest, "sha256": digest, "size": len(content), "pointerSize": 134}
    return entry
