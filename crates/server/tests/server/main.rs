//! The server from outside: real HTTP, real stores, real processes.

mod http;
mod outage;
mod process;
mod shop;
