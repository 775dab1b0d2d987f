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
    }
}

diesel::joinable!(orders -> skus (sku));
diesel::allow_tables_to_appear_in_same_query!(orders, skus);
