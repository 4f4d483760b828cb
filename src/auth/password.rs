//! Password hashes in RabbitMQ's format (<https://www.rabbitmq.com/docs/passwords>), so that users can be brought along
//! from there: 4 bytes of salt, then a digest of salt and password. New ones are made with SHA-512, the strongest that
//! RabbitMQ imports.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::Md5;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256, Sha512};

/// Bytes of salt before the digest.
const SALT_BYTES: usize = 4;

/// How a password is hashed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HashAlgorithm {
    /// `rabbit_password_hashing_md5`, RabbitMQ's before 3.6: users who have it can log in, and nobody gets it.
    Md5,
    /// `rabbit_password_hashing_sha256`, RabbitMQ's default.
    #[default]
    Sha256,
    /// `rabbit_password_hashing_sha512`.
    Sha512,
}

impl HashAlgorithm {
    /// The algorithm that RabbitMQ's definitions call so.
    ///
    /// # Errors
    /// Another name; the text says which are known.
    pub fn from_name(name: &str) -> Result<Self, String> {
        match name {
            "rabbit_password_hashing_sha256" => Ok(Self::Sha256),
            "rabbit_password_hashing_sha512" => Ok(Self::Sha512),
            "rabbit_password_hashing_md5" => Ok(Self::Md5),
            other => Err(format!(
                "\"{other}\" is none of rabbit_password_hashing_sha256, rabbit_password_hashing_sha512 and \
                 rabbit_password_hashing_md5"
            )),
        }
    }

    /// What RabbitMQ's definitions call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "rabbit_password_hashing_md5",
            Self::Sha256 => "rabbit_password_hashing_sha256",
            Self::Sha512 => "rabbit_password_hashing_sha512",
        }
    }

    const fn digest_bytes(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    fn digest(self, salt: [u8; SALT_BYTES], password: &[u8]) -> Vec<u8> {
        match self {
            Self::Md5 => Md5::new().chain_update(salt).chain_update(password).finalize().to_vec(),
            Self::Sha256 => Sha256::new().chain_update(salt).chain_update(password).finalize().to_vec(),
            Self::Sha512 => Sha512::new().chain_update(salt).chain_update(password).finalize().to_vec(),
        }
    }
}

/// A salted password hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordHash {
    #[serde(default)]
    algorithm: HashAlgorithm,
    salt: [u8; SALT_BYTES],
    digest: Vec<u8>,
}

impl PasswordHash {
    /// Hashes a password. The salt is the caller's randomness.
    #[must_use]
    pub fn new(password: &[u8], salt: [u8; SALT_BYTES]) -> Self {
        Self::by(HashAlgorithm::Sha512, password, salt)
    }

    /// The same by an algorithm.
    #[must_use]
    pub fn by(algorithm: HashAlgorithm, password: &[u8], salt: [u8; SALT_BYTES]) -> Self {
        Self { algorithm, salt, digest: algorithm.digest(salt, password) }
    }

    /// Reads a `password_hash` of RabbitMQ's definitions: base64 of salt and digest. An empty one is `None`: a user who
    /// cannot log in with a password.
    ///
    /// # Errors
    /// Text that is not base64, or has not the length that the algorithm makes.
    pub fn from_base64(text: &str, algorithm: HashAlgorithm) -> Result<Option<Self>, String> {
        if text.is_empty() {
            return Ok(None);
        }
        let bytes = STANDARD.decode(text).map_err(|error| format!("is not base64: {error}"))?;
        let wrong = || {
            let expected = SALT_BYTES + algorithm.digest_bytes();
            format!("is {} bytes long where its hashing_algorithm makes {expected}", bytes.len())
        };
        let (salt, digest) = bytes.split_first_chunk().ok_or_else(wrong)?;
        if digest.len() != algorithm.digest_bytes() {
            return Err(wrong());
        }
        Ok(Some(Self { algorithm, salt: *salt, digest: digest.to_vec() }))
    }

    /// Whether a text is base64 at all.
    #[must_use]
    pub fn is_base64(text: &str) -> bool {
        STANDARD.decode(text).is_ok()
    }

    /// As RabbitMQ's definitions write it: what [`from_base64`](Self::from_base64) reads.
    #[must_use]
    pub fn to_base64(&self) -> String {
        STANDARD.encode([&self.salt[..], &self.digest].concat())
    }

    /// How the password was hashed.
    #[must_use]
    pub const fn algorithm(&self) -> HashAlgorithm {
        self.algorithm
    }

    /// Whether this is the password. Compares all bytes whatever they are, so that the time taken tells nothing.
    #[must_use]
    pub fn matches(&self, password: &[u8]) -> bool {
        let other = self.algorithm.digest(self.salt, password);
        let differences = self.digest.iter().zip(&other).fold(0, |difference, (a, b)| difference | (a ^ b));
        self.digest.len() == other.len() && differences == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As RabbitMQ keeps it: the salt, and the digest of salt and password.
    fn assert_understood(digest: &[u8], algorithm: HashAlgorithm) {
        let text = STANDARD.encode([&b"salt"[..], digest].concat());
        let hash = PasswordHash::from_base64(&text, algorithm).unwrap().unwrap();
        assert!(hash.matches(b"secret") && !hash.matches(b"secre"));
    }

    #[test]
    fn hashes_that_rabbitmq_made_are_understood() {
        // What RabbitMQ 3.10 exported for a user with the password `pw`.
        let sha256 = "/nZY1rydD3i/elXiYVYMf2mTAJ69Tj1Jyw2552VpQjMmL0df";
        let hash = PasswordHash::from_base64(sha256, HashAlgorithm::Sha256).unwrap().unwrap();
        assert!(hash.matches(b"pw") && !hash.matches(b"pW") && !hash.matches(b""));
    }

    #[test]
    fn sha512_is_salted_the_same_way() {
        assert_understood(&Sha512::new().chain_update(b"saltsecret").finalize(), HashAlgorithm::Sha512);
    }

    #[test]
    fn a_hash_of_the_oldest_rabbitmq_is_understood_and_a_new_one_is_the_strongest() {
        assert_understood(&Md5::new().chain_update(b"saltsecret").finalize(), HashAlgorithm::Md5);
        let new = PasswordHash::new(b"secret", *b"salt");
        assert_eq!(new.algorithm(), HashAlgorithm::Sha512);
        assert!(new.matches(b"secret") && !new.matches(b"secre"));
    }

    #[test]
    fn an_empty_hash_lets_nobody_in_and_a_wrong_one_is_an_error() {
        assert_eq!(PasswordHash::from_base64("", HashAlgorithm::Sha256), Ok(None));
        let error = PasswordHash::from_base64("aGVsbG8=", HashAlgorithm::Sha256).unwrap_err();
        assert_eq!(error, "is 5 bytes long where its hashing_algorithm makes 36");
        assert!(PasswordHash::from_base64("*", HashAlgorithm::Sha256).unwrap_err().contains("not base64"));
        assert!(HashAlgorithm::from_name("sha256").is_err());
    }

    #[test]
    fn a_record_without_an_algorithm_is_sha256() {
        let (algorithm, salt) = (HashAlgorithm::Sha256, [1, 2, 3, 4]);
        let hash = PasswordHash { algorithm, salt, digest: algorithm.digest(salt, b"pw") };
        let mut record = serde_json::to_value(hash).unwrap();
        record.as_object_mut().unwrap().remove("algorithm");
        let hash: PasswordHash = serde_json::from_value(record).unwrap();
        assert!(hash.matches(b"pw"));
    }
}
