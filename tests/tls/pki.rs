//! Authorities and certificates of a test's own.

use std::fs;
use std::path::{Path, PathBuf};

use coney::config::TlsSettings;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tempfile::TempDir;

/// An authority and a directory for what it signs.
pub struct Pki {
    dir: TempDir,
    params: CertificateParams,
    key: KeyPair,
    pub der: CertificateDer<'static>,
}

/// A certificate with its key, in files and as they are.
pub struct Issued {
    pub cert: PathBuf,
    pub key: PathBuf,
    pub chain: Vec<CertificateDer<'static>>,
    pub key_der: PrivateKeyDer<'static>,
}

/// A common name alone.
pub fn named(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

impl Pki {
    pub fn new(name: &str) -> Self {
        let (params, key) = (authority_params(name), KeyPair::generate().unwrap());
        let certificate = params.self_signed(&key).unwrap();
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("ca.pem"), certificate.pem()).unwrap();
        Self { dir, params, key, der: certificate.der().clone() }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn ca(&self) -> PathBuf {
        self.path().join("ca.pem")
    }

    /// A certificate that this authority signed, in `NAME.pem` and `NAME-key.pem`.
    pub fn issue(&self, name: &str, edit: impl FnOnce(&mut CertificateParams)) -> Issued {
        let key = KeyPair::generate().unwrap();
        let mut params =
            CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        params.distinguished_name = named(name);
        edit(&mut params);
        let signed = params.signed_by(&key, &Issuer::from_params(&self.params, &self.key)).unwrap();
        let (cert, key_file) =
            (self.path().join(format!("{name}.pem")), self.path().join(format!("{name}-key.pem")));
        fs::write(&cert, signed.pem()).unwrap();
        fs::write(&key_file, key.serialize_pem()).unwrap();
        let key_der = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        Issued { cert, key: key_file, chain: vec![signed.der().clone()], key_der }
    }

    /// A certificate for a client that an authority below this one signed; the chain has that one's, too.
    pub fn issue_below(&self, name: &str) -> Issued {
        let key = KeyPair::generate().unwrap();
        let params = authority_params("between");
        let between = params.signed_by(&key, &Issuer::from_params(&self.params, &self.key)).unwrap();
        let below = Self { dir: tempfile::tempdir().unwrap(), params, key, der: between.der().clone() };
        let mut issued = below.issue(name, for_client);
        issued.chain.push(between.der().clone());
        issued
    }

    /// What a broker needs to speak TLS with a certificate of this authority.
    pub fn server(&self) -> TlsSettings {
        let issued = self.issue("server", |_| {});
        TlsSettings {
            cert: Some(issued.cert),
            key: Some(issued.key),
            ca: Some(self.ca()),
            ..TlsSettings::default()
        }
    }
}

/// As it has to be for a client.
pub fn for_client(params: &mut CertificateParams) {
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
}
