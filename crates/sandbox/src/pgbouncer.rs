//! A pooler in front of the PostgreSQL of a sandbox.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::User;

use crate::account::Account;
use crate::progress::Progress;
use crate::{Sandbox, SandboxError, Supervised, directory, find_pgbouncer, poll};

/// It takes milliseconds.
const READY_LIMIT: Duration = Duration::from_secs(30);

/// For how long PgBouncer lends a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolMode {
    /// As long as the client stays.
    Session,
    /// Until the end of a transaction.
    Transaction,
}

/// A running PgBouncer, which lets everybody in as `flash`. It is gone when this value is
/// dropped or its process ends.
#[derive(Debug)]
pub struct PgBouncer {
    url: String,
    socket: PathBuf,
    _program: Supervised,
}

impl PgBouncer {
    /// Starts one for all databases of this sandbox, and returns when it accepts
    /// connections. There can be one of each mode.
    ///
    /// # Errors
    ///
    /// [`SandboxError`]: it is not installed, or does not get ready.
    pub fn start(sandbox: &Sandbox, mode: PoolMode) -> Result<Self, SandboxError> {
        let found = find_pgbouncer()?;
        let dir = sandbox.dir();
        let postgres_url = sandbox.database_url().unwrap_or_default();
        let postgres_port = postgres_url.rsplit('=').next().unwrap_or_default();
        let (name, port) = match mode {
            PoolMode::Session => ("session", 6432),
            PoolMode::Transaction => ("transaction", 6433),
        };
        let here = dir.display();
        let text = format!(
            "[databases]\n\
             * = host={here} port={postgres_port} user=flash\n\
             [pgbouncer]\n\
             pool_mode = {name}\n\
             auth_type = any\n\
             unix_socket_dir = {here}\n\
             listen_port = {port}\n\
             max_client_conn = 1000\n\
             default_pool_size = 100\n\
             server_idle_timeout = 1\n\
             server_login_retry = 0.1\n\
             listen_backlog = 1024\n"
        );
        let file = dir.join(format!("pgbouncer-{name}.ini"));
        directory::write(&file, &text)?;
        let mut arguments = vec!["--quiet".to_owned(), file.display().to_string()];
        if let Account::Other { uid, .. } = Account::choose()?
            && let Ok(Some(user)) = User::from_uid(uid.into())
        {
            // It refuses root, as PostgreSQL does, and reads its file before it is another.
            arguments.extend(["--user".to_owned(), user.name]);
        }
        let program_name = format!("pgbouncer-{name}");
        let log = dir.join(&program_name).with_extension("log");
        let environment: [(&str, &str); 0] = [];
        let mut program =
            Supervised::spawn(&found.program, arguments, environment, &log)?;

        let socket = dir.join(format!(".s.PGSQL.{port}"));
        let ready = poll::until(READY_LIMIT, || {
            if UnixStream::connect(&socket).is_ok() {
                return Some(true);
            }
            program.wait(Duration::ZERO).map(|_code| false)
        });
        if ready != Some(true) {
            return Err(SandboxError::Failed {
                program: "pgbouncer".to_owned(),
                what: "did not get ready",
                log: Progress::new(dir).log_tail(&program_name),
            });
        }
        Ok(Self {
            url: format!("postgresql://flash@/flash?host={here}&port={port}"),
            socket,
            _program: program,
        })
    }

    /// Returns where it listens.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Returns the address of the database `flash` behind it: a Unix socket.
    pub fn database_url(&self) -> &str {
        &self.url
    }
}
