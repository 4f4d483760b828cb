//! What tests share.

pub mod process;
pub mod virtual_time;
