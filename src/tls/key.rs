//! Private keys: PKCS#1, SEC 1 and PKCS#8, as they are or encrypted with a password.

use std::path::Path;

use pkcs8::EncryptedPrivateKeyInfo;
use pkcs8::pkcs5;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer};

use super::error::TlsError;
use super::pem::{Section, sections};
use super::traditional_pem::{self, Closed};

/// The first private key of a PEM file's text. `setting` is the one that names the file.
///
/// # Errors
/// What is wrong with it, and what to do.
pub(super) fn read(
    setting: &'static str,
    path: &Path,
    text: &str,
    password: Option<&str>,
) -> Result<PrivateKeyDer<'static>, TlsError> {
    let sections = sections(text);
    let found = sections.iter().find(|section| section.label.ends_with("PRIVATE KEY"));
    let section = found.ok_or_else(|| TlsError::NoKey { setting, path: path.to_owned() })?;
    let file = File { path, password };
    let der = file.decrypted(section)?;
    match section.label.as_str() {
        "PRIVATE KEY" => Ok(PrivatePkcs8KeyDer::from(der).into()),
        "ENCRYPTED PRIVATE KEY" => file.decrypt_pkcs8(&der),
        "RSA PRIVATE KEY" => Ok(PrivatePkcs1KeyDer::from(der).into()),
        "EC PRIVATE KEY" => Ok(PrivateSec1KeyDer::from(der).into()),
        _ => Err(TlsError::KeyKind { path: path.to_owned() }),
    }
}

/// A key's file and what opens it.
struct File<'a> {
    path: &'a Path,
    password: Option<&'a str>,
}

impl File<'_> {
    /// What a section holds, out of OpenSSL's traditional encryption if it is in that.
    fn decrypted(&self, section: &Section) -> Result<Vec<u8>, TlsError> {
        let der = section.der.clone().ok_or_else(|| self.unreadable("it is no base64"))?;
        let is_encrypted = section.header("Proc-Type").is_some_and(|kind| kind.ends_with("ENCRYPTED"));
        if !is_encrypted {
            return Ok(der);
        }
        let dek_info = section.header("DEK-Info").unwrap_or_default();
        traditional_pem::decrypt(dek_info, &der, self.password()?).map_err(|closed| match closed {
            Closed::Cipher(cipher) => TlsError::Cipher { path: self.path.to_owned(), cipher },
            Closed::Password => TlsError::WrongPassword { path: self.path.to_owned() },
        })
    }

    /// Out of PKCS#8's encryption (RFC 5958 section 3, RFC 8018).
    fn decrypt_pkcs8(&self, der: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
        let password = self.password()?;
        let encrypted = EncryptedPrivateKeyInfo::try_from(der).map_err(|error| match error {
            // Whatever is inside it: a cipher that is not known.
            pkcs8::Error::Asn1(error) => {
                TlsError::Cipher { path: self.path.to_owned(), cipher: error.to_string() }
            }
            error => self.unreadable(&error.to_string()),
        })?;
        let decrypted = encrypted.decrypt(password).map_err(|error| match error {
            // Bad padding; the crate calls it by either name.
            pkcs8::Error::EncryptedPrivateKey(pkcs5::Error::DecryptFailed | pkcs5::Error::EncryptFailed) => {
                TlsError::WrongPassword { path: self.path.to_owned() }
            }
            pkcs8::Error::EncryptedPrivateKey(error) => {
                TlsError::Cipher { path: self.path.to_owned(), cipher: error.to_string() }
            }
            // A wrong password that happens to end in good padding.
            _ => TlsError::WrongPassword { path: self.path.to_owned() },
        })?;
        Ok(PrivatePkcs8KeyDer::from(decrypted.as_bytes().to_vec()).into())
    }

    fn password(&self) -> Result<&str, TlsError> {
        self.password.ok_or_else(|| TlsError::PasswordNeeded { path: self.path.to_owned() })
    }

    fn unreadable(&self, reason: &str) -> TlsError {
        TlsError::Key { path: self.path.to_owned(), reason: reason.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use rustls::crypto::ring;

    use super::*;

    fn file(name: &str) -> PathBuf {
        PathBuf::from(format!("tests/data/keys/{name}.pem"))
    }

    fn key(name: &str, password: Option<&str>) -> Result<PrivateKeyDer<'static>, TlsError> {
        let path = file(name);
        read("tls-key", &path, &std::fs::read_to_string(&path).unwrap(), password)
    }

    fn refusal(name: &str, password: Option<&str>) -> String {
        key(name, password).unwrap_err().to_string()
    }

    #[test]
    fn keys_of_all_usual_kinds_are_read() {
        for name in ["rsa-pkcs8", "rsa-pkcs1", "ec-sec1", "ec-pkcs8", "ed25519-pkcs8"] {
            let key = key(name, None).unwrap();
            assert!(ring::default_provider().key_provider.load_private_key(key).is_ok(), "{name}");
        }
    }

    #[test]
    fn an_encrypted_key_is_what_it_was_before() {
        for (name, plain) in [
            ("rsa-pkcs8-aes256", "rsa-pkcs8"),
            ("rsa-pkcs8-aes128-sha1", "rsa-pkcs8"),
            ("rsa-pkcs8-des3", "rsa-pkcs8"),
            ("rsa-pkcs8-scrypt", "rsa-pkcs8"),
            ("rsa-pkcs1-aes256", "rsa-pkcs1"),
            ("rsa-pkcs1-aes192", "rsa-pkcs1"),
            ("rsa-pkcs1-des3", "rsa-pkcs1"),
            ("ec-sec1-aes128", "ec-sec1"),
        ] {
            assert_eq!(key(name, Some("secret")).unwrap(), key(plain, None).unwrap(), "{name}");
            let wrong = key(name, Some("Secret")).unwrap_err();
            assert!(matches!(wrong, TlsError::WrongPassword { .. }), "{name}: {wrong}");
            let without = key(name, None).unwrap_err();
            assert!(matches!(without, TlsError::PasswordNeeded { .. }), "{name}: {without}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_with_the_way_out() {
        for name in ["rsa-pkcs8-pbes1", "rsa-pkcs1-camellia"] {
            let text = refusal(name, Some("secret"));
            assert!(text.contains("openssl pkcs8 -topk8 -v2 aes-256-cbc -in tests/data/keys"), "{text}");
        }
        assert!(
            refusal("odd-names-cert", None).contains("no private key in tests/data/keys/odd-names-cert.pem")
        );
        let odd =
            read("tls-key", &file("x"), "-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----", None);
        assert!(odd.unwrap_err().to_string().contains("no base64"));
    }
}
