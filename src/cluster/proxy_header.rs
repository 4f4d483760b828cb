//! What a node says first when it carries a client's connection to the leader: a header of the PROXY protocol, version 2, with the addresses
//! that the client sees. Fields of ours follow: what the client speaks, where it wants to go, how TLS that ended at the sender was agreed on, with
//! the client's certificate, and a proof that the sender knows the cluster's secret.
//!
//! The proof is an HMAC-SHA256 over all before it, so that nobody else can name addresses, least of all loopback ones, or show a certificate. Who can listen
//! in between two nodes could say the same again: the nodes' network has to be a trusted one.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::peer::is_same;
use crate::server::{Door, EndedTls};

/// What all nodes of a cluster know, and nobody else.
pub type Secret = [u8; 32];

/// What the leader answers before its broker does: that it leads.
pub(super) const WELCOME: u8 = b'+';

/// What every such header begins with.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family, length.
const FIXED_BYTES: usize = 16;
/// Version 2, a connection carried for somebody.
const PROXY: u8 = 0x21;
/// TCP over IPv6; IPv4 addresses are mapped.
const TCP6: u8 = 0x21;
/// Two addresses and two ports.
const ADDRESS_BYTES: usize = 36;
/// Of the fields that the protocol leaves to its users.
const DOOR: u8 = 0xE0;
const PROOF: u8 = 0xE1;
const PROOF_BYTES: usize = 32;
/// Which shard is meant and whether the client is known; there is none for a new client of the meta shard.
const SHARD: u8 = 0xE2;
const SHARD_BYTES: usize = 3;
/// How TLS was agreed on, if the sender has ended it.
const TLS: u8 = 0xE3;
/// Certificates that are longer are not carried.
const TLS_BYTES_MAX: usize = 16 * 1024;
/// Before the value of a field: what it is, and how long.
const FIELD_BYTES: usize = 3;
/// Addresses, a field of one byte, and the proof.
const LENGTH: usize = ADDRESS_BYTES + FIELD_BYTES + 1 + FIELD_BYTES + PROOF_BYTES;
/// With a shard, and TLS.
const LENGTH_MAX: usize = LENGTH + FIELD_BYTES + SHARD_BYTES + FIELD_BYTES + TLS_BYTES_MAX;
/// SHA-256 takes so much at a time.
const BLOCK_BYTES: usize = 64;

/// Whose connection it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyHeader {
    /// Where the client is.
    pub peer: SocketAddr,
    /// What the client is connected to.
    pub local: SocketAddr,
    /// What it speaks.
    pub door: Door,
    /// Of which shard's broker it is a client: 0 is the meta shard, the only one where there are no others.
    pub shard: u16,
    /// Whether an AMQP client has been through the handshake with the node that carries it: it says all of it again, and is not told again what
    /// it was told. Of HTTP, whether the requests are a node's, which may say for whom it asks.
    pub is_again: bool,
    /// How the client's connection is secured, if its TLS ends at the node that carries it.
    pub tls: Option<Arc<EndedTls>>,
}

/// Why a connection is not carried.
#[derive(Debug, thiserror::Error)]
pub enum BadHeader {
    /// It ended, or failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// It does not begin as one of a node does.
    #[error("it begins with something else than a node's header")]
    Format,
    /// Its sender does not know the secret.
    #[error("its sender does not know the cluster's secret")]
    Proof,
}

impl ProxyHeader {
    /// Its bytes.
    #[must_use]
    pub fn encode(&self, secret: &Secret) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([PROXY, TCP6]);
        let mut fields = field(DOOR, &[number(self.door)]);
        if self.shard > 0 || self.is_again {
            let [high, low] = self.shard.to_be_bytes();
            fields.extend(field(SHARD, &[high, low, u8::from(self.is_again)]));
        }
        fields.extend(self.tls.iter().flat_map(|tls| field(TLS, &tls.encode())));
        let length = ADDRESS_BYTES + fields.len() + FIELD_BYTES + PROOF_BYTES;
        bytes.extend((length as u16).to_be_bytes());
        bytes.extend(mapped(self.peer.ip()).octets());
        bytes.extend(mapped(self.local.ip()).octets());
        bytes.extend(self.peer.port().to_be_bytes());
        bytes.extend(self.local.port().to_be_bytes());
        bytes.extend(fields);
        bytes.extend([PROOF, 0, PROOF_BYTES as u8]);
        let proof = proof(secret, &bytes);
        bytes.extend(proof);
        bytes
    }

    /// Reads one, and no byte more.
    ///
    /// # Errors
    /// [`BadHeader`].
    pub async fn read(stream: &mut (impl AsyncRead + Unpin), secret: &Secret) -> Result<Self, BadHeader> {
        let mut bytes = vec![0; FIXED_BYTES];
        stream.read_exact(&mut bytes).await?;
        let length = bytes.last_chunk().map_or(0, |length| usize::from(u16::from_be_bytes(*length)));
        // Whoever sends something else may not send as much as is waited for.
        if !bytes.starts_with(&SIGNATURE) || !(LENGTH..=LENGTH_MAX).contains(&length) {
            return Err(BadHeader::Format);
        }
        bytes.resize(FIXED_BYTES + length, 0);
        stream.read_exact(bytes.get_mut(FIXED_BYTES..).unwrap_or_default()).await?;
        Self::parse(&bytes, secret)
    }

    fn parse(bytes: &[u8], secret: &Secret) -> Result<Self, BadHeader> {
        let (signed, found) =
            bytes.split_at_checked(bytes.len().saturating_sub(PROOF_BYTES)).ok_or(BadHeader::Format)?;
        if !is_same(&proof(secret, signed), found) {
            return Err(BadHeader::Proof);
        }
        Self::of_signed(signed).ok_or(BadHeader::Format)
    }

    /// What a node has signed is in its order.
    fn of_signed(signed: &[u8]) -> Option<Self> {
        let (fixed, rest) = signed.split_at_checked(FIXED_BYTES)?;
        let (addresses, fields) = rest.split_at_checked(ADDRESS_BYTES)?;
        let (ips, ports) = addresses.split_at_checked(32)?;
        let (peer, local) = ips.split_at_checked(16)?;
        let (peer_port, local_port) = ports.split_at_checked(2)?;
        let address = |ip: &[u8], port: &[u8]| {
            let ip = Ipv6Addr::from(<[u8; 16]>::try_from(ip).ok()?).to_canonical();
            Some(SocketAddr::new(ip, u16::from_be_bytes(port.try_into().ok()?)))
        };
        let (mut door, mut shard, mut is_again, mut tls) = (None, 0, false, None);
        let mut fields = fields;
        while let [kind, high, low, rest @ ..] = fields {
            let (value, rest) = match *kind {
                PROOF => break,
                _ => rest.split_at_checked(usize::from(u16::from_be_bytes([*high, *low])))?,
            };
            match (*kind, value) {
                (DOOR, [number]) => door = Door::ALL.get(usize::from(*number)).copied(),
                (SHARD, [high, low, again]) => {
                    (shard, is_again) = (u16::from_be_bytes([*high, *low]), *again != 0);
                }
                (TLS, value) => tls = Some(Arc::new(EndedTls::decode(value)?)),
                _ => return None,
            }
            fields = rest;
        }
        let is_known = fixed.get(12..14) == Some(&[PROXY, TCP6]);
        let (peer, local) = (address(peer, peer_port)?, address(local, local_port)?);
        Some(Self { peer, local, door: door?, shard, is_again, tls }).filter(|_| is_known)
    }

    /// Whether what it says of TLS is short enough.
    pub(super) fn can_be_sent(&self) -> bool {
        self.tls.as_ref().is_none_or(|tls| tls.encode().len() <= TLS_BYTES_MAX)
    }
}

fn field(kind: u8, value: &[u8]) -> Vec<u8> {
    let [high, low] = (value.len() as u16).to_be_bytes();
    [&[kind, high, low], value].concat()
}

fn mapped(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}

fn number(door: Door) -> u8 {
    Door::ALL.iter().zip(0..).find(|(other, _)| **other == door).map_or(u8::MAX, |(_, number)| number)
}

/// HMAC-SHA256 (RFC 2104).
fn proof(secret: &Secret, text: &[u8]) -> [u8; PROOF_BYTES] {
    let padded = |pad: u8| {
        let mut key = [pad; BLOCK_BYTES];
        key.iter_mut().zip(secret).for_each(|(byte, secret)| *byte ^= secret);
        key
    };
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(peer: &str, door: Door) -> ProxyHeader {
        let local = "192.0.2.7:5672".parse().unwrap();
        ProxyHeader { peer: peer.parse().unwrap(), local, door, shard: 0, is_again: false, tls: None }
    }

    #[tokio::test]
    async fn what_is_written_is_read_and_not_a_byte_more() {
        for door in Door::ALL {
            for peer in ["127.0.0.1:9", "203.0.113.5:65535", "[2001:db8::1]:1"] {
                let mut bytes = header(peer, door).encode(&[7; 32]);
                bytes.extend(b"AMQP");
                let mut stream = bytes.as_slice();
                let read = ProxyHeader::read(&mut stream, &[7; 32]).await.unwrap();
                assert_eq!((read, stream), (header(peer, door), &b"AMQP"[..]));
            }
        }
    }

    #[tokio::test]
    async fn without_the_secret_no_address_is_believed() {
        let bytes = header("127.0.0.1:9", Door::Amqp).encode(&[7; 32]);
        let read = ProxyHeader::read(&mut bytes.as_slice(), &[8; 32]).await;
        assert!(matches!(read, Err(BadHeader::Proof)), "{read:?}");
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let read = ProxyHeader::read(&mut changed.as_slice(), &[7; 32]).await;
            // One that says that it is longer is waited for.
            let is_length = (FIXED_BYTES - 2..FIXED_BYTES).contains(&at);
            let is_refused = match read {
                Err(BadHeader::Proof | BadHeader::Format) => true,
                Err(BadHeader::Io(_)) => is_length,
                Ok(_) => false,
            };
            assert!(is_refused, "byte {at}: {read:?}");
        }
        for end in 0..bytes.len() {
            let read = ProxyHeader::read(&mut &bytes[..end], &[7; 32]).await;
            assert!(matches!(read, Err(BadHeader::Io(_))), "{end} bytes: {read:?}");
        }
        let read = ProxyHeader::read(&mut &b"AMQP\0\0\x09\x01 and more than that"[..], &[7; 32]).await;
        assert!(matches!(read, Err(BadHeader::Format)), "{read:?}");
    }

    #[tokio::test]
    async fn a_shard_is_named_where_there_is_more_than_one() {
        let plain = header("127.0.0.1:9", Door::Amqp);
        for (shard, is_again) in [(1, false), (0, true), (300, true)] {
            let named = ProxyHeader { shard, is_again, ..plain.clone() };
            let bytes = named.encode(&[7; 32]);
            assert_eq!(bytes.len(), plain.encode(&[7; 32]).len() + 6);
            assert_eq!(ProxyHeader::read(&mut bytes.as_slice(), &[7; 32]).await.unwrap(), named);
        }
    }

    #[tokio::test]
    async fn a_certificate_is_shown_whole() {
        for certificate in [0, 1, 900, TLS_BYTES_MAX - 4] {
            let bytes = [&[3, 4, 0x13, 2][..], &vec![7; certificate]].concat();
            let tls = Some(Arc::new(EndedTls::decode(&bytes).unwrap()));
            let shown = ProxyHeader { shard: 3, tls, ..header("[2001:db8::1]:1", Door::Amqp) };
            assert!(shown.can_be_sent());
            let bytes = shown.encode(&[7; 32]);
            assert_eq!(ProxyHeader::read(&mut bytes.as_slice(), &[7; 32]).await.unwrap(), shown);
        }
    }

    #[test]
    fn the_proof_is_rfc_2104s() {
        // RFC 4231, test case 2, whose key is padded with zeros in any case.
        let mut secret = [0; 32];
        secret[..4].copy_from_slice(b"Jefe");
        let proof: String = proof(&secret, b"what do ya want for nothing?")
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(proof, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }
}
