#![doc = include_str!("../README.md")]

mod audit;
mod code;
mod ids;
mod order;
mod strategy;

pub use audit::{Audit, AuditCounts, Verdict};
pub use code::Code;
pub use ids::{BuyerId, IdempotencyKey, InvalidInput, OrderId, Sku, Units};
pub use order::{Order, OrderStatus, PurchaseRequest, Restock, Stock, StockTerms};
pub use strategy::{
    InventoryStrategy, Placement, Readiness, Store, StrategyError, reason,
};
