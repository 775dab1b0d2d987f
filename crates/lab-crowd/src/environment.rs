//! Where and with what sales were held.

use std::thread::available_parallelism;

use anyhow::Context;
use chrono::{SecondsFormat, Utc};
use nix::sys::utsname::uname;
use serde::Serialize;

use crate::audit::DatabaseFacts;

/// This machine, now.
#[derive(Debug, Clone, Serialize)]
pub struct Here {
    /// In seconds, of UTC.
    pub date: String,
    /// Name, release and architecture.
    pub os: String,
    /// Cores.
    pub cpus: usize,
    lab: &'static str,
}

impl Here {
    /// Asks the machine.
    ///
    /// # Errors
    ///
    /// The operating system does not say what it is.
    pub fn now() -> anyhow::Result<Self> {
        let system = uname().context("cannot ask for the operating system")?;
        let words = [system.sysname(), system.release(), system.machine()];
        Ok(Self {
            date: Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true),
            os: words.map(|word| word.to_string_lossy()).join(" "),
            cpus: available_parallelism().map_or(1, usize::from),
            lab: env!("CARGO_PKG_VERSION"),
        })
    }
}

/// Where and with what it was measured.
#[derive(Debug, Serialize)]
pub struct Environment {
    #[serde(flatten)]
    here: Here,
    #[serde(flatten)]
    facts: DatabaseFacts,
    /// Null where Redis was not used, or was given by its URL.
    redis: Option<String>,
    pool_size: u16,
}

impl Environment {
    /// The same for people.
    pub fn sentence(&self) -> String {
        let Self { here, facts, .. } = self;
        let fsync = if facts.fsync { "on" } else { "off" };
        format!(
            "{}; {}; {} CPUs; PostgreSQL {}, fsync {fsync}; {} connections per server; \
             lab {}",
            here.date, here.os, here.cpus, facts.postgresql, self.pool_size, here.lab
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
    Ok(Environment {
        here: Here::now()?,
        facts,
        redis,
        pool_size,
    })
}
