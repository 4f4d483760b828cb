//! OpenSSL's traditional encryption of keys in PEM files: `Proc-Type: 4,ENCRYPTED` and `DEK-Info: CIPHER,IV`. The key of the cipher is made of
//! the password with MD5, once: it keeps nobody out for long, but such files are about.

use aes::{Aes128, Aes192, Aes256};
use cbc::Decryptor;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockCipher, BlockDecryptMut, KeyInit, KeyIvInit};
use des::TdesEde3;
use md5::{Digest as _, Md5};

/// Why a key stays closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Closed {
    /// The header makes no sense, or names another cipher.
    Cipher(String),
    /// What comes out of it is no key.
    Password,
}

/// Bytes of the initialization vector that salt the password.
const SALT_BYTES: usize = 8;

/// Decrypts what a section holds, by its `DEK-Info`.
pub(super) fn decrypt(dek_info: &str, encrypted: &[u8], password: &str) -> Result<Vec<u8>, Closed> {
    let unknown = || Closed::Cipher(dek_info.to_owned());
    let (cipher, iv) = dek_info.split_once(',').ok_or_else(unknown)?;
    let iv = from_hex(iv).ok_or_else(unknown)?;
    let password = password.as_bytes();
    match cipher {
        "AES-128-CBC" => cbc_decrypt::<Aes128>(&iv, encrypted, password),
        "AES-192-CBC" => cbc_decrypt::<Aes192>(&iv, encrypted, password),
        "AES-256-CBC" => cbc_decrypt::<Aes256>(&iv, encrypted, password),
        "DES-EDE3-CBC" => cbc_decrypt::<TdesEde3>(&iv, encrypted, password),
        _ => return Err(unknown()),
    }
    .unwrap_or_else(|| Err(unknown()))
}

/// `None`: the vector is not as long as the cipher's.
fn cbc_decrypt<C>(iv: &[u8], encrypted: &[u8], password: &[u8]) -> Option<Result<Vec<u8>, Closed>>
where
    C: BlockCipher + BlockDecryptMut + KeyInit,
{
    let key = key_of(password, iv.get(..SALT_BYTES)?, C::key_size());
    let decryptor = Decryptor::<C>::new_from_slices(&key, iv).ok()?;
    let decrypted = decryptor.decrypt_padded_vec_mut::<Pkcs7>(encrypted);
    Some(decrypted.map_err(|_| Closed::Password))
}

/// OpenSSL's `EVP_BytesToKey` with MD5 and one round: digests of the last digest, the password and the salt, one after the other.
fn key_of(password: &[u8], salt: &[u8], bytes: usize) -> Vec<u8> {
    let mut key = Vec::new();
    let mut last = Vec::new();
    while key.len() < bytes {
        last.extend_from_slice(password);
        last.extend_from_slice(salt);
        last = Md5::digest(&last).to_vec();
        key.extend_from_slice(&last);
    }
    key.truncate(bytes);
    key
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim().as_bytes();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    if digits.len().is_multiple_of(2) { digits.chunks(2).map(pair).collect() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_that_makes_no_sense_is_a_cipher_that_nobody_knows() {
        for header in [
            "",
            "AES-256-CBC",
            "AES-256-CBC,0",
            "AES-256-CBC,zz",
            "AES-256-CBC,00",
            "RC2-CBC,0011223344556677",
        ] {
            assert_eq!(decrypt(header, &[0; 16], "pw"), Err(Closed::Cipher(header.to_owned())), "{header}");
        }
    }
}
