//! The table: what an operation costs at each size, in processor time of this process, which other work on the machine changes
//! less than the time on the wall.

use std::time::Duration;

/// Sizes of most groups.
pub const SIZES: [u64; 4] = [1, 100, 10_000, 100_000];
/// Sizes of groups in which a thing takes a socket, a task or some milliseconds.
pub const FEWER: [u64; 3] = [1, 100, 10_000];
/// A cost may grow with the logarithm of the size, and so many times as much for caches that are smaller than what is there.
const SLACK: f64 = 2.0;
/// The least of so many is what the machine's other work disturbed least.
const ROUNDS: u32 = 3;
/// And of more of what takes little.
const SHORT_ROUNDS: u32 = 20;
const SHORT: Duration = Duration::from_millis(2);
/// What takes longer is measured once.
const LONG: Duration = Duration::from_millis(500);
const WIDTH: usize = 46;

/// What the command line asks for.
pub struct Table {
    group: String,
    row: String,
}

/// The rows of a group as they fill.
pub struct Rows {
    title: &'static str,
    wanted: String,
    column: usize,
    rows: Vec<(String, Vec<Option<f64>>)>,
}

impl Table {
    /// `GROUP`, or `GROUP: ROW`; either may be a part of the name.
    pub fn new(filter: &str) -> Self {
        let (group, row) = filter.split_once(": ").unwrap_or((filter, ""));
        Self { group: group.to_owned(), row: row.to_owned() }
    }

    /// Measures a group at each size and prints its rows.
    pub fn group(&self, title: &'static str, sizes: &[u64], mut measure: impl FnMut(u64, &mut Rows)) {
        if !title.contains(&self.group) {
            return;
        }
        let mut rows = Rows { title, wanted: self.row.clone(), column: 0, rows: Vec::new() };
        for (column, size) in sizes.iter().enumerate() {
            rows.column = column;
            measure(*size, &mut rows);
        }
        rows.print(sizes);
    }
}

impl Rows {
    /// An operation that `work` does `ops` times.
    pub fn row(&mut self, name: &str, ops: u64, mut work: impl FnMut()) {
        if name.contains(&self.wanted) {
            let least = least(|| cpu_of(&mut work));
            self.set(name, least, ops);
        }
    }

    /// An operation and the one that undoes it.
    pub fn pair(&mut self, names: [&str; 2], ops: u64, mut work: impl FnMut(), mut undo: impl FnMut()) {
        if !names.iter().any(|name| name.contains(&self.wanted)) {
            return;
        }
        let mut undone = Vec::new();
        let done = least(|| {
            let done = cpu_of(&mut work);
            undone.push(cpu_of(&mut undo));
            done
        });
        let undone = undone.into_iter().min().unwrap_or_default();
        self.set(names[0], done, ops);
        self.set(names[1], undone, ops);
    }

    /// What was measured elsewhere.
    pub fn set(&mut self, name: &str, taken: Duration, ops: u64) {
        let each = taken.as_nanos() as f64 / ops as f64;
        let known = self.rows.iter().position(|(known, _)| known == name);
        let row = known.unwrap_or_else(|| {
            self.rows.push((name.to_owned(), Vec::new()));
            self.rows.len() - 1
        });
        let cells = &mut self.rows[row].1;
        cells.resize(self.column, None);
        cells.push(Some(each));
    }

    fn print(&self, sizes: &[u64]) {
        print!("\n{:WIDTH$}", format!("With N {}, N =", self.title));
        sizes.iter().for_each(|size| print!(" {:>9}", grouped(*size)));
        println!();
        for (name, cells) in self.rows.iter().filter(|(name, _)| name.contains(&self.wanted)) {
            print!("{name:WIDTH$}");
            for column in 0..sizes.len() {
                print!(" {:>9}", cells.get(column).copied().flatten().map_or_else(String::new, shown));
            }
            println!("{}", if grows(sizes, cells) { "  grows" } else { "" });
        }
    }
}

/// Compared with the second size: with one thing everything is in a cache.
fn grows(sizes: &[u64], cells: &[Option<f64>]) -> bool {
    let known = || sizes.iter().zip(cells).filter_map(|(size, cell)| Some((*size as f64, (*cell)?)));
    let Some((small, cheap)) = known().nth(1) else { return false };
    known().skip(2).any(|(large, dear)| dear / cheap > SLACK * large.ln() / small.ln())
}

fn least(mut measure: impl FnMut() -> Duration) -> Duration {
    let mut least = measure();
    let rounds = if least < SHORT { SHORT_ROUNDS } else { ROUNDS };
    for _ in 1..rounds {
        if least < LONG {
            least = least.min(measure());
        }
    }
    least
}

/// The processor time of this process that some work took.
pub fn cpu_of(work: impl FnOnce()) -> Duration {
    let begun = cpu();
    work();
    cpu().saturating_sub(begun)
}

#[cfg(target_os = "linux")]
fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[cfg(not(target_os = "linux"))]
fn cpu() -> Duration {
    use std::sync::LazyLock;
    use std::time::Instant;
    static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);
    BEGUN.elapsed()
}

fn shown(ns: f64) -> String {
    match ns {
        ..1e3 => format!("{ns:.0} ns"),
        ..1e6 => format!("{:.1} us", ns / 1e3),
        ..1e9 => format!("{:.1} ms", ns / 1e6),
        _ => format!("{:.1} s", ns / 1e9),
    }
}

fn grouped(number: u64) -> String {
    if number < 1000 { number.to_string() } else { format!("{},{:03}", number / 1000, number % 1000) }
}
