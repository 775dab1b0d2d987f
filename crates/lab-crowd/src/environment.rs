//! Where and with what sales were held.

use std::thread::available_parallelism;

use anyhow::Context;
use chrono::{SecondsFormat, Utc};
use nix::sys::utsname::uname;
use serde::Serialize;

use crate::audit::DatabaseFacts;

/// Where and with what it was measured.
#[derive(Debug, Serialize)]
pub struct Environment {
    date: String,
    os: String,
    cpus: usize,
    postgresql: String,
    /// Null where Redis was not used, or was given by its URL.
    redis: Option<String>,
    lab: &'static str,
    fsync: bool,
    pool_size: u16,
}

impl Environment {
    /// The same for people.
    pub fn sentence(&self) -> String {
        let fsync = if self.fsync { "on" } else { "off" };
        format!(
            "{}; {}; {} CPUs; PostgreSQL {}, fsync {fsync}; {} connections per server; \
             lab {}",
            self.date, self.os, self.cpus, self.postgresql, self.pool_size, self.lab
        )
    }
}

/// Describes this machine and what was used.
///
/// # Errors
///
/// The operating system does not say what it is.
pub fn environment(
    facts: DatabaseFacts,
    redis: Option<String>,
    pool_size: u16,
) -> anyhow::Result<Environment> {
    let system = uname().context("cannot ask for the operating system")?;
    let words = [system.sysname(), system.release(), system.machine()];
    Ok(Environment {
        date: Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true),
        os: words.map(|word| word.to_string_lossy()).join(" "),
        cpus: available_parallelism().map_or(1, usize::from),
        postgresql: facts.version,
        redis,
        lab: env!("CARGO_PKG_VERSION"),
        fsync: facts.fsync,
        pool_size,
    })
}
