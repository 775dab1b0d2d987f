#!/usr/bin/env python3
"""A condition in the UPDATE, and nobody asks whether it held."""

import drivers
import shop


def sell(connection, sku, buyer, units, key):
    run = connection.run
    order_id = shop.earlier(run, sku, buyer, units, key)
    if order_id:
        return order_id, True
    rows = run("select available_units, per_buyer_limit from skus where sku = %s", (sku,))
    if not rows:
        raise shop.UNKNOWN_SKU
    available, limit = rows[0]
    if available < units:
        raise shop.SOLD_OUT
    shop.within_limit(run, sku, buyer, units, limit)
    run(
        "update skus set available_units = available_units - %s"
        " where sku = %s and available_units >= %s",
        (units, sku, units),
    )
    order_id = shop.record(run, sku, buyer, units, key)
    connection.commit()
    return order_id, False


shop.serve(drivers.pg8000_prepared, sell)
