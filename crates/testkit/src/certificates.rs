//! Certificates of one's own, made anew for each process.

use flash_sandbox::Certificate;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair,
};

/// Who signs certificates.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    /// Makes one whom nobody knows yet.
    pub fn new() -> anyhow::Result<Self> {
        // It may be a server, too, as self-signed certificates are.
        let mut params = CertificateParams::new(vec!["localhost".to_owned()])?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "flash sale tests");
        let key = KeyPair::generate()?;
        Ok(Self(CertifiedIssuer::self_signed(params, key)?))
    }

    /// Its own certificate, in PEM: what is trusted by who trusts it.
    #[must_use]
    pub fn root(&self) -> String {
        self.0.pem()
    }

    /// The same and its key, as `localhost` may show it that signs for itself.
    #[must_use]
    pub fn itself(&self) -> Certificate {
        Certificate {
            chain: self.root(),
            key: self.0.key().serialize_pem(),
        }
    }

    /// Signs a certificate for somebody of this name.
    pub fn sign(&self, name: &str) -> anyhow::Result<Certificate> {
        self.sign_until(name, 4096)
    }

    /// The same for a certificate that ended long ago.
    pub fn sign_expired(&self, name: &str) -> anyhow::Result<Certificate> {
        self.sign_until(name, 2001)
    }

    fn sign_until(&self, name: &str, year: i32) -> anyhow::Result<Certificate> {
        let mut params = CertificateParams::new(vec![name.to_owned()])?;
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate()?;
        Ok(Certificate {
            chain: params.signed_by(&key, &self.0)?.pem(),
            key: key.serialize_pem(),
        })
    }
}
