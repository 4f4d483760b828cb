//! The terminal: raw, and as it was when this is dropped.

use std::io::{self, Write as _};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::stdio::{stdin, stdout};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::frame::Size;
use super::view::{Key, keys};

/// The other screen, and no cursor; and back.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
/// Bytes of keys that are read at a time.
const KEYS_BYTES: usize = 256;

/// A raw terminal.
pub struct Terminal {
    before: Termios,
    signals: Signals,
}

impl Terminal {
    /// Takes it over.
    pub fn open() -> io::Result<Self> {
        let signals = Signals::listen()?;
        let before = tcgetattr(stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(stdin(), OptionalActions::Now, &raw)?;
        let terminal = Self { before, signals };
        put(ENTER)?;
        Ok(terminal)
    }

    /// How large it is now.
    pub fn size(&self) -> Size {
        let size = tcgetwinsize(stdout()).ok().filter(|size| size.ws_col > 0 && size.ws_row > 0);
        let (columns, rows) = size.map_or((80, 24), |size| (size.ws_col, size.ws_row));
        Size { columns: columns.into(), rows: rows.into() }
    }

    /// Draws over what was drawn before, without a flicker.
    pub fn draw(&mut self, lines: &[String]) -> io::Result<()> {
        put(&format!("\x1b[H{}\x1b[K\x1b[J", lines.join("\x1b[K\r\n")))
    }

    /// The keys that are pressed within this time, which may be less.
    pub fn keys(&mut self, wait: Duration) -> io::Result<Vec<Key>> {
        let input = stdin();
        let timeout = Timespec::try_from(wait).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(&input, PollFlags::IN)], Some(&timeout)) {
            Ok(0) | Err(Errno::INTR) => {
                return Ok(if self.signals.has_come() { vec![Key::Interrupt] } else { Vec::new() });
            }
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let mut bytes = [0; KEYS_BYTES];
        match rustix::io::read(input, &mut bytes) {
            // The terminal is gone.
            Ok(0) => Ok(vec![Key::Interrupt]),
            Ok(count) => Ok(keys(bytes.get(..count).unwrap_or_default())),
            Err(Errno::INTR | Errno::AGAIN) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }
}

/// What else asks for the end. Without this the process would end at once, and leave the terminal raw.
struct Signals {
    runtime: Runtime,
    signals: [Signal; 2],
}

impl Signals {
    fn listen() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_io().build()?;
        let inside = runtime.enter();
        let signals = [signal(SignalKind::terminate())?, signal(SignalKind::hangup())?];
        drop(inside);
        Ok(Self { runtime, signals })
    }

    fn has_come(&mut self) -> bool {
        let Self { runtime, signals: [terminate, hang_up] } = self;
        runtime.block_on(async {
            // One turn of the runtime, in which it hears of what has come.
            tokio::task::yield_now().await;
            tokio::select! {
                biased;
                _ = terminate.recv() => true,
                _ = hang_up.recv() => true,
                () = std::future::ready(()) => false,
            }
        })
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = put(LEAVE);
        let _ = tcsetattr(stdin(), OptionalActions::Now, &self.before);
    }
}

fn put(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
