"""The web side of `prism ring serve`: one page, its sample, and metrics; it reads and never writes."""

from __future__ import annotations

import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST, generate_latest

from prism.ring.memory import Block
from prism.ring.metrics import Collector, sample


def server(block: Block, host: str, port: int) -> ThreadingHTTPServer:
    """Return a server for a block, bound and not yet serving; port 0 takes any."""
    registry = CollectorRegistry()
    registry.register(Collector(block))  # pyright: ignore[reportArgumentType]
    page = files("prism.ring").joinpath("page.html").read_bytes()

    def answer(path: str) -> tuple[str, bytes] | None:
        if path == "/":
            return "text/html; charset=utf-8", page
        if path == "/metrics":
            return CONTENT_TYPE_LATEST, generate_latest(registry)
        if path == "/sample.json":
            return "application/json", json.dumps({"time": time.time(), **sample(block).as_dict()}).encode()
        return None

    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = answer(self.path.partition("?")[0])
            self.send_response(200 if found else 404)
            kind, body = found or ("text/plain", b"there is /, /metrics and /sample.json\n")
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (http.server's name)
            """Keep quiet."""

    return ThreadingHTTPServer((host, port), Pages)
