//! What tests share.

pub mod virtual_time;
