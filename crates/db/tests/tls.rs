//! What is asked of the certificate of PostgreSQL, and what is said of a wrong one.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use anyhow::{Context, Result, bail, ensure};
use diesel::QueryableByName;
use diesel::sql_types::Bool;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use flash_core::reason;
use flash_db::{DbError, connect};
use flash_sandbox::{Certificate, Options, Sandbox};
use flash_testkit::{Authority, Stores, WAIT};
use tempfile::TempDir;

/// A PostgreSQL with a certificate, and files to trust.
struct Server {
    sandbox: Sandbox,
    files: TempDir,
}

impl Server {
    async fn start(certificate: Certificate) -> Result<Self> {
        let options = Options {
            redis: false,
            fsync: false,
            certificate: Some(certificate),
            ..Options::default()
        };
        let start = tokio::task::spawn_blocking(move || Sandbox::start(&options));
        Ok(Self {
            sandbox: start.await??,
            files: tempfile::tempdir()?,
        })
    }

    /// Writes a file, and returns its path.
    fn file(&self, name: &str, content: &str) -> Result<String> {
        let path = self.files.path().join(name);
        fs::write(&path, content)?;
        Ok(path.display().to_string())
    }

    fn url(&self, host: &str, parameters: &str) -> Result<String> {
        let url = self.sandbox.database_tcp_url().context("no TCP")?;
        Ok(format!("{}?{parameters}", url.replace("127.0.0.1", host)))
    }

    /// Whether a connection is encrypted, or why there is none.
    async fn is_encrypted(&self, host: &str, parameters: &str) -> Result<bool, String> {
        let url = self.url(host, parameters).map_err(|it| it.to_string())?;
        let connected = connect(&url).await;
        let mut conn = connected.map_err(|error| reason(&error))?;
        encrypted(&mut conn).await.map_err(|it| it.to_string())
    }
}

#[derive(QueryableByName)]
struct Encryption {
    #[diesel(sql_type = Bool)]
    ssl: bool,
}

async fn encrypted(conn: &mut AsyncPgConnection) -> Result<bool> {
    let query = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let found: Encryption = diesel::sql_query(query).get_result(conn).await?;
    Ok(found.ssl)
}

fn expect(found: Result<bool, String>, expected: Result<bool, &str>) -> Result<()> {
    match (found, expected) {
        (Ok(found), Ok(expected)) if found == expected => Ok(()),
        (Err(found), Err(part)) if found.contains(part) => Ok(()),
        (found, expected) => bail!("{found:?} instead of {expected:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_looked_at_as_far_as_the_mode_says() -> Result<()> {
    let (ours, theirs) = (Authority::new()?, Authority::new()?);
    let server = Server::start(ours.sign("localhost")?).await?;
    let ours = server.file("ours.crt", &ours.root())?;
    let theirs = server.file("theirs.crt", &theirs.root())?;
    let key = server.file("key.crt", &rcgen::KeyPair::generate()?.serialize_pem())?;
    let other_name = "certificate of PostgreSQL is not for 127.0.0.1";
    let stranger = "theirs.crt (sslrootcert) vouches for";
    for (host, parameters, expected) in [
        ("localhost", "sslmode=disable".to_owned(), Ok(false)),
        ("localhost", String::new(), Ok(true)),
        ("localhost", "sslmode=prefer".to_owned(), Ok(true)),
        ("127.0.0.1", "sslmode=require".to_owned(), Ok(true)),
        ("localhost", "ssl=true".to_owned(), Ok(true)),
        (
            "127.0.0.1",
            "sslmode=require&channel_binding=require".to_owned(),
            Ok(true),
        ),
        (
            "localhost",
            format!("sslmode=require&sslrootcert={theirs}"),
            Err(stranger),
        ),
        // As with libpq, which goes on without.
        (
            "127.0.0.1",
            format!("sslmode=prefer&sslrootcert={theirs}"),
            Ok(true),
        ),
        (
            "127.0.0.1",
            format!("sslmode=verify-ca&sslrootcert={ours}"),
            Ok(true),
        ),
        (
            "127.0.0.1",
            format!("sslmode=verify-full&sslrootcert={ours}"),
            Err(other_name),
        ),
        (
            "localhost",
            format!("sslmode=verify-full&sslrootcert={theirs}"),
            Err(stranger),
        ),
        (
            "localhost",
            format!("sslmode=verify-full&sslrootcert={ours}&channel_binding=require"),
            Ok(true),
        ),
        (
            "localhost",
            "sslmode=verify-full&sslrootcert=/nowhere".to_owned(),
            Err("cannot use /nowhere (sslrootcert): No such file"),
        ),
        (
            "localhost",
            format!("sslmode=verify-full&sslrootcert={key}"),
            Err("there is no certificate in it"),
        ),
    ] {
        let found = server.is_encrypted(host, &parameters).await;
        expect(found, expected).with_context(|| format!("{host} {parameters}"))?;
    }
    // A number has a name only where it is told.
    let number = format!("hostaddr=127.0.0.1&sslmode=verify-full&sslrootcert={ours}");
    expect(server.is_encrypted("localhost", &number).await, Ok(true))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_has_ended_is_refused_and_one_that_signed_itself_is_not()
-> Result<()> {
    let authority = Authority::new()?;
    let server = Server::start(authority.sign_expired("localhost")?).await?;
    let root = server.file("root.crt", &authority.root())?;
    for mode in ["verify-ca", "verify-full"] {
        let parameters = format!("sslmode={mode}&sslrootcert={root}");
        let found = server.is_encrypted("localhost", &parameters).await;
        expect(found, Err("has expired"))?;
    }
    let server = Server::start(authority.itself()).await?;
    let root = server.file("root.crt", &authority.root())?;
    let parameters = format!("sslmode=verify-full&sslrootcert={root}");
    expect(
        server.is_encrypted("localhost", &parameters).await,
        Ok(true),
    )?;
    let found = server.is_encrypted("127.0.0.1", &parameters).await;
    expect(found, Err("is not for 127.0.0.1"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_refused_at_once_and_not_shown() -> Result<()> {
    let server = Server::start(Authority::new()?.sign("localhost")?).await?;
    let right = server.url("localhost", "sslmode=require")?;
    let (_, behind) = right.split_once('@').context("no password")?;
    let refused = connect(&format!("postgres://flash:s3cret@{behind}")).await;
    let refused = refused.err().context("it let us in")?;
    ensure!(refused.is_refusal(), "{refused:?}");
    let said = reason(&refused);
    ensure!(
        said.contains("password") && !said.contains("s3cret"),
        "{said}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_tls_gets_no_connection_without() -> Result<()> {
    let stores = Stores::new().await?;
    // A cable does not speak it.
    let (_cable, url) = stores.cable_to_postgresql().await?;
    connect(&url).await?;
    let refused = connect(&format!("{url}?sslmode=require")).await;
    let refused = reason(&refused.err().context("it let us in")?);
    ensure!(refused.contains("TLS"), "{refused}");
    // Nobody is between us and a socket.
    let url = format!("{}&sslmode=require", stores.database_url());
    connect(&url).await?;
    Ok(())
}

/// Lets those in by TCP whom the rule lets in, from when these are refused on.
async fn demand(server: &Server, rule: &str, refused: &str) -> Result<()> {
    let directory = server.sandbox.dir().join("pgdata");
    let rules = format!("local all all trust\n{rule}\n");
    fs::write(directory.join("pg_hba.conf"), rules)?;
    let url = server.sandbox.database_url().context("no PostgreSQL")?;
    let mut conn = connect(url).await?;
    conn.batch_execute("SELECT pg_reload_conf()").await?;
    let waiting =
        async { while server.is_encrypted("localhost", refused).await.is_ok() {} };
    Ok(tokio::time::timeout(WAIT, waiting).await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_ours_is_shown_to_who_asks_for_it() -> Result<()> {
    let authority = Authority::new()?;
    let server = Server::start(authority.sign("localhost")?).await?;
    let url = server.sandbox.database_url().context("no PostgreSQL")?;
    let trusted = server.sandbox.dir().join("clients.crt");
    fs::write(&trusted, authority.root())?;
    // PostgreSQL runs as somebody else where we are root.
    fs::set_permissions(&trusted, PermissionsExt::from_mode(0o644))?;
    connect(url)
        .await?
        .batch_execute(&format!(
            "ALTER SYSTEM SET ssl_ca_file = '{}'",
            trusted.display()
        ))
        .await?;
    let rule = "hostssl all all 127.0.0.1/32 cert";
    demand(&server, rule, "sslmode=require").await?;

    let flash = authority.sign("flash")?;
    let certificate = server.file("flash.crt", &flash.chain)?;
    let key = server.file("flash.key", &flash.key)?;
    let shown = format!("sslmode=require&sslcert={certificate}&sslkey={key}");
    expect(server.is_encrypted("localhost", &shown).await, Ok(true))?;
    let wrong = format!("sslmode=require&sslcert={certificate}&sslkey={certificate}");
    expect(
        server.is_encrypted("localhost", &wrong).await,
        Err("(sslkey)"),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_that_is_only_preferred_is_given_up_where_it_is_refused() -> Result<()> {
    let server = Server::start(Authority::new()?.sign("localhost")?).await?;
    let rule = "hostnossl all all 127.0.0.1/32 scram-sha-256";
    demand(&server, rule, "sslmode=require").await?;
    expect(server.is_encrypted("localhost", "").await, Ok(false))
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_tls_is_tried_again_in_vain() -> Result<()> {
    let authority = Authority::new()?;
    let server = Server::start(authority.sign("elsewhere")?).await?;
    let root = server.file("root.crt", &authority.root())?;
    let parameters = format!("sslmode=verify-full&sslrootcert={root}");
    let refused = connect(&server.url("localhost", &parameters)?).await;
    let refused = refused.err().context("it let us in")?;
    ensure!(matches!(refused, DbError::Tls(_)), "{refused:?}");
    ensure!(refused.is_refusal() && !refused.is_away(), "{refused:?}");
    Ok(())
}
