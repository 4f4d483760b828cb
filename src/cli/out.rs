//! Standard output of the command line tools.

use std::io::{self, Write as _};
use std::process;

/// Writes a text. If the reader has gone, as in `coney queues | head`, the process ends: nobody wants the rest.
pub fn say(text: &str) -> io::Result<()> {
    say_bytes(text.as_bytes())
}

/// The same for what need not be text, such as a payload.
pub fn say_bytes(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => process::exit(0),
        done => done,
    }
}
