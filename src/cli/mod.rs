//! What a user tells the `coney` binary: arguments, environment and configuration files, and the settings that they make.

mod announce;
mod args;
#[cfg(feature = "management")]
mod client;
#[cfg(feature = "cluster")]
mod cluster;
mod conf;
#[cfg(feature = "management")]
mod ctl;
#[cfg(test)]
mod documents;
mod face;
mod file;
mod flags;
mod inputs;
mod load;
mod man;
mod names;
#[cfg(feature = "management")]
mod native;
#[cfg(feature = "cluster")]
pub mod node;
#[cfg(feature = "management")]
mod out;
#[cfg(feature = "management")]
mod rabbitmqadmin;
mod resolve;
pub mod service_manager;
mod settings;
mod show;
mod source;
mod store;
#[cfg(feature = "management")]
mod table;
#[cfg(test)]
mod tests;
mod value;
mod variables;

pub use announce::announce;
pub use args::{Args, Command};
pub use face::parse;
pub use inputs::Inputs;
pub use load::{Loaded, load};
pub use man::Man;
pub use names::{Program, detach};
pub use show::toml as as_toml;
pub use source::ConfigError;
