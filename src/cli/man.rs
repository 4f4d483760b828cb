//! `coney completions` and `coney man`: what shells and manuals know of the command line, made from it.

use std::path::PathBuf;

use clap::{Args, Command};
use clap_complete::Shell;

/// The arguments of `coney completions`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  coney completions bash > /usr/share/bash-completion/completions/coney\n  coney completions zsh > \"${fpath[1]}/_coney\"\n  coney completions fish > ~/.config/fish/completions/coney.fish"
)]
pub struct Completions {
    /// For this shell
    shell: Shell,
}

/// The arguments of `coney man`.
#[derive(Args)]
#[command(after_help = "Example:\n  coney man /usr/share/man/man1")]
pub struct Man {
    /// The directory, which is made if it is not there
    dir: PathBuf,
}

impl Completions {
    /// The script that completes this command line.
    pub fn script(&self, command: Command) -> Vec<u8> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut whole(command), "coney", &mut script);
        script
    }
}

impl Man {
    /// Writes a page for each command of this command line.
    pub fn write(&self, command: Command) -> std::io::Result<()> {
        std::fs::create_dir_all(&self.dir)?;
        clap_mangen::generate_to(whole(command), &self.dir)
    }
}

/// With `coney broker`, which takes the flags that `coney` takes.
fn whole(command: Command) -> Command {
    let broker = Command::new("broker")
        .about("Run a broker, as `coney` alone does")
        .args(command.get_arguments().cloned());
    command.subcommand(broker).disable_help_subcommand(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command() -> Command {
        Command::new("coney")
            .arg(clap::Arg::new("data-dir").long("data-dir"))
            .subcommand(Command::new("queues").arg(clap::Arg::new("sort").long("sort")))
    }

    #[test]
    fn shells_know_commands_and_flags() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = String::from_utf8(Completions { shell }.script(command())).unwrap();
            for word in ["queues", "broker", "sort", "data-dir"] {
                assert!(script.contains(word), "{shell}: {word}");
            }
        }
    }

    #[test]
    fn each_command_has_a_page() {
        let dir = tempfile::tempdir().unwrap();
        let below = dir.path().join("man1");
        Man { dir: below.clone() }.write(command()).unwrap();
        let page = |name: &str| std::fs::read_to_string(below.join(name)).unwrap();
        assert!(page("coney-queues.1").contains("sort"));
        assert!(page("coney.1").contains("queues") && page("coney-broker.1").contains("data"));
    }
}
