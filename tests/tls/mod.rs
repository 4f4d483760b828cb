//! TLS end to end: who is let in, with which certificate, and what it is to the rest of the broker.

mod handshakes;
mod logins;
mod pki;
#[cfg(feature = "management")]
mod shown;
mod support;
#[cfg(feature = "management")]
mod told;
mod traffic;
