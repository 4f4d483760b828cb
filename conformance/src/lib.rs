//! A black-box conformance suite for AMQP 0-9-1 brokers. It depends on no crate of Coney.
//!
//! `check` says how a check ends, `case` what a case is, `cases` holds them all, `raw` speaks the protocol right or wrong
//! over `codec` and `methods`, `frames` puts contents together by hand, `management` speaks HTTP, `runner` runs cases and judges them with
//! `deviations`, `report` prints what came out.

pub mod case;
pub mod cases;
pub mod check;
pub mod codec;
pub mod deviations;
pub mod differential;
pub mod frames;
pub mod management;
pub mod methods;
pub mod raw;
pub mod report;
pub mod runner;
pub mod steps;
pub mod support;
pub mod target;
