//! The configuration file: settings within their limits, or one line that says what is wrong.
#![no_main]

#[path = "../../src/cli/mod.rs"]
#[allow(unused, reason = "the binary uses all of it")]
mod cli;

use coney::config::{FRAME_BYTES_CEILING, FRAME_BYTES_FLOOR, MESSAGE_BYTES_CEILING};
use libfuzzer_sys::fuzz_target;

thread_local! {
    static FILE: tempfile::NamedTempFile = tempfile::NamedTempFile::new().unwrap();
}

fuzz_target!(|text: &str| {
    FILE.with(|file| {
        std::fs::write(file.path(), text).unwrap();
        let inputs = cli::Inputs { config: Some(file.path().to_owned()), ..Default::default() };
        match cli::load(inputs) {
            Ok(cli::Loaded { config, .. }) => {
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
