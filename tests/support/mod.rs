//! What tests share.

pub mod broker;
pub mod client;
pub mod process;
pub mod raw;
pub mod virtual_time;
