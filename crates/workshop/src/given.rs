//! What exercises share and nobody edits: cancelling, restocking, reading, recording,
//! serving. What is wrong in an exercise stands in the exercise.
//!
//! # Cancel safety
//!
//! A purchase runs in a task of its own: a buyer who hangs up leaves nothing half done.

mod sells;
mod stock;
mod sale;
mod redis;
mod gate;
mod serve;
mod finding;
mod examine;
mod bench;
mod claims;
mod weak_shop;
mod target;
mod attack;

pub use diesel::{ExpressionMethods, QueryDsl};
pub use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
pub use flash_core::{Placement, PurchaseRequest, Sku, StrategyError};
pub use flash_db::schema::skus;
pub use flash_db::{Connection, DbError, Pool, orders};

pub use attack::{Attacks, WEAK_SHOP, attack, break_in};
pub use bench::{Block, Claim, Run};
pub use claims::{Claims, examine_claims, judge_claims};
pub use examine::{BlackBox, Test, examine};
pub use gate::Gate;
pub use redis::Redis;
pub use sale::{
    begin_serializable, bought, bought_before, end, failed,
    is_refused_to_be_tried_again, roll_back, sell_at_the_row, sold_out,
};
pub use sells::{Sells, Served, Stores, served};
pub use serve::{Make, serve, serve_with};
pub use stock::{OnSale, lock_stock, read_stock, take_units, write_stock};
pub use target::{Answer, Pending, Target};
pub use weak_shop::WeakShop;
