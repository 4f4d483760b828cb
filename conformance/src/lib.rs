//! A black-box conformance suite for AMQP 0-9-1 brokers. It depends on no crate of Coney.
