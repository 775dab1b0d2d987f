"""What a server needs to be judged, but for how it sells: that each program says itself."""

import json
import os
import re
import signal
import sys
import threading
import urllib.parse
import uuid
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Refused(Exception):
    """An answer that is no order: a status and a code."""

    def __init__(self, status, code):
        super().__init__(code)
        self.status, self.code = status, code


SOLD_OUT = Refused(409, "sold-out")
LIMIT_REACHED = Refused(409, "limit-reached")
KEY_REUSED = Refused(422, "key-reused")
UNKNOWN_SKU = Refused(404, "unknown-sku")
OUTCOME_UNKNOWN = Refused(503, "outcome-unknown")


def database():
    """The parts of DATABASE_URL, as drivers want them."""
    url = urllib.parse.urlsplit(os.environ["DATABASE_URL"])
    query = dict(urllib.parse.parse_qsl(url.query))
    return {
        "host": url.hostname or query.get("host", "127.0.0.1"),
        "port": url.port or 5432,
        "user": urllib.parse.unquote(url.username or "postgres"),
        "password": urllib.parse.unquote(url.password or "") or None,
        "database": url.path.lstrip("/"),
    }


def earlier(run, sku, buyer, units, key):
    """The order that the key stands for already, if it does."""
    found = run(
        "SELECT order_id, sku, units FROM orders WHERE buyer_id = %s"
        " AND idempotency_key = %s",
        (buyer, key),
    )
    if found and (found[0][1], found[0][2]) != (sku, units):
        raise KEY_REUSED
    return str(found[0][0]) if found else None


def within_limit(run, sku, buyer, units, limit):
    if limit is None:
        return
    has = run(
        "SELECT coalesce(sum(units), 0) FROM orders WHERE sku = %s AND buyer_id = %s",
        (sku, buyer),
    )
    if int(has[0][0]) + units > limit:
        raise LIMIT_REACHED


def record(run, sku, buyer, units, key):
    order_id = str(uuid.uuid4())
    run(
        "INSERT INTO orders (order_id, sku, buyer_id, idempotency_key, units,"
        " created_at) VALUES (%s, %s, %s, %s, %s, %s)",
        (order_id, sku, buyer, key, units, datetime.now(timezone.utc)),
    )
    return order_id


def serve(connect, sell, away=()):
    """Serves until SIGTERM. `connect` opens a connection whose `run` returns rows;
    `sell(connection, sku, buyer, units, key)` returns the name of the order, and whether
    it was there before; `away` is what it raises where the store cannot be reached."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def body(self):
            length = int(self.headers.get("Content-Length") or 0)
            return json.loads(self.rfile.read(length) or b"null")

        def answer(self, status, value):
            said = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def do_GET(self):
            if self.path in ("/livez", "/readyz"):
                return self.answer(200, {})
            sku = self.path.rsplit("/", 1)[-1]
            with connect() as connection:
                rows = connection.run(
                    "SELECT initial_units, available_units, per_buyer_limit FROM skus"
                    " WHERE sku = %s",
                    (sku,),
                )
            if not rows:
                return self.answer(404, {"code": "unknown-sku"})
            initial, available, limit = rows[0]
            return self.answer(
                200,
                {
                    "sku": sku,
                    "initial_units": initial,
                    "restocked_units": 0,
                    "available_units": available,
                    "per_buyer_limit": limit,
                },
            )

        def do_PUT(self):
            sku, terms = self.path.rsplit("/", 1)[-1], self.body()
            with connect() as connection:
                connection.run(
                    "INSERT INTO skus (sku, initial_units, available_units,"
                    " per_buyer_limit) VALUES (%s, %s, %s, %s)",
                    (
                        sku,
                        terms["initial_units"],
                        terms["initial_units"],
                        terms.get("per_buyer_limit"),
                    ),
                )
                connection.commit()
            self.answer(201, {"sku": sku})

        def do_POST(self):
            sku = re.fullmatch(r"/v1/skus/([^/]+)/orders", self.path).group(1)
            wish, key = self.body(), self.headers["Idempotency-Key"]
            buyer, units = wish["buyer_id"], wish["units"]
            try:
                with connect() as connection:
                    order_id, was_there = sell(connection, sku, buyer, units, key)
            except Refused as refused:
                return self.answer(refused.status, {"code": refused.code})
            except away:
                return self.answer(503, {"code": "unavailable"})
            except Exception as error:  # pylint: disable=broad-except
                print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
                return self.answer(500, {"code": "internal"})
            return self.answer(
                200 if was_there else 201,
                {
                    "order_id": order_id,
                    "sku": sku,
                    "buyer_id": buyer,
                    "units": units,
                    "status": "accepted",
                },
            )

    host, _, port = os.environ.get("LISTEN", "127.0.0.1:0").rpartition(":")
    server = ThreadingHTTPServer((host, int(port)), Handler)
    server.daemon_threads = True
    signal.signal(
        signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start()
    )
    address, port = server.server_address[:2]
    print(f"listening on http://{address}:{port}", flush=True)
    server.serve_forever()
