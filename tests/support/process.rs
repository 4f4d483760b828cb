//! The real binary in a process of its own.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

/// A running broker; killed when dropped, for a test that fails.
pub struct Process {
    child: Child,
    address: String,
    started: Vec<String>,
    #[cfg(feature = "management")]
    http: Option<String>,
}

/// The binary with settings of its own: no variables of whoever runs the tests.
pub fn coney() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_coney"));
    for (name, _) in
        std::env::vars().filter(|(name, _)| name.starts_with("CONEY_") || name.starts_with("RABBITMQ_"))
    {
        command.env_remove(name);
    }
    // Tests run side by side: those that want HTTP say where.
    command.env("CONEY_HTTP", "none").env("CONEY_METRICS", "none");
    command
}

impl Process {
    /// Starts a broker on a free port with this data directory.
    pub fn start(dir: &Path) -> Self {
        Self::run(coney().args(["--amqp", "127.0.0.1:0", "--log", "warn", "--data-dir"]).arg(dir))
    }

    /// Runs the command, which has to start a broker.
    pub fn run(command: &mut Command) -> Self {
        Self::try_run(command).expect("the start-up line")
    }

    /// Runs the command; none if it ended before it had started a broker.
    pub fn try_run(command: &mut Command) -> Option<Self> {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut started: Vec<String> = Vec::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        // Ours is the last line.
        while !started.last().is_some_and(|line| line.starts_with("Coney ")) {
            let Some(line) = lines.next() else {
                assert!(!child.wait().unwrap().success());
                return None;
            };
            started.push(line);
        }
        let line = started.last().unwrap();
        assert!(line.contains(": startup complete in "), "{started:?}");
        let address_after = |scheme: &str| {
            let address = line.split(scheme).nth(1)?.split([',', ';', ' ']).next()?;
            Some(address.trim_end_matches(':').to_owned())
        };
        let address = address_after("amqp://").unwrap();
        Some(Self {
            child,
            address,
            #[cfg(feature = "management")]
            http: address_after("http://"),
            started,
        })
    }

    /// Waits until it ends by itself.
    pub fn wait(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// What it said on standard output when it had started, by line.
    pub fn started(&self) -> &[String] {
        &self.started
    }

    /// Host and port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Host and port of its management API, which it has to have.
    #[cfg(feature = "management")]
    pub fn http(&self) -> &str {
        self.http.as_deref().unwrap()
    }

    /// For lapin.
    pub fn uri(&self) -> String {
        format!("amqp://guest:guest@{}/%2f", self.address)
    }

    /// The most memory that it ever had resident, in bytes.
    #[cfg(target_os = "linux")]
    pub fn peak_memory(&self) -> usize {
        self.status("VmHWM")
    }

    /// The memory that it has resident now, in bytes.
    #[cfg(target_os = "linux")]
    pub fn resident_memory(&self) -> usize {
        self.status("VmRSS")
    }

    /// How many descriptors it has open.
    #[cfg(all(target_os = "linux", feature = "management"))]
    pub fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    #[cfg(target_os = "linux")]
    fn status(&self, name: &str) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
    }

    /// SIGKILL: no handler runs, nothing is flushed.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends a signal by its name, and waits for the end.
    pub fn signal(self, name: &str) -> ExitStatus {
        self.send(name);
        self.wait()
    }

    /// Sends a signal by its name.
    pub fn send(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command that has to fail at once; its status and what it said on standard error.
pub fn failing(command: &mut Command) -> (i32, String) {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    (child.wait().unwrap().code().unwrap(), said)
}
