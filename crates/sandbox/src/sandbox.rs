mod restart;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::account::Account;
use crate::config::Config;
use crate::progress::Progress;
use crate::supervisor::{Programs, Supervisor};
use crate::{Found, SandboxError, directory, find, find_postgres, find_redis, poll};

/// `/bin/sh` is the one program whose place POSIX systems agree on.
const SHELL: &[&str] = &["/bin/sh"];

/// A slow laptop takes a few seconds; beyond this something is wrong.
const READY_LIMIT: Duration = Duration::from_secs(30);

/// The supervisor needs less than two seconds even if it has to use force.
const END_LIMIT: Duration = Duration::from_secs(3);

/// What to start, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Whether to start PostgreSQL.
    pub postgres: bool,
    /// Whether to start Redis (or Valkey).
    pub redis: bool,
    /// Whether a commit waits for the disk. Off, row locks are held so briefly that
    /// races and throughput are not those of a real database: for tests only.
    pub fsync: bool,
    /// Whether to listen on loopback TCP too, with a password, for graphical clients.
    pub tcp: bool,
    /// PostgreSQL's `max_connections`: at least the sum of all pools.
    pub max_connections: u32,
    /// What PostgreSQL shows to who speaks TLS; with it, PostgreSQL listens on loopback
    /// TCP, with a password.
    pub certificate: Option<Certificate>,
}

/// A certificate and its key, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The certificate, and those that lead to its root.
    pub chain: String,
    /// The key, not encrypted.
    pub key: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            postgres: true,
            redis: true,
            fsync: true,
            tcp: false,
            max_connections: 300,
            certificate: None,
        }
    }
}

/// A running private PostgreSQL and Redis.
///
/// They and their directory are gone within three seconds after this value is dropped
/// or its process ends in any way, `kill -9` included. Dropping waits for that.
#[derive(Debug)]
pub struct Sandbox {
    dir: PathBuf,
    supervisor: Supervisor,
    shell: &'static [&'static str],
    account: Account,
    postgres: Option<Store>,
    redis: Option<Store>,
}

/// One of the two, once it is ready.
#[derive(Debug)]
struct Store {
    /// Name and version.
    title: String,
    url: String,
    tcp_url: Option<String>,
    /// A command for a human to paste.
    client: String,
    pid: Option<u32>,
}

impl Sandbox {
    /// Starts what `options` ask for and returns when it accepts connections.
    ///
    /// First removes what earlier sandboxes left behind whose supervisor was killed
    /// too. As root, everything runs as user `postgres`, else `nobody`.
    ///
    /// # Errors
    ///
    /// Any [`SandboxError`]. Nothing stays behind then.
    pub fn start(options: &Options) -> Result<Self, SandboxError> {
        Self::start_under(SHELL, options)
    }

    pub(crate) fn start_under(
        shell: &'static [&'static str],
        options: &Options,
    ) -> Result<Self, SandboxError> {
        let postgres = options.postgres.then(find_postgres).transpose()?;
        let redis = options.redis.then(find_redis).transpose()?;
        let config = Config::new(options)?;
        let account = Account::choose()?;
        let parent = directory::parent(account);
        directory::sweep(&parent, account, shell);

        let (dir, lock) = directory::create(&parent)?;
        config.write(options, dir.path(), postgres.as_ref())?;
        directory::hand_over(dir.path(), account)?;
        let programs = Programs {
            postgres: postgres.as_ref().map(|it| it.program.as_path()),
            redis: redis.as_ref().map(|it| it.program.as_path()),
        };
        let supervisor = Supervisor::spawn(shell, dir.path(), account, lock, &programs)
            .map_err(|source| SandboxError::Start {
                program: shell.join(" "),
                source,
            })?;
        // From here on the supervisor removes the directory, not we.
        let mut sandbox = Self {
            dir: dir.keep(),
            supervisor,
            shell,
            account,
            postgres: None,
            redis: None,
        };
        sandbox.start_programs(&config, postgres.as_ref(), redis.as_ref())?;
        Ok(sandbox)
    }

    /// Returns the address of the database `flash`, owned by the superuser `flash`:
    /// a Unix socket, in a form that tokio-postgres and libpq understand.
    pub fn database_url(&self) -> Option<&str> {
        self.postgres.as_ref().map(|store| store.url.as_str())
    }

    /// Returns the address of the same database by loopback TCP, with its password, if
    /// PostgreSQL listens there.
    pub fn database_tcp_url(&self) -> Option<&str> {
        self.postgres.as_ref()?.tcp_url.as_deref()
    }

    /// Returns the address of Redis: a Unix socket, in the form that redis-rs
    /// understands.
    pub fn redis_url(&self) -> Option<&str> {
        self.redis.as_ref().map(|store| store.url.as_str())
    }

    /// Returns the directory that holds everything: data, sockets, logs.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Returns the process id of the postmaster.
    pub fn postgres_pid(&self) -> Option<u32> {
        self.postgres.as_ref()?.pid
    }

    /// Returns the process id of Redis.
    pub fn redis_pid(&self) -> Option<u32> {
        self.redis.as_ref()?.pid
    }

    /// Returns two lines for a human: what was started, and how to look into it. With
    /// TCP, a third has the addresses for graphical clients.
    pub fn announce(&self) -> String {
        let stores = || self.postgres.iter().chain(&self.redis);
        let titles: Vec<_> = stores().map(|it| it.title.as_str()).collect();
        let mut text = format!(
            "private {} in {}, gone at the end",
            titles.join(" and "),
            self.dir.display()
        );
        for store in stores() {
            text.push_str("\n  ");
            text.push_str(&store.client);
        }
        for url in stores().filter_map(|it| it.tcp_url.as_deref()) {
            text.push_str("\n  ");
            text.push_str(url);
        }
        if let Some(url) = self.database_url() {
            text.push_str(&format!("\n  export DATABASE_URL='{url}'"));
        }
        if let Some(url) = self.redis_url() {
            text.push_str(&format!("\n  export REDIS_URL='{url}'"));
        }
        text
    }

    /// Redis first: it gets ready while the cluster is made.
    fn start_programs(
        &mut self,
        config: &Config,
        postgres: Option<&Found>,
        redis: Option<&Found>,
    ) -> Result<(), SandboxError> {
        if redis.is_some() {
            self.order("redis")?;
        }
        if let Some(found) = postgres {
            self.order("initdb")?;
            self.wait_for("initdb", |ready| ready.has_succeeded("initdb"))?;
            self.order("postgres")?;
            self.wait_for("postgres", |ready| ready.postgres())?;
            self.postgres = Some(self.postgres_store(config, found));
        }
        if let Some(found) = redis {
            let password = config.redis_password();
            self.wait_for("redis", |ready| ready.redis(password))?;
            self.redis = Some(self.redis_store(config, found));
        }
        Ok(())
    }

    fn postgres_store(&self, config: &Config, found: &Found) -> Store {
        let url = config.database_url(&self.dir);
        Store {
            title: format!("PostgreSQL {}", found.version),
            client: format!("{} '{url}'", find::client("psql", &found.program)),
            url,
            tcp_url: config.database_tcp_url(),
            pid: Progress::new(&self.dir).pid("postgres"),
        }
    }

    fn redis_store(&self, config: &Config, found: &Found) -> Store {
        let (name, client) = if found.program.ends_with("valkey-server") {
            ("Valkey", "valkey-cli")
        } else {
            ("Redis", "redis-cli")
        };
        let client = find::client(client, &found.program);
        let socket = self.dir.join("redis.sock");
        let password = config
            .redis_password()
            .map_or_else(String::new, |it| format!(" -a {it}"));
        Store {
            title: format!("{name} {}", found.version),
            client: format!("{client} -s {}{password}", socket.display()),
            url: config.redis_url(&self.dir),
            tcp_url: config.redis_tcp_url(),
            pid: Progress::new(&self.dir).pid("redis"),
        }
    }

    fn order(&mut self, program: &str) -> Result<(), SandboxError> {
        self.supervisor
            .order(program)
            .map_err(|source| SandboxError::Start {
                program: program.to_owned(),
                source,
            })
    }

    /// Waits until `look` is content, but not for a program that has ended.
    fn wait_for(
        &mut self,
        program: &'static str,
        look: impl Fn(&Progress<'_>) -> bool,
    ) -> Result<(), SandboxError> {
        let progress = Progress::new(&self.dir);
        let supervisor = &mut self.supervisor;
        let seen = poll::until(READY_LIMIT, || {
            // In this order: what ended well in between has not ended too early.
            let ended = progress.has_ended(program) || supervisor.has_ended();
            if look(&progress) {
                Some(Ok(()))
            } else {
                ended.then_some(Err("ended before it was ready"))
            }
        });
        seen.unwrap_or(Err("was not ready within 30 seconds"))
            .map_err(|what| SandboxError::Failed {
                program: program.to_owned(),
                what,
                log: progress.log_tail(program),
            })
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.supervisor.finish(END_LIMIT);
        // Somebody killed the supervisor: then another one clears up.
        if self.supervisor.has_ended()
            && let Some(mut cleaner) =
                directory::clear(&self.dir, self.account, self.shell)
        {
            cleaner.finish(END_LIMIT);
        }
    }
}
