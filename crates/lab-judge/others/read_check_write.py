#!/usr/bin/env python3
"""Reads, checks, writes: what everybody writes first."""

import drivers
import shop


def sell(connection, sku, buyer, units, key):
    run = connection.run
    order_id = shop.earlier(run, sku, buyer, units, key)
    if order_id:
        return order_id, True
    rows = run("SELECT available_units, per_buyer_limit FROM skus WHERE sku = %s", (sku,))
    if not rows:
        raise shop.UNKNOWN_SKU
    available, limit = rows[0]
    if available < units:
        raise shop.SOLD_OUT
    shop.within_limit(run, sku, buyer, units, limit)
    run("UPDATE skus SET available_units = %s WHERE sku = %s", (available - units, sku))
    order_id = shop.record(run, sku, buyer, units, key)
    connection.commit()
    return order_id, False


shop.serve(drivers.psycopg_bound, sell)
