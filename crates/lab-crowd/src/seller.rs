//! Who sells: a strategy of our server, or a program of somebody's own.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args as ClapArgs;
use serde::Serialize;

use crate::cli::Strategy;
use crate::error::Ending;
use crate::server_process::{self, Server};
use crate::stores::Stores;

/// How long the tables may take to be made.
const MIGRATION_LIMIT: Duration = Duration::from_secs(30);

/// A free port of loopback, where admin calls need no token.
pub const ANYWHERE: &str = "127.0.0.1:0";

/// Who sells; its name is what stands of it in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Seller {
    /// What it is called in a result.
    pub name: String,
    /// The program that is run.
    #[serde(skip)]
    pub program: PathBuf,
    /// Which of our strategies it is, if it is one.
    #[serde(skip)]
    pub strategy: Option<Strategy>,
    /// What the program is told besides.
    #[serde(skip)]
    arguments: Vec<String>,
}

/// Who sells, as the command line says it.
#[derive(Debug, Clone, Default, ClapArgs)]
pub struct SellerArgs {
    /// Who sells; can be given several times
    #[arg(long = "strategy", value_enum, value_name = "STRATEGY")]
    pub strategies: Vec<Strategy>,

    /// A program of your own that sells, in any language; can be given several times
    ///
    /// Its environment has `DATABASE_URL`, `REDIS_URL`, `ADMIN_TOKEN` and `LISTEN`, its
    /// arguments are flags of `server`, which it may ignore; it prints
    /// `listening on http://ADDRESS`, answers PUT and GET of a SKU, POST of an order, /livez
    /// and /readyz, and ends at SIGTERM. Orders stand in `orders`, stock in `skus`.
    #[arg(long = "server", value_name = "PROGRAM")]
    pub servers: Vec<PathBuf>,
}

impl SellerArgs {
    /// All that were asked for, the strategies first; `default` where nobody was.
    ///
    /// # Errors
    ///
    /// A program that is not there.
    pub fn sellers(&self, default: &[Strategy]) -> anyhow::Result<Vec<Seller>> {
        let is_named = !self.strategies.is_empty() || !self.servers.is_empty();
        let ours = if is_named { &self.strategies } else { default };
        let ours = ours.iter().map(|it| Seller::of(*it));
        let own = self.servers.iter().map(|it| Seller::own(it));
        ours.chain(own).collect()
    }
}

impl Seller {
    /// A strategy of the server that was built together with this program.
    ///
    /// # Errors
    ///
    /// There is no server.
    pub fn of(strategy: Strategy) -> anyhow::Result<Self> {
        Ok(Self::of_server(server_process::find()?, strategy))
    }

    /// A strategy of this server.
    #[must_use]
    pub fn of_server(program: PathBuf, strategy: Strategy) -> Self {
        Self {
            name: strategy.to_string(),
            program,
            strategy: Some(strategy),
            arguments: Vec::new(),
        }
    }

    /// A program of somebody's own.
    ///
    /// # Errors
    ///
    /// It is not there.
    pub fn own(program: &Path) -> anyhow::Result<Self> {
        let found = program.canonicalize().ok().filter(|path| path.is_file());
        let found = found.ok_or_else(|| {
            let path = program.display();
            Ending::Usage(format!("--server {path}: there is no such program"))
        })?;
        let name = found.file_stem().unwrap_or_default().to_string_lossy();
        Ok(Self {
            name: name.into_owned(),
            program: found,
            strategy: None,
            arguments: Vec::new(),
        })
    }

    /// The same program, told this besides.
    #[must_use]
    pub fn with_arguments(mut self, arguments: &str) -> Self {
        self.arguments.extend(words(arguments));
        self
    }

    /// A name that may be part of the name of a SKU.
    #[must_use]
    pub fn slug(&self) -> &'static str {
        self.strategy.map_or("own", Strategy::as_str)
    }

    /// Whether it is this strategy of ours.
    #[must_use]
    pub fn is(&self, strategy: Strategy) -> bool {
        self.strategy == Some(strategy)
    }

    /// Whether it may ask Redis: nobody knows that of a program of somebody's own.
    #[must_use]
    pub fn uses_redis(&self) -> bool {
        self.strategy.is_none_or(Strategy::uses_redis)
    }

    /// What its server is told on the command line: what it sells how, where it listens,
    /// and these flags.
    #[must_use]
    pub fn arguments(&self, listen: &str, flags: &str) -> Vec<String> {
        let strategy = self.strategy.map(|it| format!("--strategy {it}"));
        let mut arguments = words(&strategy.unwrap_or_default());
        arguments.extend(words(&format!("--listen {listen} {flags}")));
        arguments.extend_from_slice(&self.arguments);
        arguments
    }

    /// What its server finds in its environment: URLs hold passwords, and everybody can read
    /// the arguments of a process.
    #[must_use]
    pub fn environment<'a>(
        &self,
        listen: &'a str,
        database_url: &'a str,
        redis_url: Option<&'a str>,
    ) -> Vec<(&'static str, &'a str)> {
        let mut environment = vec![
            ("DATABASE_URL", database_url),
            ("ADMIN_TOKEN", ""),
            // Where the judge reads the gates.
            ("REDIS_PREFIX", "flash:"),
            ("LISTEN", listen),
            // No proxy must notice that it ends.
            ("DRAIN_DELAY_MS", "0"),
        ];
        environment.extend(redis_url.map(|url| ("REDIS_URL", url)));
        environment
    }

    /// Starts a server and waits until it sells.
    ///
    /// # Errors
    ///
    /// It ended, or was not ready in time, with the end of its log.
    pub async fn start(
        &self,
        flags: &str,
        database_url: &str,
        redis_url: Option<&str>,
    ) -> anyhow::Result<(Server, SocketAddr)> {
        if self.strategy.is_none() {
            // It is not asked to make the tables.
            flash_db::migrate(database_url, MIGRATION_LIMIT).await?;
        }
        let arguments = self.arguments(ANYWHERE, flags);
        let environment = self.environment(ANYWHERE, database_url, redis_url);
        Server::start(&self.program, arguments, environment, None).await
    }

    /// Starts a server for a crowd, that waits as long as its buyers, and whose gates outlive
    /// the lesson.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub async fn start_patient(
        &self,
        pool_size: u16,
        stores: &Stores,
    ) -> anyhow::Result<(Server, SocketAddr)> {
        let lifetime_ms = server_process::LESSON_GATE_LIFETIME.as_millis();
        let patient = server_process::patient(pool_size);
        let flags = format!("{patient} --gate-lifetime-ms {lifetime_ms}");
        let redis_url = stores.redis_url.as_deref();
        self.start(&flags, &stores.database_url, redis_url).await
    }
}

fn words(flags: &str) -> Vec<String> {
    flags.split_whitespace().map(str::to_owned).collect()
}

impl fmt::Display for Seller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_of_ones_own_sells_alone_where_nobody_else_is_named() {
        let args = SellerArgs {
            servers: vec![PathBuf::from("/bin/sh")],
            ..SellerArgs::default()
        };
        let sellers = args.sellers(&Strategy::ALL).expect("a program");
        let [seller] = sellers.as_slice() else {
            panic!("{sellers:?}");
        };
        assert_eq!((seller.strategy, seller.slug()), (None, "own"));
    }
}
