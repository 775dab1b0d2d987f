//! Other ways from a server to PostgreSQL, with the same cables in them.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::ValueEnum;
use flash_sandbox::Sandbox;
use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::ring;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// What a server speaks to PostgreSQL over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Way {
    /// A connection as it is
    #[default]
    Plain,
    /// TLS, with a certificate that is looked at
    Tls,
    /// PgBouncer, which lends a connection for a session
    Pgbouncer,
}

/// The end of TLS in front of a cable.
pub(crate) struct Secured {
    /// Host, port, database and parameters of the URL that leads to it.
    pub(crate) database: String,
    _accepting: JoinSet<()>,
}

impl Secured {
    /// Makes a certificate for `localhost`, and shows it to who connects.
    pub(crate) async fn open(sandbox: &Sandbox, cable: SocketAddr) -> Result<Self> {
        let key = KeyPair::generate()?;
        let params = CertificateParams::new(vec!["localhost".to_owned()])?;
        let certificate = params.self_signed(&key)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        // It goes with the sandbox.
        let root = sandbox.dir().join(format!("chaos-{}.crt", port));
        std::fs::write(&root, certificate.pem()).context("no certificate")?;
        let config =
            ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
                .with_safe_default_protocol_versions()?
                .with_no_client_auth()
                .with_single_cert(vec![certificate.der().clone()], key.into())?;

        let mut accepting = JoinSet::new();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        accepting.spawn(accept(listener, acceptor, cable));
        Ok(Self {
            database: format!(
                "localhost:{port}/flash?sslmode=verify-full&sslrootcert={}",
                root.display()
            ),
            _accepting: accepting,
        })
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, cable: SocketAddr) {
    let mut connections = JoinSet::new();
    while let Ok((near, _)) = listener.accept().await {
        connections.spawn(carry(near, acceptor.clone(), cable));
    }
}

/// Carries what is said between TLS and a cable until both ends have hung up.
///
/// # Source
///
/// PostgreSQL 16, section 55.2.10 "SSL Session Encryption": `SSLRequest` has eight bytes, and
/// S is the answer of who is willing.
async fn carry(
    mut near: TcpStream,
    acceptor: TlsAcceptor,
    cable: SocketAddr,
) -> std::io::Result<()> {
    near.set_nodelay(true)?;
    near.read_exact(&mut [0; 8]).await?;
    near.write_all(b"S").await?;
    let mut near = acceptor.accept(near).await?;
    let mut far = TcpStream::connect(cable).await?;
    far.set_nodelay(true)?;
    tokio::io::copy_bidirectional(&mut near, &mut far).await?;
    Ok(())
}
