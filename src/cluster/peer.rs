//! Snapshots over TCP: whoever wants one connects, says the cluster's secret and gets the frames, each after its length as a `u32`.
//!
//! The secret keeps out who does not belong there. It, and what follows, can be read by whoever can listen in: the peers' network
//! must be a trusted one.

use super::adopting::VhostMove;
use super::host::Pieces;
use super::local::LocalEngine;
use super::log::Unreachable;
use super::snapshot::{PIECE_BYTES, PieceVisitor, read_snapshot};
use super::vhost_copy::read_vhost;
use crate::store::{Engine, Error};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

/// What a connection begins with: who is meant, and the version.
pub(super) const HELLO: [u8; 5] = *b"CNYp\x01";
/// The same for one shard of several, whose number follows the secret.
const HELLO_SHARD: [u8; 5] = *b"CNYp\x02";
/// Whoever waits for this node to know what was changed in the meta shard.
const HELLO_WAIT: [u8; 5] = *b"CNYw\x01";
/// Whoever wants what a shard has of a vhost: shard, id, name.
const HELLO_VHOST: [u8; 5] = *b"CNYv\x01";
/// Whoever wants a shard to take in a vhost: shards, id, name, and where the one is led that has it.
const HELLO_ADOPT: [u8; 5] = *b"CNYa\x01";
/// Longest text in a wish, in bytes.
const TEXT_BYTES_MAX: usize = 1024;
/// Whoever watches whether this node's process is there: see [`peer_watch`](super::peer_watch).
pub(super) const HELLO_WATCH: [u8; 5] = *b"CNYd\x01";
/// How long waiting may take.
const WAIT_MAX: Duration = Duration::from_secs(3);
const SECRET_BYTES: usize = 32;
/// Whoever says nothing for so long is given up.
const SILENCE_MAX: Duration = Duration::from_secs(20);
/// A frame has a value at most, which has a message at most.
const FRAME_BYTES_MAX: usize = 512 * 1024 * 1024;
/// So many connections are served at once: each keeps what is removed meanwhile from being given back.
pub(super) const CONNECTIONS_MAX: usize = 4;
/// Frames on their way between disk and socket.
const AHEAD: usize = 2;

/// Serves snapshots of an engine until the listener fails.
pub async fn serve_snapshots(
    listener: TcpListener,
    secret: [u8; SECRET_BYTES],
    engine: LocalEngine,
) -> io::Error {
    let free = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(permit) = Arc::clone(&free).acquire_owned().await else {
            return io::Error::other("nobody closes it");
        };
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => return error,
        };
        let engine = engine.clone();
        tokio::spawn(async move {
            if let Err(error) = serve(stream, &secret, engine).await {
                tracing::info!(%peer, %error, "a snapshot was not given");
            }
            drop(permit);
        });
    }
}

/// Serves one, on a connection of which nothing has been read.
pub(super) async fn serve(
    mut stream: TcpStream,
    secret: &[u8; SECRET_BYTES],
    engine: LocalEngine,
) -> io::Result<()> {
    match within(wish(&mut stream, secret)).await? {
        Wish::Snapshot(0) => give(stream, engine).await,
        _ => Err(io::Error::other("there is one shard here")),
    }
}

/// What another node wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// All that is stored of a shard.
    Snapshot(u16),
    /// To know when this node goes by all of the meta shard's log up to there.
    Wait(u64),
    /// To know when this node's process has ended.
    Watch,
    /// What a shard has of a vhost that was closed for the move of this id.
    Vhost(u16, u64, String),
    /// That a shard takes in a vhost.
    Adopt(AdoptWish),
}

/// A shard is to take in a vhost that another has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AdoptWish {
    pub(super) moving: VhostMove,
    /// The peer port of who leads the shard that it comes from.
    pub(super) leader: String,
}

async fn text(stream: &mut TcpStream) -> io::Result<String> {
    let len = usize::from(stream.read_u16().await?);
    if len > TEXT_BYTES_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = vec![0; len];
    stream.read_exact(&mut bytes).await?;
    String::from_utf8(bytes).map_err(io::Error::other)
}

/// As much of it as [`text`] takes, in whole characters.
fn push_text(bytes: &mut Vec<u8>, text: &str) {
    let text = text.get(..text.floor_char_boundary(TEXT_BYTES_MAX)).unwrap_or_default();
    bytes.extend((text.len() as u16).to_be_bytes());
    bytes.extend(text.as_bytes());
}

/// Has the node at an address take in a vhost, and waits until that is durable.
///
/// # Errors
/// Why it has not.
pub(super) async fn adopt_at(
    address: &str,
    secret: &[u8; SECRET_BYTES],
    wish: &AdoptWish,
) -> Result<(), String> {
    let AdoptWish { moving: VhostMove { vhost, id, to, from }, leader } = wish;
    let mut hello = [&HELLO_ADOPT[..], secret, &to.to_be_bytes(), &from.to_be_bytes()].concat();
    hello.extend(id.to_be_bytes());
    push_text(&mut hello, vhost);
    push_text(&mut hello, leader);
    let asking = async {
        let mut stream = timeout(WAIT_MAX, TcpStream::connect(address)).await??;
        stream.write_all(&hello).await?;
        // As long as it takes.
        text(&mut stream).await
    };
    let why = asking.await.map_err(|error: io::Error| format!("{address}: {error}"))?;
    if why.is_empty() { Ok(()) } else { Err(why) }
}

/// Answers such a wish.
pub(super) async fn say_adopted(mut stream: TcpStream, adopted: Result<(), String>) -> io::Result<()> {
    let mut answer = Vec::new();
    push_text(&mut answer, adopted.err().as_deref().unwrap_or_default());
    within(stream.write_all(&answer)).await
}

/// Reads what is wanted, and by whom.
pub(super) async fn wish(stream: &mut TcpStream, secret: &[u8; SECRET_BYTES]) -> io::Result<Wish> {
    let mut hello = [0; HELLO.len() + SECRET_BYTES];
    stream.read_exact(&mut hello).await?;
    let begins = |with: [u8; HELLO.len()]| is_same(&hello, &[&with[..], secret].concat());
    if begins(HELLO) {
        Ok(Wish::Snapshot(0))
    } else if begins(HELLO_SHARD) {
        Ok(Wish::Snapshot(stream.read_u16().await?))
    } else if begins(HELLO_WAIT) {
        Ok(Wish::Wait(stream.read_u64().await?))
    } else if begins(HELLO_WATCH) {
        Ok(Wish::Watch)
    } else if begins(HELLO_VHOST) {
        let (shard, id) = (stream.read_u16().await?, stream.read_u64().await?);
        Ok(Wish::Vhost(shard, id, text(stream).await?))
    } else if begins(HELLO_ADOPT) {
        let (to, from) = (stream.read_u16().await?, stream.read_u16().await?);
        let id = stream.read_u64().await?;
        let (vhost, leader) = (text(stream).await?, text(stream).await?);
        Ok(Wish::Adopt(AdoptWish { moving: VhostMove { vhost, id, to, from }, leader }))
    } else {
        Err(io::Error::new(io::ErrorKind::PermissionDenied, "it does not know the cluster's secret"))
    }
}

/// Gives a snapshot.
pub(super) async fn give(stream: TcpStream, engine: LocalEngine) -> io::Result<()> {
    give_pieces(stream, move |visit| read_snapshot(&*engine.snapshot(), PIECE_BYTES, visit)).await
}

/// Gives what there is of a vhost.
pub(super) async fn give_vhost(
    stream: TcpStream,
    engine: LocalEngine,
    vhost: String,
    id: u64,
) -> io::Result<()> {
    let read =
        move |visit: &mut PieceVisitor<'_>| read_vhost(&*engine.snapshot(), &vhost, id, PIECE_BYTES, visit);
    give_pieces(stream, read).await
}

async fn give_pieces(
    mut stream: TcpStream,
    read: impl FnOnce(&mut PieceVisitor<'_>) -> Result<(), Error> + Send + 'static,
) -> io::Result<()> {
    let (pieces, mut taken) = mpsc::channel(AHEAD);
    let reading = tokio::task::spawn_blocking(move || {
        read(&mut |piece| pieces.blocking_send(piece).map_err(|_| Error::Stopped))
    });
    while let Some(piece) = taken.recv().await {
        within(send(&mut stream, &piece)).await?;
    }
    // Ends it, if it has not ended yet.
    drop(taken);
    reading.await?.map_err(io::Error::other)?;
    within(stream.shutdown()).await
}

/// Waits until the node at an address goes by all of the meta shard's log up to there, two seconds at most; how far it is.
///
/// # Errors
/// It does not answer.
pub(super) async fn wait_at(address: &str, secret: &[u8; SECRET_BYTES], sequence: u64) -> io::Result<u64> {
    let asking = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(&[&HELLO_WAIT[..], secret, &sequence.to_be_bytes()].concat()).await?;
        stream.read_u64().await
    };
    timeout(WAIT_MAX, asking).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Takes as long for whatever differs.
pub(super) fn is_same(found: &[u8], expected: &[u8]) -> bool {
    let difference = found.iter().zip(expected).fold(0, |all, (found, expected)| all | (found ^ expected));
    found.len() == expected.len() && difference == 0
}

async fn send(stream: &mut (impl AsyncWrite + Unpin), piece: &[u8]) -> io::Result<()> {
    let len = u32::try_from(piece.len()).map_err(io::Error::other)?;
    stream.write_u32(len).await?;
    stream.write_all(piece).await
}

async fn receive(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let len = stream.read_u32().await? as usize;
    if len > FRAME_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "that is no frame"));
    }
    let mut piece = Vec::new();
    // What is announced is not made room for before it comes.
    let read = stream.take(len as u64).read_to_end(&mut piece).await?;
    if read == len { Ok(piece) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

async fn within<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(SILENCE_MAX, work).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// A snapshot on its way here.
pub struct PeerPieces(TcpStream);

impl PeerPieces {
    /// Asks the node at this address, `HOST:PORT`.
    ///
    /// # Errors
    /// [`Unreachable`].
    pub async fn ask(address: &str, secret: &[u8; SECRET_BYTES]) -> Result<Self, Unreachable> {
        Self::ask_of(address, secret, 0).await
    }

    /// The same of one shard of several.
    ///
    /// # Errors
    /// [`Unreachable`].
    pub async fn ask_of(address: &str, secret: &[u8; SECRET_BYTES], shard: u16) -> Result<Self, Unreachable> {
        let hello = match shard {
            0 => [&HELLO[..], secret].concat(),
            _ => [&HELLO_SHARD[..], secret, &shard.to_be_bytes()].concat(),
        };
        let asked = async {
            let mut stream = TcpStream::connect(address).await?;
            stream.write_all(&hello).await?;
            Ok(Self(stream))
        };
        within(asked).await.map_err(|error| Unreachable(format!("{address}: {error}")))
    }
}

impl PeerPieces {
    /// What a shard has of a vhost that was closed for the move of this id.
    ///
    /// # Errors
    /// [`Unreachable`].
    pub(super) async fn of_vhost(
        address: &str,
        secret: &[u8; SECRET_BYTES],
        moving: &VhostMove,
    ) -> Result<Self, Unreachable> {
        let VhostMove { vhost, id, from, .. } = moving;
        let mut hello = [&HELLO_VHOST[..], secret, &from.to_be_bytes(), &id.to_be_bytes()].concat();
        push_text(&mut hello, vhost);
        let asked = async {
            let mut stream = TcpStream::connect(address).await?;
            stream.write_all(&hello).await?;
            Ok(Self(stream))
        };
        within(asked).await.map_err(|error| Unreachable(format!("{address}: {error}")))
    }
}

impl Pieces for PeerPieces {
    async fn next(&mut self) -> Result<Vec<u8>, Unreachable> {
        within(receive(&mut self.0)).await.map_err(|error| Unreachable(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_text_that_is_too_long_is_cut_between_two_characters() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        for (said, heard) in [
            ("x".repeat(1025), "x".repeat(1024)),
            (format!("x{}", "é".repeat(600)), format!("x{}", "é".repeat(511))),
        ] {
            let mut bytes = Vec::new();
            push_text(&mut bytes, &said);
            push_text(&mut bytes, "next");
            let mut near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            near.write_all(&bytes).await.unwrap();
            let (mut far, _) = listener.accept().await.unwrap();
            assert_eq!(
                (text(&mut far).await.unwrap(), text(&mut far).await.unwrap()),
                (heard, "next".to_owned())
            );
        }
    }
}
