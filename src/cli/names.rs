//! Which program the binary is this time: by the name that it was called by, or by its first argument.
//!
//! `rabbitmqctl`, a link to the binary, is the same as `coney ctl` and as `coney rabbitmqctl`. To add a tool, add a line to [`TOOLS`].

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

#[cfg(feature = "management")]
use super::ctl;

/// What runs instead of a broker.
#[derive(Debug)]
pub struct Tool {
    /// The name that the binary has then.
    pub name: &'static str,
    /// The first argument of `coney` that means the same, beside the name itself.
    pub word: Option<&'static str>,
    /// Runs it with the arguments that follow.
    pub run: fn(Vec<OsString>) -> ExitCode,
}

/// The tools.
#[cfg(feature = "management")]
const TOOLS: &[Tool] = &[
    Tool { name: "rabbitmqctl", word: Some("ctl"), run: ctl::rabbitmqctl },
    Tool { name: "rabbitmq-diagnostics", word: Some("diagnostics"), run: ctl::rabbitmq_diagnostics },
    Tool { name: "rabbitmq-plugins", word: Some("plugins"), run: ctl::rabbitmq_plugins },
    Tool { name: "rabbitmq-queues", word: None, run: ctl::rabbitmq_queues },
    Tool { name: "rabbitmq-upgrade", word: Some("upgrade"), run: ctl::rabbitmq_upgrade },
    Tool { name: "rabbitmqadmin", word: Some("admin"), run: super::rabbitmqadmin::run },
];
/// They talk to the management API, which this build leaves out.
#[cfg(not(feature = "management"))]
const TOOLS: &[Tool] = &[
    Tool { name: "rabbitmqctl", word: Some("ctl"), run: not_built },
    Tool { name: "rabbitmq-diagnostics", word: Some("diagnostics"), run: not_built },
    Tool { name: "rabbitmq-plugins", word: Some("plugins"), run: not_built },
    Tool { name: "rabbitmq-queues", word: None, run: not_built },
    Tool { name: "rabbitmq-upgrade", word: Some("upgrade"), run: not_built },
    Tool { name: "rabbitmqadmin", word: Some("admin"), run: not_built },
];

/// The binary's name where it runs a broker as RabbitMQ's script does.
const SERVER: &str = "rabbitmq-server";

/// What a command line asks for.
#[derive(Debug)]
pub enum Program {
    /// A tool with its arguments.
    Tool(&'static Tool, Vec<OsString>),
    /// What clap makes of these arguments, the first of which is the program's name.
    Coney(Vec<OsString>),
    /// A broker with these arguments; whether it is to go on after the process has ended.
    Server {
        /// As for `Coney`.
        arguments: Vec<OsString>,
        /// `-detached`.
        is_detached: bool,
    },
}

#[cfg(not(feature = "management"))]
fn not_built(_: Vec<OsString>) -> ExitCode {
    eprintln!("coney: this binary was built without the feature `management`, which its tools need");
    ExitCode::from(69)
}

impl Program {
    /// Of a whole command line.
    pub fn of(arguments: impl IntoIterator<Item = OsString>) -> Self {
        let mut arguments: Vec<OsString> = arguments.into_iter().collect();
        let called = arguments.first().map(file_stem).unwrap_or_default();
        if let Some(tool) = TOOLS.iter().find(|tool| tool.name == called) {
            return Self::Tool(tool, arguments.split_off(1));
        }
        if called == SERVER {
            return Self::server(arguments);
        }
        let word = arguments.get(1).and_then(|word| word.to_str()).unwrap_or_default().to_owned();
        if let Some(tool) = TOOLS.iter().find(|tool| tool.name == word || tool.word == Some(&*word)) {
            return Self::Tool(tool, arguments.split_off(2));
        }
        if word == SERVER {
            return Self::server(arguments.split_off(1));
        }
        Self::Coney(arguments)
    }

    /// RabbitMQ's script takes one flag; those of Coney may follow.
    fn server(mut arguments: Vec<OsString>) -> Self {
        let before = arguments.len();
        arguments.retain(|argument| argument != "-detached");
        Self::Server { is_detached: arguments.len() < before, arguments }
    }
}

/// `rabbitmqctl` of `/usr/sbin/rabbitmqctl`, and of `rabbitmqctl.exe`.
fn file_stem(path: &OsString) -> String {
    let path = Path::new(path);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.strip_suffix(".exe").unwrap_or(&name).to_owned()
}

/// Starts the broker in a process of its own, which does not end with the terminal, and says nothing more.
pub fn detach(arguments: &[OsString]) -> std::io::Result<()> {
    use std::process::{Command, Stdio};
    let mut command = Command::new(std::env::current_exe()?);
    command.args(arguments.iter().skip(1));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command.spawn().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(line: &str) -> Program {
        Program::of(line.split(' ').map(OsString::from))
    }

    #[test]
    fn a_broker_is_the_rule_and_the_servers_script_is_one() {
        for line in ["coney", "/usr/bin/coney --ephemeral", "coney store check", "something-else -detached"] {
            assert!(
                matches!(program(line), Program::Coney(arguments) if arguments.len() == line.split(' ').count())
            );
        }
        for line in [
            "rabbitmq-server -detached",
            "/usr/sbin/rabbitmq-server -detached",
            "coney rabbitmq-server -detached",
        ] {
            let found = program(line);
            assert!(
                matches!(found, Program::Server { ref arguments, is_detached: true } if arguments.len() == 1),
                "{found:?}"
            );
        }
        assert!(matches!(
            program("rabbitmq-server --ephemeral"),
            Program::Server { arguments, is_detached: false } if arguments.len() == 2
        ));
    }

    #[test]
    fn a_tool_is_known_by_its_name_its_word_and_as_a_command() {
        for tool in TOOLS {
            let lines = [
                Some(format!("/usr/sbin/{}", tool.name)),
                Some(format!("coney {}", tool.name)),
                tool.word.map(|word| format!("coney {word}")),
            ];
            for line in lines.into_iter().flatten() {
                match program(&format!("{line} -q x")) {
                    Program::Tool(found, arguments) => {
                        assert_eq!((found.name, arguments.len()), (tool.name, 2), "{line}")
                    }
                    other => panic!("{line}: {other:?}"),
                }
            }
        }
    }
}
