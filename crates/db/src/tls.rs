//! Connections that nobody else can read, to a PostgreSQL that is the right one.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, LazyLock};

use rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{
    WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore,
    SignatureScheme,
};
use tokio_postgres::Config;
use tokio_postgres::config::{SslMode, SslNegotiation};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Why there is no TLS with PostgreSQL; trying again does not help.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file of the URL cannot be used.
    #[error("cannot use {path} ({parameter}): {why}")]
    File {
        /// Which.
        path: String,
        /// What named it.
        parameter: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The system trusts nobody.
    #[error(
        "this system has no root certificates: install them (ca-certificates), or give \
         sslrootcert=FILE"
    )]
    NoRoots,
    /// The certificate is not signed by whom we trust.
    #[error("the certificate of PostgreSQL is signed by nobody whom {0} vouches for")]
    Untrusted(String),
    /// The certificate is somebody else's.
    #[error(
        "the certificate of PostgreSQL is not for {0}: connect to the name that it is for, \
         or take sslmode=verify-ca"
    )]
    OtherHost(String),
    /// The certificate is of another time.
    #[error("the certificate of PostgreSQL has expired, or is not valid yet")]
    Dated,
    /// Anything else.
    #[error("no TLS with PostgreSQL: {0}")]
    Failed(String),
}

/// How much TLS is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mode {
    Disable,
    /// Where PostgreSQL offers it.
    #[default]
    Prefer,
    /// From whomever.
    Require,
    /// From who has a certificate of somebody whom we trust.
    VerifyCa,
    /// The same, and the certificate is for this host.
    VerifyFull,
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "disable" => Self::Disable,
            "prefer" => Self::Prefer,
            "require" => Self::Require,
            "verify-ca" => Self::VerifyCa,
            "verify-full" => Self::VerifyFull,
            _ => {
                let known = "disable, prefer, require, verify-ca or verify-full";
                return Err(format!("sslmode can be {known}"));
            }
        })
    }
}

/// Whom we trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Root {
    /// Whom the system trusts.
    System,
    /// Whose certificates are in this file.
    File(PathBuf),
}

/// What a connection URL says of TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tls {
    mode: Mode,
    root: Root,
    /// The files of a certificate of ours and of its key.
    identity: Option<(PathBuf, PathBuf)>,
}

impl Tls {
    /// What is said, and what follows from it. As to libpq, `require` with roots is
    /// `verify-ca`, and the roots of the system ask for `verify-full`; unlike to libpq,
    /// they are what `verify-full` means where nothing else is said.
    ///
    /// # Source
    ///
    /// PostgreSQL 16, section 34.19.1 "Client Verification of Server Certificates".
    pub(crate) fn new(
        mode: Option<Mode>,
        root: Option<Root>,
        identity: Option<(PathBuf, PathBuf)>,
    ) -> Result<Self, String> {
        let mode = match (mode, &root) {
            (None, Some(Root::System)) => Mode::VerifyFull,
            (Some(mode), Some(Root::System)) if mode < Mode::VerifyFull => {
                return Err("sslrootcert=system needs sslmode=verify-full".to_owned());
            }
            (Some(Mode::VerifyCa), None) => {
                return Err("sslmode=verify-ca needs sslrootcert=FILE".to_owned());
            }
            (Some(Mode::Require), Some(Root::File(_))) => Mode::VerifyCa,
            (mode, _) => mode.unwrap_or_default(),
        };
        Ok(Self {
            mode,
            root: root.unwrap_or(Root::System),
            identity,
        })
    }

    /// Refuses what cannot go together.
    pub(crate) fn check(&self, config: &Config) -> Result<(), String> {
        if config.get_ssl_negotiation() == SslNegotiation::Direct
            && self.mode < Mode::Require
        {
            return Err(
                "sslnegotiation=direct needs sslmode=require or more".to_owned()
            );
        }
        Ok(())
    }

    /// The same to tokio-postgres, which leaves the rest to [`connector`](Self::connector).
    pub(crate) fn ssl_mode(&self) -> SslMode {
        match self.mode {
            Mode::Disable => SslMode::Disable,
            Mode::Prefer => SslMode::Prefer,
            _ => SslMode::Require,
        }
    }

    /// What makes the connections; its files are read anew each time.
    pub(crate) fn connector(&self) -> Result<MakeRustlsConnect, TlsError> {
        let failed = |error: Error| TlsError::Failed(error.to_string());
        let provider = Arc::new(ring::default_provider());
        let verifier = Verifier {
            trusted: (self.mode >= Mode::VerifyCa)
                .then(|| self.trusted())
                .transpose()?,
            checks_name: self.mode == Mode::VerifyFull,
            algorithms: provider.signature_verification_algorithms,
        };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(failed)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match &self.identity {
            Some((certificate, key)) if self.mode > Mode::Disable => builder
                .with_client_auth_cert(
                    certificates(certificate, "sslcert")?,
                    private_key(key)?,
                )
                .map_err(failed)?,
            _ => builder.with_no_client_auth(),
        };
        // As libpq since version 17; PostgreSQL demands it where TLS comes first.
        config.alpn_protocols = vec![b"postgresql".to_vec()];
        Ok(MakeRustlsConnect::new(config))
    }

    fn trusted(&self) -> Result<Trusted, TlsError> {
        let Root::File(path) = &self.root else {
            return if SYSTEM_ROOTS.is_empty() {
                Err(TlsError::NoRoots)
            } else {
                Ok(Trusted {
                    roots: Arc::clone(&SYSTEM_ROOTS),
                    given: Vec::new(),
                })
            };
        };
        let given = certificates(path, "sslrootcert")?;
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(given.iter().cloned());
        if roots.is_empty() {
            return Err(unusable(
                path,
                "sslrootcert",
                "no certificate in it is valid",
            ));
        }
        Ok(Trusted {
            roots: Arc::new(roots),
            given,
        })
    }

    /// What an error means that stopped a connection to this host, if TLS did.
    pub(crate) fn explain(
        &self,
        error: &tokio_postgres::Error,
        host: &str,
    ) -> Option<TlsError> {
        let source = std::error::Error::source(error)?;
        let source = source.downcast_ref::<std::io::Error>()?.get_ref()?;
        let error = source.downcast_ref::<Error>()?;
        let Error::InvalidCertificate(wrong) = error else {
            return Some(TlsError::Failed(error.to_string()));
        };
        Some(match wrong {
            // Somebody else of the same name is not whom we trust, either.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                TlsError::Untrusted(match &self.root {
                    Root::System => "this system".to_owned(),
                    Root::File(path) => format!("{} (sslrootcert)", path.display()),
                })
            }
            CertificateError::NotValidForName
            | CertificateError::NotValidForNameContext { .. } => {
                TlsError::OtherHost(host.to_owned())
            }
            wrong if is_dated(wrong) => TlsError::Dated,
            _ => TlsError::Failed(error.to_string()),
        })
    }
}

/// They do not change while a program runs, and there are more than a hundred.
static SYSTEM_ROOTS: LazyLock<Arc<RootCertStore>> = LazyLock::new(|| {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    Arc::new(roots)
});

fn certificates(
    path: &Path,
    parameter: &'static str,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let certificates: Vec<_> =
        read.map_err(|error| unusable(path, parameter, pem_error(&error)))?;
    if certificates.is_empty() {
        return Err(unusable(path, parameter, "there is no certificate in it"));
    }
    Ok(certificates)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path)
        .map_err(|error| unusable(path, "sslkey", pem_error(&error)))
}

/// Nothing of the file is shown.
fn pem_error(error: &rustls::pki_types::pem::Error) -> String {
    use rustls::pki_types::pem::Error as Pem;
    match error {
        Pem::Io(error) => error.to_string(),
        Pem::NoItemsFound => "there is nothing in it that can be used".to_owned(),
        _ => "it is not in PEM form".to_owned(),
    }
}

fn unusable(path: &Path, parameter: &'static str, why: impl Into<String>) -> TlsError {
    TlsError::File {
        path: path.display().to_string(),
        parameter,
        why: why.into(),
    }
}

/// Whom we trust, read.
#[derive(Debug)]
struct Trusted {
    roots: Arc<RootCertStore>,
    /// As they stand in the file.
    given: Vec<CertificateDer<'static>>,
}

/// Looks at the certificate of PostgreSQL as far as the mode asks for it. That who shows it
/// has its key is asked for always.
#[derive(Debug)]
struct Verifier {
    trusted: Option<Trusted>,
    checks_name: bool,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(trusted) = &self.trusted else {
            return Ok(ServerCertVerified::assertion());
        };
        let certificate = ParsedCertificate::try_from(end_entity)?;
        let signed = verify_server_cert_signed_by_trust_anchor(
            &certificate,
            &trusted.roots,
            intermediates,
            now,
            self.algorithms.all,
        );
        match signed {
            // A certificate that signed itself is a root that a server may not use, says
            // webpki, after it has looked at its dates; but we were told to trust it.
            Err(Error::InvalidCertificate(wrong))
                if !is_dated(&wrong) && trusted.given.contains(end_entity) => {}
            signed => signed?,
        }
        if self.checks_name {
            verify_server_name(&certificate, server_name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn is_dated(wrong: &CertificateError) -> bool {
    matches!(
        wrong,
        CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. }
    )
}
