//! Binding the listeners of one protocol.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::TcpListener;

use crate::amqp::listener;

/// Binds all of them. On a machine without IPv6 `[::1]` is left out where 127.0.0.1 has the same port, and `[::]` is
/// 0.0.0.0; where `[::]` takes IPv4 connections as well, 0.0.0.0 beside it has nothing left to take.
///
/// # Errors
/// The first address that cannot be bound, and why.
pub(super) fn bind_all(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, (SocketAddr, io::Error)> {
    let mut bound = Vec::with_capacity(addresses.len());
    let (any, others): (Vec<_>, Vec<_>) = addresses.iter().partition(|a| a.ip() == Ipv6Addr::UNSPECIFIED);
    for address in any.into_iter().chain(others) {
        match listener::bind(address) {
            Ok(listener) => bound.push(listener),
            Err(error) if is_spare(address, addresses, &bound, &error) => {
                tracing::debug!("{address} is left out: {error}");
            }
            Err(error) if address.ip() == Ipv6Addr::UNSPECIFIED && is_without_ipv6(&error) => {
                let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()));
                bound.push(listener::bind(any).map_err(|error| (any, error))?);
            }
            Err(error) => return Err((address, error)),
        }
    }
    Ok(bound)
}

/// Whether others listen for this one, which cannot.
fn is_spare(address: SocketAddr, wanted: &[SocketAddr], bound: &[TcpListener], error: &io::Error) -> bool {
    let beside = |ip: IpAddr| SocketAddr::new(ip, address.port());
    if address.ip() == Ipv6Addr::LOCALHOST {
        return is_without_ipv6(error) && wanted.contains(&beside(Ipv4Addr::LOCALHOST.into()));
    }
    let is_bound = |ip| bound.iter().any(|listener| listener.local_addr().is_ok_and(|at| at == beside(ip)));
    let is_in_use = error.kind() == io::ErrorKind::AddrInUse;
    let any = [Ipv6Addr::UNSPECIFIED.into(), Ipv4Addr::UNSPECIFIED.into()];
    address.ip() == Ipv4Addr::UNSPECIFIED && is_in_use && any.into_iter().any(is_bound)
}

/// The system has no IPv6 at all, or no address of it.
fn is_without_ipv6(error: &io::Error) -> bool {
    #[cfg(unix)]
    if error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error()) {
        return true;
    }
    matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(kind: io::ErrorKind) -> io::Error {
        kind.into()
    }

    #[tokio::test]
    async fn every_address_of_both_kinds_is_one_port() {
        let v6 = bind_all(&["[::]:0".parse().unwrap()]).unwrap();
        let port = v6[0].local_addr().unwrap().port();
        drop(v6);
        let both = [format!("0.0.0.0:{port}"), format!("[::]:{port}")].map(|text| text.parse().unwrap());
        let bound = bind_all(&both).unwrap();
        let client = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        assert!(client.peer_addr().is_ok() && !bound.is_empty());
        let (address, refused) = bind_all(&both).unwrap_err();
        assert_eq!((address.port(), refused.kind()), (port, io::ErrorKind::AddrInUse));
    }

    #[test]
    fn without_ipv6_its_loopback_address_is_spare_beside_the_other() {
        let [v6, v4, other] = ["[::1]:7", "127.0.0.1:7", "127.0.0.1:8"].map(|text| text.parse().unwrap());
        let absent = error(io::ErrorKind::AddrNotAvailable);
        assert!(is_spare(v6, &[v4, v6], &[], &absent));
        assert!(!is_spare(v6, &[other, v6], &[], &absent));
        assert!(!is_spare(v4, &[v4, v6], &[], &absent));
        assert!(!is_spare(v6, &[v4, v6], &[], &error(io::ErrorKind::AddrInUse)));
    }
}
