//! An authority and a certificate of the broker's own making, for development: `localhost`, the loopback addresses and the host's name.
//!
//! They are made once and kept in a directory, so that a client has to be told of the authority once; a broker without a directory
//! makes them anew each time.

use std::fs;
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use time::OffsetDateTime;

use super::certificate::Certificate;
use super::error::TlsError;
use super::pem;
use crate::config::TlsSettings;
use crate::time::Timestamp;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long the authority is good for.
const AUTHORITY_HOLDS: Duration = DAY.saturating_mul(3650);
/// How long the certificate is good for: browsers refuse those that hold much longer than a year.
const CERTIFICATE_HOLDS: Duration = DAY.saturating_mul(397);
/// One that ends within this time is made anew.
const RENEWED_BEFORE_END: Duration = DAY.saturating_mul(60);
/// Clocks of clients may be behind.
const HOLDS_SINCE: Duration = DAY;

const CA_FILE: &str = "ca.pem";
const CA_KEY_FILE: &str = "ca-key.pem";
const CERT_FILE: &str = "server.pem";
const KEY_FILE: &str = "server-key.pem";

/// An authority that signs the broker's certificate.
pub(crate) struct DevelopmentAuthority {
    /// Its certificate in PEM, which clients need.
    pub(crate) pem: String,
    certificate: Certificate,
    key: KeyPair,
}

impl DevelopmentAuthority {
    /// A new one.
    ///
    /// # Errors
    /// Nothing is random enough.
    pub(crate) fn make(now: Timestamp) -> Result<Self, TlsError> {
        let key = KeyPair::generate().map_err(failed)?;
        // Each has a name of its own: who trusts several keeps them apart.
        let digits: String =
            key.public_key_raw().iter().rev().take(4).map(|byte| format!("{byte:02x}")).collect();
        let params = authority_params(&format!("Coney development CA {digits}"), now);
        let der = params.self_signed(&key).map_err(failed)?.der().clone();
        Self::of(&der, key)
    }

    fn of(der: &CertificateDer<'_>, key: KeyPair) -> Result<Self, TlsError> {
        let certificate = Certificate::parse(der).map_err(TlsError::Development)?;
        Ok(Self { pem: pem::text("CERTIFICATE", der), certificate, key })
    }

    /// A certificate for the broker and its key, in PEM.
    ///
    /// # Errors
    /// Nothing is random enough.
    pub(crate) fn sign(&self, host: &str, now: Timestamp) -> Result<(String, String), TlsError> {
        let key = KeyPair::generate().map_err(failed)?;
        let mut params = CertificateParams::new(names(host)).map_err(failed)?;
        params.distinguished_name = common_name("localhost");
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        holds(&mut params, now, CERTIFICATE_HOLDS);
        let name = self.certificate.common_names.first().map_or("", String::as_str);
        let issuer = Issuer::new(authority_params(name, now), &self.key);
        let certificate = params.signed_by(&key, &issuer).map_err(failed)?;
        Ok((pem::text("CERTIFICATE", certificate.der()), pem::text("PRIVATE KEY", key.serialized_der())))
    }

    /// The one that is kept in a directory with the certificate that it signed, as settings. What is not there, is near its end or does
    /// not have the host's name is made.
    ///
    /// # Errors
    /// Something cannot be read, written or made.
    pub(crate) fn keep_in(
        dir: &Path,
        host: &str,
        now: Timestamp,
    ) -> Result<(PathBuf, TlsSettings), TlsError> {
        fs::create_dir_all(dir).map_err(|source| TlsError::Write { path: dir.to_owned(), source })?;
        let (ca, ca_key) = (dir.join(CA_FILE), dir.join(CA_KEY_FILE));
        let (cert, key) = (dir.join(CERT_FILE), dir.join(KEY_FILE));
        let known = Self::read(&ca, &ca_key)?.filter(|known| !ends_soon(&known.certificate, now));
        let authority = match known {
            Some(known) => known,
            None => {
                let made = Self::make(now)?;
                write(&ca_key, &pem::text("PRIVATE KEY", made.key.serialized_der()))?;
                write(&ca, &made.pem)?;
                made
            }
        };
        let is_good =
            key.exists() && certificate_in(&cert)?.is_some_and(|(_, own)| authority.vouches(&own, host, now));
        if !is_good {
            let (new_cert, new_key) = authority.sign(host, now)?;
            write(&key, &new_key)?;
            write(&cert, &new_cert)?;
        }
        Ok((ca, TlsSettings { cert: Some(cert), key: Some(key), ..TlsSettings::default() }))
    }

    /// The authority of two files; `None` if there is none in them.
    fn read(ca: &Path, ca_key: &Path) -> Result<Option<Self>, TlsError> {
        let (Some((der, _)), Some(text)) = (certificate_in(ca)?, text_of(ca_key)?) else { return Ok(None) };
        let key = pem::sections(&text).into_iter().find_map(|section| section.der);
        let key = key.and_then(|key| KeyPair::try_from(&PrivatePkcs8KeyDer::from(key)).ok());
        key.map(|key| Self::of(&der, key)).transpose()
    }

    /// Whether a certificate is this authority's, holds for a while, and has all names.
    fn vouches(&self, own: &Certificate, host: &str, now: Timestamp) -> bool {
        let has = |name: &String| own.alternative_names.iter().any(|(_, known)| known == name);
        own.issuer == self.certificate.subject && !ends_soon(own, now) && names(host).iter().all(has)
    }
}

fn failed(error: rcgen::Error) -> TlsError {
    TlsError::Development(error.to_string())
}

fn common_name(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

fn authority_params(name: &str, now: Timestamp) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    holds(&mut params, now, AUTHORITY_HOLDS);
    params
}

fn holds(params: &mut CertificateParams, now: Timestamp, duration: Duration) {
    let seconds = i64::try_from(now.as_millis() / 1000).unwrap_or_default();
    let now = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    params.not_before = now - HOLDS_SINCE;
    params.not_after = now + duration;
}

/// What clients may call the broker.
fn names(host: &str) -> Vec<String> {
    let mut names = vec![
        "localhost".to_owned(),
        IpAddr::from(Ipv4Addr::LOCALHOST).to_string(),
        IpAddr::from(Ipv6Addr::LOCALHOST).to_string(),
    ];
    let is_name = |host: &str| host.is_ascii() && !host.is_empty() && host != "localhost";
    names.extend(Some(host.to_owned()).filter(|host| is_name(host)));
    names
}

fn ends_soon(certificate: &Certificate, now: Timestamp) -> bool {
    let left_ms = certificate.not_after.as_millis().saturating_sub(now.as_millis());
    u128::from(left_ms) < RENEWED_BEFORE_END.as_millis()
}

/// The first certificate of a file, if there is one in it.
fn certificate_in(path: &Path) -> Result<Option<(CertificateDer<'static>, Certificate)>, TlsError> {
    let Some(text) = text_of(path)? else { return Ok(None) };
    let der = pem::sections(&text).into_iter().find_map(|section| section.der).map(CertificateDer::from);
    Ok(der.and_then(|der| Certificate::parse(&der).ok().map(|parsed| (der, parsed))))
}

/// `None`: there is no such file.
fn text_of(path: &Path) -> Result<Option<String>, TlsError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(TlsError::Read { setting: "tls auto", path: path.to_owned(), source }),
    }
}

/// In one step, for its user alone.
fn write(path: &Path, text: &str) -> Result<(), TlsError> {
    let new = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let written = options.open(&new).and_then(|mut file| file.write_all(text.as_bytes()));
    written
        .and_then(|()| fs::rename(&new, path))
        .map_err(|source| TlsError::Write { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::AlternativeNameKind;

    fn kept(dir: &Path, host: &str, now: Timestamp) -> [String; 3] {
        let (ca, settings) = DevelopmentAuthority::keep_in(dir, host, now).unwrap();
        [ca, settings.cert.unwrap(), settings.key.unwrap()].map(|path| fs::read_to_string(path).unwrap())
    }

    fn after(days: u64) -> Timestamp {
        Timestamp::from_millis((20_000 + days) * DAY.as_millis() as u64)
    }

    #[test]
    fn what_is_there_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let first = kept(dir.path(), "here", after(0));
        assert_eq!(kept(dir.path(), "here", after(300)), first);
        let (_, own) = certificate_in(&dir.path().join(CERT_FILE)).unwrap().unwrap();
        for name in ["localhost", "127.0.0.1", "::1", "here"] {
            assert!(own.alternative_names.iter().any(|(_, known)| known == name), "{name}: {own:?}");
        }
        assert!(own.alternative_names.contains(&(AlternativeNameKind::Dns, "localhost".to_owned())));
    }

    #[test]
    fn what_ends_or_has_not_the_name_is_made_anew_by_the_same_authority() {
        let dir = tempfile::tempdir().unwrap();
        let first = kept(dir.path(), "here", after(0));
        let renamed = kept(dir.path(), "there", after(0));
        assert!(renamed[0] == first[0] && renamed[1] != first[1] && renamed[2] != first[2]);
        let later = kept(dir.path(), "there", after(380));
        assert!(later[0] == first[0] && later[1] != renamed[1]);
        let at_last = kept(dir.path(), "there", after(3640));
        assert!(at_last[0] != first[0], "the authority's time is over");
    }

    #[test]
    fn what_is_broken_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let first = kept(dir.path(), "here", after(0));
        fs::remove_file(dir.path().join(KEY_FILE)).unwrap();
        let second = kept(dir.path(), "here", after(0));
        assert!(second[0] == first[0] && second[2] != first[2]);
        fs::write(dir.path().join(CA_KEY_FILE), "nothing").unwrap();
        assert!(kept(dir.path(), "here", after(0))[0] != first[0]);
    }

    #[cfg(unix)]
    #[test]
    fn keys_are_their_users_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        kept(dir.path(), "here", after(0));
        for file in [KEY_FILE, CA_KEY_FILE] {
            let mode = fs::metadata(dir.path().join(file)).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{file}");
        }
    }
}
