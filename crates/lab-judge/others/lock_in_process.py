#!/usr/bin/env python3
"""A lock that lives inside one process; two processes have two."""

import threading

import drivers
import shop

LOCK = threading.Lock()


def sell(connection, sku, buyer, units, key):
    run = connection.run
    with LOCK:
        order_id = shop.earlier(run, sku, buyer, units, key)
        if order_id:
            return order_id, True
        rows = run(
            'SELECT "available_units", "per_buyer_limit"\n  FROM "public"."skus"'
            "\n WHERE sku = %s",
            (sku,),
        )
        if not rows:
            raise shop.UNKNOWN_SKU
        available, limit = rows[0]
        if available < units:
            raise shop.SOLD_OUT
        shop.within_limit(run, sku, buyer, units, limit)
        run(
            'UPDATE "skus" SET "available_units" = %s WHERE "sku" = %s',
            (available - units, sku),
        )
        order_id = shop.record(run, sku, buyer, units, key)
        connection.commit()
        return order_id, False


shop.serve(drivers.psycopg_inlined, sell)
