//! `coney store`: looks through a data directory that is damaged, and saves what is whole.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use coney::broker::queue_names;
use coney::message::QueueId;
use coney::store::rescue::{self, Examination, QueueState};

/// What can be done to a data directory that no broker uses.
#[derive(Subcommand)]
pub enum StoreCommand {
    /// Say what is damaged in a data directory, and which queues and messages are affected.
    ///
    /// All that is stored is read; nothing is changed. The broker must not be running: a copy of its directory will do.
    /// Exit status: 0 if nothing is damaged, 1 if anything is, or the directory cannot be read.
    #[command(verbatim_doc_comment)]
    Check {
        /// The data directory.
        dir: PathBuf,
    },
    /// Write all that can be read of a data directory into a new one, and say what was lost.
    ///
    /// The damaged directory is left as it is. A broker can be started on the new one at once.
    /// Messages that were acked may come back where the damage is to the record of that.
    /// Exit status: 0 if the new directory was written, 1 if not.
    #[command(verbatim_doc_comment)]
    Salvage {
        /// The data directory.
        dir: PathBuf,
        /// A directory that is empty, or does not exist.
        new_dir: PathBuf,
    },
}

impl StoreCommand {
    /// Does it, and says on standard output what was found.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Check { dir } => {
                let found = rescue::examine(&dir)?;
                say(&report(&found))?;
                Ok(if is_whole(&found) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
            }
            Self::Salvage { dir, new_dir } => {
                let found = rescue::salvage(&dir, &new_dir)?;
                let written = format!("Wrote what is whole to {}.\n", new_dir.display());
                say(&(report(&found) + &written))?;
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

fn say(text: &str) -> io::Result<()> {
    io::stdout().write_all(text.as_bytes())
}

fn is_whole(found: &Examination) -> bool {
    found.damage.is_empty() && found.queues.values().all(|queue| queue.lost == 0)
}

fn report(found: &Examination) -> String {
    let mut text = String::new();
    if is_whole(found) {
        text += "Nothing is damaged.\n";
    } else {
        text += "Damaged:\n";
    }
    for line in found.damage.iter().chain(&found.remarks) {
        line_of(&mut text, line);
    }
    let _ = writeln!(text, "Definitions that can be read: {}", found.definitions.len());
    text += "Messages by queue:\n";
    let names = queue_names(&found.definitions);
    for (id, state) in &found.queues {
        line_of(&mut text, &queue_line(*id, *state, &names));
    }
    text
}

fn line_of(text: &mut String, line: &str) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "  {line}");
}

fn queue_line(id: QueueId, state: QueueState, names: &HashMap<QueueId, (String, String)>) -> String {
    let QueueState { whole, lost } = state;
    let queue = match names.get(&id) {
        Some((vhost, name)) => format!("queue '{name}' in vhost '{vhost}'"),
        None => format!("a queue whose definition is gone (number {})", id.0),
    };
    format!("{queue}: {whole} whole, {lost} lost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_names_queues_and_counts() {
        let whole = Examination::default();
        assert!(is_whole(&whole) && report(&whole).starts_with("Nothing is damaged.\n"));
        let lost = QueueState { whole: 3, lost: 2 };
        let mut found = Examination { damage: vec!["a file: why".into()], ..Examination::default() };
        found.queues.insert(QueueId(7), lost);
        assert!(!is_whole(&found));
        let text = report(&found);
        assert!(text.contains("Damaged:\n  a file: why\n"), "{text}");
        assert!(text.contains("(number 7): 3 whole, 2 lost\n"), "{text}");
        let names = HashMap::from([(QueueId(7), ("/".to_owned(), "q".to_owned()))]);
        assert_eq!(queue_line(QueueId(7), lost, &names), "queue 'q' in vhost '/': 3 whole, 2 lost");
    }
}
