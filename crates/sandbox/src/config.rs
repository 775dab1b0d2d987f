//! The configurations of the programs and the addresses that follow from them.

use std::fs::File;
use std::io::{self, Read};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use crate::find::output;
use crate::{Found, Options, SandboxError, directory};

/// Names the socket file, and is no TCP port unless TCP is asked for.
const POSTGRES_PORT: u16 = 5432;

/// 16 bytes: beyond guessing.
const PASSWORD_BYTES: usize = 16;

/// What is settled before anything is started.
#[derive(Debug)]
pub(crate) struct Config {
    /// For TCP connections; connections by socket need none, except in Redis, which
    /// cannot tell the two apart.
    password: String,
    /// Where each listens on TCP, if it does.
    postgres_tcp: Option<u16>,
    redis_tcp: Option<u16>,
}

impl Config {
    pub(crate) fn new(options: &Options) -> Result<Self, SandboxError> {
        let prepare = |what| move |source| SandboxError::Prepare { what, source };
        let (postgres, redis) =
            free_ports().map_err(prepare("a port on the loopback interface"))?;
        // There is no TLS over a socket.
        let has_tcp = options.tcp || options.certificate.is_some();
        Ok(Self {
            password: password().map_err(prepare("a password"))?,
            postgres_tcp: has_tcp.then_some(postgres),
            redis_tcp: options.tcp.then_some(redis),
        })
    }

    /// Writes the configurations of both programs, and the password for initdb.
    pub(crate) fn write(
        &self,
        options: &Options,
        dir: &Path,
        postgres: Option<&Found>,
    ) -> Result<(), SandboxError> {
        directory::write(&dir.join("password"), &self.password)?;
        directory::write(&dir.join("redis.conf"), &self.redis(dir))?;
        if let Some(certificate) = &options.certificate {
            directory::write(&dir.join("server.crt"), &certificate.chain)?;
            directory::write(&dir.join("server.key"), &certificate.key)?;
        }
        postgres.map_or(Ok(()), |found| {
            let content = self.postgres(options, found, dir);
            directory::write(&dir.join("postgresql.conf"), &content)
        })
    }

    /// Returns the content of `postgresql.conf`, which goes before initdb's own.
    fn postgres(&self, options: &Options, found: &Found, dir: &Path) -> String {
        let mut lines = vec![
            "include 'pgdata/postgresql.conf'".to_owned(),
            format!("port = {}", self.postgres_port()),
            format!("unix_socket_directories = '{}'", dir.display()),
            format!("max_connections = {}", options.max_connections),
            // Within the directory, so that it goes with it, whatever happens.
            "dynamic_shared_memory_type = mmap".to_owned(),
        ];
        let listen = self.postgres_tcp.map_or("", |_| "127.0.0.1");
        lines.push(format!("listen_addresses = '{listen}'"));
        if options.certificate.is_some() {
            let dir = dir.display();
            lines.extend([
                "ssl = on".to_owned(),
                format!("ssl_cert_file = '{dir}/server.crt'"),
                format!("ssl_key_file = '{dir}/server.key'"),
            ]);
        }
        if !options.fsync {
            let unsafe_but_fast = ["fsync", "synchronous_commit", "full_page_writes"];
            lines.extend(unsafe_but_fast.map(|name| format!("{name} = off")));
        }
        if has_pg_stat_statements(found) {
            lines.push("shared_preload_libraries = 'pg_stat_statements'".to_owned());
        }
        lines.join("\n") + "\n"
    }

    /// Returns the content of `redis.conf`.
    fn redis(&self, dir: &Path) -> String {
        let dir = dir.display();
        let mut lines = vec![
            format!("dir {dir}"),
            format!("unixsocket {dir}/redis.sock"),
            "unixsocketperm 700".to_owned(),
            "save \"\"".to_owned(),
            "appendonly no".to_owned(),
            // One for each test that wants one.
            "databases 1024".to_owned(),
            // The command line has to go on naming the directory.
            "set-proc-title no".to_owned(),
        ];
        match self.redis_tcp {
            None => lines.push("port 0".to_owned()),
            Some(port) => lines.extend([
                "bind 127.0.0.1".to_owned(),
                format!("port {port}"),
                format!("requirepass {}", self.password),
            ]),
        }
        lines.join("\n") + "\n"
    }

    pub(crate) fn database_url(&self, dir: &Path) -> String {
        // With the port, because psql would otherwise take one from PGPORT.
        let port = self.postgres_port();
        format!(
            "postgresql://flash@/flash?host={}&port={port}",
            dir.display()
        )
    }

    pub(crate) fn redis_url(&self, dir: &Path) -> String {
        let password = self.redis_password();
        let query = password.map_or_else(String::new, |it| format!("?pass={it}"));
        format!("redis+unix://{}/redis.sock{query}", dir.display())
    }

    pub(crate) fn database_tcp_url(&self) -> Option<String> {
        let (password, port) = (&self.password, self.postgres_tcp?);
        Some(format!(
            "postgresql://flash:{password}@127.0.0.1:{port}/flash"
        ))
    }

    pub(crate) fn redis_tcp_url(&self) -> Option<String> {
        let (password, port) = (&self.password, self.redis_tcp?);
        Some(format!("redis://:{password}@127.0.0.1:{port}"))
    }

    /// Returns the password that Redis asks for, if it does.
    pub(crate) fn redis_password(&self) -> Option<&str> {
        self.redis_tcp.map(|_| self.password.as_str())
    }

    fn postgres_port(&self) -> u16 {
        self.postgres_tcp.unwrap_or(POSTGRES_PORT)
    }
}

fn password() -> io::Result<String> {
    let mut bytes = [0; PASSWORD_BYTES];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Both are bound at the same time, so that they differ.
fn free_ports() -> io::Result<(u16, u16)> {
    let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let (one, other) = (bind()?, bind()?);
    Ok((one.local_addr()?.port(), other.local_addr()?.port()))
}

/// Debian packs it with the server, others in a package of its own.
fn has_pg_stat_statements(found: &Found) -> bool {
    let Some(bin) = found.program.parent() else {
        return false;
    };
    let told = output(&bin.join("pg_config"), "--pkglibdir").map(Into::into);
    let guesses = ["../lib", "../lib/postgresql", "../lib64/pgsql"];
    told.into_iter()
        .chain(guesses.map(|guess| bin.join(guess)))
        .flat_map(|lib| {
            ["so", "dylib"]
                .map(|end| lib.join("pg_stat_statements").with_extension(end))
        })
        .any(|library| library.exists())
}
