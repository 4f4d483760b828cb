//! What somebody does who wants the broker to fail. Each was found by attacking it, and is kept.

mod descriptors;
mod memory;
