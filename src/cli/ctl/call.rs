//! A command line that is being done: its arguments, and the broker that it asks.

use std::cell::OnceCell;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::failure::Failure;
use super::options::Options;
use super::output::Form;
use super::program::Program;
use crate::cli::client::find::{Search, find};
use crate::cli::client::path::api;
use crate::cli::client::{Client, ClientError};
use crate::cli::out::say;

/// The vhost of those who name none.
const VHOST: &str = "/";

/// A command line.
pub struct Call {
    /// The program.
    pub program: Program,
    /// The options.
    pub options: Options,
    /// The arguments after the command.
    pub arguments: Vec<String>,
    /// The form of the answer.
    pub form: Form,
    client: OnceCell<Client>,
    node: OnceCell<Value>,
}

impl Call {
    /// Asks nothing yet.
    pub fn new(program: Program, options: Options, arguments: Vec<String>, form: Form) -> Self {
        Self { program, options, arguments, form, client: OnceCell::new(), node: OnceCell::new() }
    }

    /// An argument; empty if there are not so many.
    pub fn argument(&self, index: usize) -> &str {
        self.arguments.get(index).map_or("", String::as_str)
    }

    /// The vhost.
    pub fn vhost(&self) -> &str {
        self.options.value("vhost").unwrap_or(VHOST)
    }

    /// Whether only the answer itself is wanted.
    pub fn is_quiet(&self) -> bool {
        self.options.has("quiet") || self.options.has("silent") || self.form.is_for_programs()
    }

    /// Seconds of `--timeout`.
    pub fn timeout_s(&self) -> Option<u64> {
        self.options.value("timeout")?.parse().ok()
    }

    /// Says what is being done, to people.
    pub fn say(&self, text: impl AsRef<str>) -> Result<(), Failure> {
        if self.is_quiet() {
            return Ok(());
        }
        Ok(say(&format!("{}\n", text.as_ref()))?)
    }

    /// The broker.
    pub fn client(&self) -> Result<&Client, Failure> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let search = Search {
            socket: self.options.value("socket").map(PathBuf::from),
            data_dir: self.options.value("data-dir").map(PathBuf::from),
            ..Search::default()
        };
        let mut client = find(&search, |name| std::env::var_os(name))?;
        if let Some(wait) = self.timeout_s() {
            client.set_wait(Duration::from_secs(wait));
        }
        Ok(self.client.get_or_init(|| client))
    }

    /// What is at `/api/` and these pieces.
    pub fn get(&self, pieces: &[&str]) -> Result<Value, Failure> {
        self.ask(pieces)?.map_err(Failure::from)
    }

    /// The same, with the refusal to look at.
    pub fn ask(&self, pieces: &[&str]) -> Result<Result<Value, ClientError>, Failure> {
        Ok(self.client()?.get(&api(pieces)))
    }

    /// What is known of the node.
    pub fn about(&self) -> Result<&Value, Failure> {
        if let Some(node) = self.node.get() {
            return Ok(node);
        }
        let node = self.get(&["coney", "node"])?;
        Ok(self.node.get_or_init(|| node))
    }

    /// The node's name.
    pub fn node(&self) -> Result<&str, Failure> {
        Ok(self.about()?.get("name").and_then(Value::as_str).unwrap_or_default())
    }
}
