//! The `coney` binary.
fn main() {}
