//! `coney export` and `coney import`: definitions, as RabbitMQ writes them.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value;

use super::broker::Place;
use super::error::NativeError;
use crate::cli::client::path;
use crate::cli::out::say;

/// The arguments of `coney export`.
#[derive(Args)]
#[command(
    after_help = "The file has password hashes: keep it private.\n\nExamples:\n  coney export definitions.json\n  coney export | jq .queues"
)]
pub struct Export {
    /// The file; if not given, or -, standard output
    file: Option<PathBuf>,
    /// What is in this virtual host, without users
    #[arg(short = 'V', long, value_name = "VHOST")]
    vhost: Option<String>,
    #[command(flatten)]
    place: Place,
}

/// The arguments of `coney import`.
#[derive(Args)]
#[command(after_help = "A file with a fault changes nothing.\n\nExample:\n  coney import definitions.json")]
pub struct Import {
    /// The file; - is standard input
    file: PathBuf,
    /// Into this virtual host, if it is the export of one
    #[arg(short = 'V', long, value_name = "VHOST")]
    vhost: Option<String>,
    #[command(flatten)]
    place: Place,
}

impl Export {
    /// Does it.
    pub fn run(&self) -> Result<(), NativeError> {
        let broker = self.place.find()?;
        let hint = "`coney ctl list_vhosts` lists virtual hosts";
        let definitions: Value = broker.get(&path_of(self.vhost.as_deref()), "definitions", hint)?;
        let text = format!("{definitions:#}\n");
        match self.file.as_deref().filter(|file| *file != Path::new("-")) {
            None => Ok(say(&text)?),
            Some(path) => {
                let path: PathBuf = path.to_owned();
                std::fs::write(&path, text).map_err(|source| NativeError::File { path, source })
            }
        }
    }
}

impl Import {
    /// Does it.
    pub fn run(&self) -> Result<(), NativeError> {
        let read = match self.file.as_path() {
            path if path == Path::new("-") => std::io::read_to_string(std::io::stdin()),
            path => std::fs::read_to_string(path),
        };
        let text = read.map_err(|source| NativeError::File { path: self.file.clone(), source })?;
        let broker = self.place.find()?;
        let hint = "`coney ctl list_vhosts` lists virtual hosts";
        broker.post_text(&path_of(self.vhost.as_deref()), text, "import", hint)?;
        Ok(say("imported\n")?)
    }
}

fn path_of(vhost: Option<&str>) -> String {
    vhost.map_or_else(|| path::api(&["definitions"]), |vhost| path::api(&["definitions", vhost]))
}
