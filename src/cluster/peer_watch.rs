//! How a node finds out that another's process has ended: it keeps a connection to its peer port. When a process ends, its machine closes
//! that, and refuses the next one.
//!
//! All that may as well be a network that fails counts for nothing: no answer, no route, a connection that is lost and can be made again.

use super::log::Unreachable;
use super::peer::HELLO_WATCH;
use super::proxy_header::{Secret, WELCOME};
use crate::broker::Clock;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, ToSocketAddrs};
use tokio::time::timeout;

/// A node that is there answers within this.
const ANSWER_MAX: Duration = Duration::from_secs(1);
/// So often whoever watches says that it is there.
const SAYS_EVERY: Duration = Duration::from_secs(5);
/// One that has not said it for so long is gone itself.
const SILENCE_MAX: Duration = Duration::from_secs(20);
/// A process that ends closes one thing after the other: so often it is looked whether it has closed its port.
const LOOKS: u32 = 20;
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Holds it until whoever watches is gone.
pub(super) async fn hold(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(&[WELCOME]).await?;
    let mut said = [0; 16];
    while timeout(SILENCE_MAX, stream.read(&mut said)).await?? > 0 {}
    Ok(())
}

/// Waits until nobody listens any more at this address, `HOST:PORT`, where somebody was that knows the secret.
///
/// # Errors
/// [`Unreachable`]: it is not known whether somebody is there.
pub(super) async fn outlive(address: &str, secret: &Secret, clock: Clock) -> Result<(), Unreachable> {
    watch(address, secret, clock).await.map_err(|error| Unreachable(format!("{address}: {error}")))
}

async fn watch(address: &str, secret: &Secret, clock: Clock) -> io::Result<()> {
    let mut stream = timeout(ANSWER_MAX, greet(address, secret)).await??;
    // A name may stand for several addresses.
    let address = stream.peer_addr()?;
    until_closed(&mut stream, clock).await?;
    for _ in 0..LOOKS {
        match timeout(ANSWER_MAX, greet(address, secret)).await? {
            Ok(_) => return Err(io::Error::other("it was closed, and somebody is there")),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return Ok(()),
            Err(error) if is_closed(&error) => clock.wait_for(Some(clock.now() + LOOK_EVERY)).await,
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("it was closed, and nobody answers there"))
}

/// A connection to somebody who is there.
async fn greet(address: impl ToSocketAddrs, secret: &Secret) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(&[&HELLO_WATCH[..], secret].concat()).await?;
    match stream.read_u8().await? {
        WELCOME => Ok(stream),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "it answers something else than a node does")),
    }
}

/// Whether the other side has closed a connection, by what it failed with.
fn is_closed(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}

/// Says now and then that this node is there, until the other closes the connection.
///
/// # Errors
/// It ended in another way.
async fn until_closed(stream: &mut TcpStream, clock: Clock) -> io::Result<()> {
    loop {
        let again = clock.now() + SAYS_EVERY;
        let done = tokio::select! {
            read = stream.read_u8() => read.map(drop),
            () = clock.wait_for(Some(again)) => stream.write_all(&[0]).await,
        };
        match done {
            Ok(()) => {}
            Err(error) if is_closed(&error) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::peer::{Wish, wish};
    use super::*;
    use tokio::net::TcpListener;

    const SECRET: Secret = [9; 32];

    /// Somebody who is watched, and what whoever watches finds out.
    async fn watched() -> (TcpListener, TcpStream, tokio::task::JoinHandle<Result<(), Unreachable>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let found = tokio::spawn(async move { outlive(&address, &SECRET, Clock::system()).await });
        let (mut stream, _) = listener.accept().await.unwrap();
        assert_eq!(wish(&mut stream, &SECRET).await.unwrap(), Wish::Watch);
        stream.write_all(&[WELCOME]).await.unwrap();
        (listener, stream, found)
    }

    #[tokio::test]
    async fn who_was_there_and_refuses_connections_is_gone() {
        let (listener, stream, found) = watched().await;
        drop(listener);
        drop(stream);
        assert!(found.await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn who_ends_slowly_is_gone_when_nobody_listens() {
        let (listener, stream, found) = watched().await;
        drop(stream);
        drop(listener.accept().await.unwrap());
        drop(listener);
        assert!(found.await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn who_closes_a_connection_and_takes_the_next_is_there() {
        let (listener, stream, found) = watched().await;
        drop(stream);
        let (mut stream, _) = listener.accept().await.unwrap();
        assert_eq!(wish(&mut stream, &SECRET).await.unwrap(), Wish::Watch);
        stream.write_all(&[WELCOME]).await.unwrap();
        assert!(found.await.unwrap().is_err());
    }

    #[tokio::test]
    async fn of_who_was_never_there_and_who_does_not_answer_nothing_is_known() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        assert!(outlive(&address, &SECRET, Clock::system()).await.is_err(), "it does not answer");
        drop(listener);
        assert!(outlive(&address, &SECRET, Clock::system()).await.is_err(), "it was never there");
        let (_listener, stream, found) = watched().await;
        drop(stream);
        assert!(found.await.unwrap().is_err(), "it does not refuse");
    }

    #[tokio::test]
    async fn whoever_does_not_know_the_secret_may_not_watch() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let found = tokio::spawn(async move { outlive(&address, &[8; 32], Clock::system()).await });
        let (mut stream, _) = listener.accept().await.unwrap();
        assert!(wish(&mut stream, &SECRET).await.is_err());
        drop(stream);
        assert!(found.await.unwrap().is_err());
    }
}
