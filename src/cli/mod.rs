//! What a user tells the `coney` binary: arguments, environment and a TOML file, and the settings that they make.

mod args;
mod file;
mod flags;
mod load;
mod names;
mod resolve;
mod settings;
mod source;
mod store;
#[cfg(test)]
mod tests;
mod value;
mod variables;

pub use args::{Args, Command};
pub use load::{load_config, warn_of_misspelt_env};
pub use names::{Program, detach};
pub use source::ConfigError;
