//! The server from outside: real HTTP, real stores, real processes.

mod crowded;
mod docs;
mod half;
mod http;
mod metrics;
mod outage;
mod process;
mod returns;
mod running;
mod shop;
