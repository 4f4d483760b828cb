//! A differential judge: random programs on two brokers, and what their clients observe compared.
//!
//! `program` says what a program is, `text` (over `values`) writes and reads it, `generator` (over `random`) makes one of a
//! seed. `interpreter` runs it through `client`s, awaits quiet points (`settle`) and gives an `observation` per operation, in
//! the short names of `names`; `shares` is the one operation that only measures. `comparison` finds the first difference of two
//! runs, `known` says which are known, `shrink` makes a program small, `judge` runs seeds and puts it all together, `report`
//! prints what came out.

pub mod comparison;
pub mod generator;
pub mod judge;
pub mod known;
pub mod program;
pub mod report;
pub mod shrink;
pub mod text;
pub mod values;

mod client;
mod interpreter;
mod names;
mod observation;
mod random;
mod settle;
mod shares;
