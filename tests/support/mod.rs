//! What tests share.

pub mod broker;
pub mod client;
#[cfg(feature = "management")]
pub mod http;
pub mod killing;
pub mod process;
pub mod raw;
pub mod seeds;
pub mod virtual_time;
