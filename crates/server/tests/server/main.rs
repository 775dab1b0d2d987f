//! The server from outside: real HTTP, real stores, real processes.

mod admin;
mod connections;
mod crowded;
mod docs;
mod drain;
mod fail_stop;
mod half;
mod http;
mod log;
mod metrics;
mod names;
mod outage;
mod own_program;
mod process;
mod raw;
mod returns;
mod running;
mod schema;
mod secrets;
mod secured;
mod shop;
mod topologies;
