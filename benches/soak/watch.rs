//! What the process takes over time: memory, descriptors, threads, disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::clients::Shared;

/// How often it looks, and how often it says so.
const LOOK: Duration = Duration::from_secs(5);
const TELL: Duration = Duration::from_secs(30);
/// Memory may differ so much between the beginning and the end of the time without kills: the caches of the store, and chance.
const MEMORY_MAX: (f64, f64) = (1.1, 8.0);
/// Descriptors: files of the store come and go, clients too.
const DESCRIPTORS_MAX: (f64, f64) = (1.1, 10.0);
const THREADS_MAX: (f64, f64) = (1.0, 1.0);
/// The store takes room until it gives it back.
const DISK_MAX: (f64, f64) = (1.25, 128.0);

struct Sample {
    memory_mib: f64,
    descriptors: f64,
    threads: f64,
    disk_mib: f64,
}

pub struct Watch {
    dir: PathBuf,
    begun: Instant,
    looked: Instant,
    told: Instant,
    steady: Vec<Sample>,
}

impl Watch {
    pub const HEAD: &str = "   time  confirmed   resident  descriptors  threads    disk";

    pub fn new(dir: &Path) -> Self {
        let now = Instant::now();
        Self { dir: dir.into(), begun: now, looked: now, told: now, steady: Vec::new() }
    }

    /// Looks if it is time to. What `is_steady` is kept.
    pub fn look(&mut self, shared: &Shared, is_steady: bool) {
        if self.looked.elapsed() < LOOK {
            return;
        }
        self.looked = Instant::now();
        let Some(sample) = shared.broker.pid().and_then(|pid| self.sample(pid)) else { return };
        if self.told.elapsed() >= TELL {
            self.told = Instant::now();
            let Sample { memory_mib, descriptors, threads, disk_mib } = sample;
            let (time, confirmed) = (self.begun.elapsed().as_secs(), shared.confirmed());
            println!("{time:7} {confirmed:10} {memory_mib:10.1} {descriptors:12} {threads:8} {disk_mib:7.0}");
        }
        if is_steady {
            self.steady.push(sample);
        }
    }

    fn sample(&self, pid: u32) -> Option<Sample> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let field = |name: &str| -> Option<f64> {
            status.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
        };
        Some(Sample {
            memory_mib: field("VmRSS:")? / 1024.0,
            threads: field("Threads:")?,
            descriptors: fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count() as f64,
            disk_mib: bytes_in(&self.dir) as f64 / 1_048_576.0,
        })
    }

    /// What grew while nobody killed it: the second fifth of that time beside the last.
    pub fn findings(&self) -> Vec<String> {
        let fifth = self.steady.len() / 5;
        if fifth < 3 {
            return vec![format!("{} samples are too few to tell whether anything grows", self.steady.len())];
        }
        let (early, late) = (&self.steady[fifth..2 * fifth], &self.steady[self.steady.len() - fifth..]);
        let mut findings = Vec::new();
        for (name, value, (times, more)) in [
            ("resident memory, MiB", (|sample| sample.memory_mib) as fn(&Sample) -> f64, MEMORY_MAX),
            ("descriptors", |sample| sample.descriptors, DESCRIPTORS_MAX),
            ("threads", |sample| sample.threads, THREADS_MAX),
            ("disk, MiB", |sample| sample.disk_mib, DISK_MAX),
        ] {
            let (early, late) = (median(early, value), median(late, value));
            println!("{name}: {early:.1}, and in the end {late:.1}");
            if late > early * times + more {
                findings.push(format!("{name} grew from {early:.1} to {late:.1}"));
            }
        }
        findings
    }
}

fn median(samples: &[Sample], value: fn(&Sample) -> f64) -> f64 {
    let mut values: Vec<f64> = samples.iter().map(value).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Of all files, as far as they can be seen: some go meanwhile.
fn bytes_in(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    let of = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => bytes_in(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    };
    entries.flatten().map(of).sum()
}
