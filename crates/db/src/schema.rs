//! The tables, as diesel sees them. The SQL in `migrations/` is the original.

diesel::table! {
    /// What is for sale; one row per SKU.
    skus (sku) {
        /// Name of the SKU.
        sku -> Text,
        /// Units on sale at the start.
        initial_units -> BigInt,
        /// Units added since.
        restocked_units -> BigInt,
        /// Units that can still be sold.
        available_units -> BigInt,
        /// Most units one buyer may have; null is no limit.
        per_buyer_limit -> Nullable<BigInt>,
        /// Version of the supply (engine).
        fence -> BigInt,
    }
}

diesel::table! {
    /// Accepted purchases; one row per buyer and key.
    orders (order_id) {
        /// Name of the order, UUID version 7.
        order_id -> Uuid,
        /// What was bought.
        sku -> Text,
        /// Who bought.
        buyer_id -> Text,
        /// The buyer's name for this purchase.
        idempotency_key -> Text,
        /// How many units were bought.
        units -> BigInt,
        /// `accepted` or `cancelled`.
        status -> Text,
        /// When the order was accepted.
        created_at -> Timestamptz,
        /// Order of the commits within a SKU.
        number -> BigInt,
    }
}

diesel::table! {
    /// Units added to a SKU; one row per SKU and key.
    restocks (sku, idempotency_key) {
        /// What was added to.
        sku -> Text,
        /// The caller's name for this restock.
        idempotency_key -> Text,
        /// How many were added.
        units -> BigInt,
        /// When they were added.
        created_at -> Timestamptz,
    }
}

diesel::joinable!(orders -> skus (sku));
diesel::allow_tables_to_appear_in_same_query!(orders, skus);
