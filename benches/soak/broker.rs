//! The process: started, killed, started again on the same directory and ports.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::Result;

/// How long an orderly end may take.
const STOP_MAX: Duration = Duration::from_secs(20);

pub struct Broker {
    binary: PathBuf,
    dir: PathBuf,
    /// The process, while there is one.
    child: Mutex<Option<Child>>,
    amqp: String,
    http: String,
    lives: AtomicU64,
    is_up: AtomicBool,
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Broker {
    /// On free ports, which it keeps.
    pub fn start(binary: &Path, dir: &Path) -> Result<Self> {
        let (child, amqp, http) = start(binary, dir, "127.0.0.1:0", "127.0.0.1:0")?;
        Ok(Self {
            binary: binary.into(),
            dir: dir.into(),
            child: Mutex::new(Some(child)),
            amqp,
            http,
            lives: AtomicU64::new(1),
            is_up: AtomicBool::new(true),
        })
    }

    /// For lapin.
    pub fn uri(&self) -> String {
        format!("amqp://guest:guest@{}/%2f", self.amqp)
    }

    /// `host:port` of the management API.
    pub fn http(&self) -> &str {
        &self.http
    }

    /// Which of its lives this is, from 1.
    pub fn life(&self) -> u64 {
        self.lives.load(Ordering::SeqCst)
    }

    /// Whether nobody is about to kill it, and it serves.
    pub fn is_up(&self) -> bool {
        self.is_up.load(Ordering::SeqCst)
    }

    pub fn pid(&self) -> Option<u32> {
        self.child.lock().expect("nothing panics with it").as_ref().map(Child::id)
    }

    /// SIGKILL, and a new life.
    pub async fn kill_and_start(&self) -> Result<()> {
        self.is_up.store(false, Ordering::SeqCst);
        self.lives.fetch_add(1, Ordering::SeqCst);
        self.kill();
        let (binary, dir, amqp, http) =
            (self.binary.clone(), self.dir.clone(), self.amqp.clone(), self.http.clone());
        let started = tokio::task::spawn_blocking(move || start(&binary, &dir, &amqp, &http)).await?;
        *self.child.lock().expect("nothing panics with it") = Some(started?.0);
        self.is_up.store(true, Ordering::SeqCst);
        Ok(())
    }

    fn kill(&self) {
        if let Some(mut child) = self.child.lock().expect("nothing panics with it").take() {
            // It may have ended already.
            let _ = child.kill().and_then(|()| child.wait());
        }
    }

    /// SIGTERM; what was wrong with its end.
    pub async fn stop(&self) -> Option<String> {
        self.is_up.store(false, Ordering::SeqCst);
        let mut child = self.child.lock().expect("nothing panics with it").take()?;
        if let Some(pid) = Pid::from_raw(child.id() as i32) {
            // It may have ended already.
            let _ = kill_process(pid, Signal::TERM);
        }
        let begun = Instant::now();
        while begun.elapsed() < STOP_MAX {
            match child.try_wait() {
                Ok(None) => tokio::time::sleep(Duration::from_millis(20)).await,
                Ok(Some(status)) if status.success() => return None,
                Ok(Some(status)) => return Some(format!("the broker ended with {status}")),
                Err(error) => return Some(format!("the broker's end: {error}")),
            }
        }
        let _ = child.kill().and_then(|()| child.wait());
        Some(format!("the broker had not ended {STOP_MAX:?} after SIGTERM"))
    }
}

/// The process and its addresses, when it serves.
fn start(binary: &Path, dir: &Path, amqp: &str, http: &str) -> Result<(Child, String, String)> {
    let mut command = Command::new(binary);
    command.args([
        "--amqp",
        amqp,
        "--http",
        http,
        "--metrics",
        "127.0.0.1:0",
        "--log",
        "error",
        "--data-dir",
    ]);
    let mut child = command.arg(dir).stdout(Stdio::piped()).spawn()?;
    let output = child.stdout.take().ok_or("no standard output")?;
    for line in BufReader::new(output).lines() {
        let line = line?;
        let address = |scheme: &str| {
            let address = line.split_once(scheme)?.1.split([',', ';', ' ']).next()?;
            Some(address.trim_end_matches(':').to_owned())
        };
        if let Some((amqp, http)) = address("amqp://").zip(address("http://")) {
            return Ok((child, amqp, http));
        }
    }
    let status = child.wait()?;
    Err(format!("the broker did not start: {status}").into())
}
