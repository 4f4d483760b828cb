//! Worlds: virtual hosts that a test controls.

mod alike;
mod clock;
mod many;
#[cfg(feature = "management")]
mod over_amqp;
#[cfg(feature = "management")]
mod over_http;
mod snapshots;
mod support;
mod waiting;
