//! Other ways from a server to PostgreSQL, with the same cables in them.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::ValueEnum;
use flash_lab_wire::Cable;
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

/// The ends of TLS in front of two cables, and the file of what has to be trusted.
pub(crate) struct Secured {
    pub(crate) addresses: [SocketAddr; 2],
    pub(crate) root: PathBuf,
    _accepting: JoinSet<()>,
}

impl Secured {
    /// Makes a certificate for `localhost`, and shows it to who connects.
    pub(crate) async fn open(
        sandbox: &Sandbox,
        cables: &[Cable; 2],
    ) -> anyhow::Result<Self> {
        let key = KeyPair::generate()?;
        let params = CertificateParams::new(vec!["localhost".to_owned()])?;
        let certificate = params.self_signed(&key)?;
        // It goes with the sandbox.
        let root = sandbox.dir().join("chaos.crt");
        std::fs::write(&root, certificate.pem()).context("no certificate")?;
        let config =
            ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
                .with_safe_default_protocol_versions()?
                .with_no_client_auth()
                .with_single_cert(vec![certificate.der().clone()], key.into())?;
        let acceptor = TlsAcceptor::from(Arc::new(config));

        let mut accepting = JoinSet::new();
        let mut open = async |cable: &Cable| {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            let address = listener.local_addr()?;
            accepting.spawn(accept(listener, acceptor.clone(), cable.address()));
            anyhow::Ok(address)
        };
        let [one, other] = cables;
        let addresses = [open(one).await?, open(other).await?];
        Ok(Self {
            addresses,
            root,
            _accepting: accepting,
        })
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, cable: SocketAddr) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((near, _)) = listener.accept() => {
                connections.spawn(carry(near, acceptor.clone(), cable));
            }
            Some(_ended) = connections.join_next() => {}
            else => return,
        }
    }
}

/// Either side may end it, and then it ends for the other at once.
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
    let (mut near_reads, mut near_writes) =
        tokio::io::split(acceptor.accept(near).await?);
    let far = TcpStream::connect(cable).await?;
    far.set_nodelay(true)?;
    let (mut far_reads, mut far_writes) = far.into_split();
    tokio::select! {
        ended = tokio::io::copy(&mut near_reads, &mut far_writes) => ended?,
        ended = tokio::io::copy(&mut far_reads, &mut near_writes) => ended?,
    };
    Ok(())
}
