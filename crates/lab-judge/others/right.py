#!/usr/bin/env python3
"""Locks the row, then looks for the key, then decides."""

import psycopg

import drivers
import shop


def sell(connection, sku, buyer, units, key):
    run = connection.run
    rows = run(
        "SELECT available_units, per_buyer_limit FROM skus WHERE sku = %s"
        "   for   no key update",
        (sku,),
    )
    if not rows:
        raise shop.UNKNOWN_SKU
    order_id = shop.earlier(run, sku, buyer, units, key)
    if order_id:
        return order_id, True
    available, limit = rows[0]
    if available < units:
        raise shop.SOLD_OUT
    shop.within_limit(run, sku, buyer, units, limit)
    run("UPDATE skus SET available_units = %s WHERE sku = %s", (available - units, sku))
    order_id = shop.record(run, sku, buyer, units, key)
    try:
        connection.commit()
    except psycopg.Error as error:
        # Nobody knows whether there is an order; the same key tells later.
        raise shop.OUTCOME_UNKNOWN from error
    return order_id, False


# Where there is no connection nothing was done.
shop.serve(drivers.psycopg_bound, sell, away=psycopg.OperationalError)
