//! Integration tests: one binary, a module a feature.

mod crash;
mod simulation;
mod support;
mod tidy;
