//! What is wrong with certificates, keys and their settings, and what to do about it.

use std::path::PathBuf;

/// Why there can be no TLS with these settings and files. Each text is one line for whoever runs the broker.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// There is a listener and no certificate.
    #[error(
        "TLS is to be spoken and there is no certificate for it: give tls-cert and tls-key (or let the broker make a certificate for \
         development: tls auto)"
    )]
    NoCertificateSetting,
    /// A file cannot be read.
    #[error("cannot read {} ({setting}): {source}", path.display())]
    Read {
        /// The setting that names it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A file with no certificate in it.
    #[error(
        "there is no certificate in {} ({setting}): it should have lines like -----BEGIN CERTIFICATE-----; a file in DER becomes \
         one by `openssl x509 -inform der -in FILE -out NEW.pem`",
        path.display()
    )]
    NoCertificate {
        /// The setting that names it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// Something in a file is no certificate.
    #[error("{} ({setting}): certificate {number} of the file cannot be read: {reason}", path.display())]
    Certificate {
        /// The setting that names the file.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// Which one, from 1.
        number: usize,
        /// What is wrong.
        reason: String,
    },
    /// A file with no key in it.
    #[error(
        "there is no private key in {} ({setting}): it should have a line like -----BEGIN PRIVATE KEY-----",
        path.display()
    )]
    NoKey {
        /// The setting that names it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// A key that cannot be taken apart.
    #[error("the private key in {0} cannot be read: {reason}; look at it with `openssl pkey -in {0} -noout -text`", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The key is encrypted, and there is no password.
    #[error("the private key in {} is encrypted: give its password (tls-key-password)", path.display())]
    PasswordNeeded {
        /// The file.
        path: PathBuf,
    },
    /// The password is a wrong one.
    #[error("the password (tls-key-password) does not open the private key in {}", path.display())]
    WrongPassword {
        /// The file.
        path: PathBuf,
    },
    /// The key is encrypted with something old or rare.
    #[error(
        "the private key in {0} is encrypted in a way that is not supported ({cipher}): convert it with `openssl pkcs8 -topk8 -v2 \
         aes-256-cbc -in {0} -out NEW.pem`",
        path.display()
    )]
    Cipher {
        /// The file.
        path: PathBuf,
        /// How.
        cipher: String,
    },
    /// A key that rustls cannot sign with.
    #[error(
        "the private key in {} is of a kind that is not supported: RSA of 2048 to 8192 bits, ECDSA with P-256 or P-384 and Ed25519 \
         are",
        path.display()
    )]
    KeyKind {
        /// The file.
        path: PathBuf,
    },
    /// The key belongs to another certificate.
    #[error(
        "the private key in {key} does not belong to the first certificate in {cert}, the broker's own: `openssl x509 -in {cert} -noout \
         -pubkey` and `openssl pkey -in {key} -pubout` have to print the same",
        cert = cert.display(), key = key.display()
    )]
    KeyMismatch {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's.
        key: PathBuf,
    },
    /// Clients are to be verified against nothing.
    #[error(
        "clients' certificates are to be verified (tls-verify peer), and there is no authority to verify them by: give its certificate \
         with tls-ca"
    )]
    NoAuthority,
    /// A client certificate is required and not asked for.
    #[error(
        "clients are to have a certificate (tls-require-client-cert), and are not asked for one: set tls-verify to peer"
    )]
    RequiredUnverified,
    /// rustls will not have it.
    #[error("the certificate in {} cannot be used: {source}", path.display())]
    Refused {
        /// The certificate's file.
        path: PathBuf,
        /// Why not.
        source: rustls::Error,
    },
    /// An authority that cannot be used.
    #[error("{} (tls-ca): certificate {number} of the file is no authority that can be used: {reason}", path.display())]
    Authority {
        /// The file.
        path: PathBuf,
        /// Which one, from 1.
        number: usize,
        /// Why not.
        reason: String,
    },
    /// The broker's own certificate could not be made.
    #[error("cannot make a certificate for development: {0}")]
    Development(String),
    /// The broker's own certificate could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}
