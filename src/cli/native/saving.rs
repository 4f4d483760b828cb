//! `coney save` and `coney load`: a queue's messages in a file, a line each, without loss.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value;

use super::broker::{Broker, Place, Vhost, request};
use super::error::NativeError;
use super::human;
use crate::cli::client::path;
use crate::cli::out::{say, say_bytes};

/// Bytes that are sent in a request. The broker takes 20 MB.
const REQUEST_BYTES: usize = 8 * 1024 * 1024;
/// A line may come on top, up to this.
const REQUEST_BYTES_MAX: usize = 20_000_000;

/// The arguments of `coney save`.
#[derive(Args)]
#[command(
    after_help = "Consumers do not get the messages while they are written; afterwards they are as they were.\n\nExamples:\n  coney save orders orders.ndjson\n  coney save orders | jq -r .payload"
)]
pub struct Save {
    /// The queue
    queue: String,
    /// The file; if not given, or -, standard output
    file: Option<PathBuf>,
    #[command(flatten)]
    vhost: Vhost,
    #[command(flatten)]
    place: Place,
}

/// The arguments of `coney load`.
#[derive(Args)]
#[command(after_help = "Example:\n  coney load orders orders.ndjson")]
pub struct Load {
    /// The queue, which has to be there
    queue: String,
    /// The file; - is standard input
    file: PathBuf,
    #[command(flatten)]
    vhost: Vhost,
    #[command(flatten)]
    place: Place,
}

impl Save {
    /// Does it.
    pub fn run(&self) -> Result<(), NativeError> {
        let broker = self.place.find()?;
        let path = path::api(&["coney", "queues", &self.vhost.name, &self.queue, "export"]);
        let what = format!("queue {}", self.queue);
        let mut lines = broker.lines(&path, &what, "`coney queues` lists queues")?;
        let mut next = || lines.next_line().map_err(|source| request(&what, "", source));
        let Some(file) = self.file.as_deref().filter(|file| *file != Path::new("-")) else {
            while let Some(line) = next()? {
                say_bytes(format!("{line}\n").as_bytes())?;
            }
            return Ok(());
        };
        let failed = |source| NativeError::File { path: file.to_owned(), source };
        let mut out = BufWriter::new(File::create(file).map_err(failed)?);
        let (mut count, mut broke) = (0, None);
        loop {
            match next() {
                Ok(Some(line)) => writeln!(out, "{line}").map_err(failed)?,
                Ok(None) => break,
                Err(error) => {
                    broke = Some(error);
                    break;
                }
            }
            count += 1;
        }
        if let Some(error) = broke {
            out.flush().map_err(failed)?;
            let had = human::counted(count, "message");
            let file = file.display();
            return Err(NativeError::Failed(format!("{error}; {file} has only the first {had}")));
        }
        out.into_inner().map_err(|error| failed(error.into_error()))?.sync_all().map_err(failed)?;
        Ok(say(&format!("{} saved to {}\n", human::counted(count, "message"), file.display()))?)
    }
}

impl Load {
    /// Does it.
    pub fn run(&self) -> Result<(), NativeError> {
        let broker = self.place.find()?;
        let failed = |source| NativeError::File { path: self.file.clone(), source };
        let mut reader: Box<dyn BufRead> = match self.file.as_path() {
            path if path == Path::new("-") => Box::new(io::stdin().lock()),
            path => Box::new(BufReader::new(File::open(path).map_err(failed)?)),
        };
        let (mut batch, mut count) = (String::new(), 0);
        loop {
            let is_end = reader.read_line(&mut batch).map_err(failed)? == 0;
            if batch.len() > REQUEST_BYTES_MAX {
                return Err(NativeError::Failed(format!(
                    "{}: after {count} messages a line is longer than the {REQUEST_BYTES_MAX} bytes that a broker takes",
                    self.file.display()
                )));
            }
            if batch.len() >= REQUEST_BYTES || (is_end && !batch.is_empty()) {
                count += self.send(&broker, std::mem::take(&mut batch), count)?;
            }
            if is_end {
                break;
            }
        }
        Ok(say(&format!(
            "{} loaded into {}\n",
            human::counted(count, "message"),
            human::harmless(&self.queue)
        ))?)
    }

    fn send(&self, broker: &Broker, lines: String, before: u64) -> Result<u64, NativeError> {
        let path = path::api(&["coney", "queues", &self.vhost.name, &self.queue, "import"]);
        let what = match before {
            0 => format!("queue {}", self.queue),
            _ => format!("queue {}, which has {before} messages of the file already", self.queue),
        };
        let answer =
            broker.post_text(&path, lines, &what, &format!("`coney declare {}` makes it", self.queue))?;
        Ok(answer.get("imported").and_then(Value::as_u64).unwrap_or_default())
    }
}
