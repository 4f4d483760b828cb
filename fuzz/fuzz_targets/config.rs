//! The configuration file: settings within their limits, or one line that says what is wrong.
#![no_main]

#[path = "../../src/cli/mod.rs"]
#[allow(unused, reason = "the binary uses all of it")]
mod cli;

use clap::Parser as _;
use coney::config::{FRAME_BYTES_CEILING, FRAME_BYTES_FLOOR, MESSAGE_BYTES_CEILING};
use libfuzzer_sys::fuzz_target;

thread_local! {
    static FILE: tempfile::NamedTempFile = tempfile::NamedTempFile::new().unwrap();
}

fuzz_target!(|text: &str| {
    FILE.with(|file| {
        std::fs::write(file.path(), text).unwrap();
        let args = cli::Args::try_parse_from(["coney", "--config", &file.path().to_string_lossy()]);
        match cli::load_config(args.unwrap_or_else(|error| panic!("{error}"))) {
            Ok(config) => {
                assert!((1..=MESSAGE_BYTES_CEILING).contains(&config.message_bytes_max));
                assert!((FRAME_BYTES_FLOOR..=FRAME_BYTES_CEILING).contains(&config.frame_bytes_max));
                assert!(config.channels_max > 0 && config.queue_bytes_in_memory > 0);
                assert!(!config.listen.is_empty());
            }
            Err(error) => {
                let said = format!("{error:#}");
                assert!(!said.contains('\n'), "not one line: {said}");
            }
        }
    });
});
