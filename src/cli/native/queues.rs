//! `coney queues`.

use std::io::IsTerminal as _;
use std::time::Duration;

use clap::Args;
use coney::Clock;
use serde_json::{Value, json};

use super::broker::Place;
use super::error::NativeError;
use super::human;
use super::queue_row::{QueueRow, Sort, list_path, sort};
use super::values::duration;
use crate::cli::out::say;
use crate::cli::table::Table;

/// The arguments of `coney queues`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  coney queues\n  coney queues 'orders.*' --sort ready\n  coney queues --vhost app --watch"
)]
pub struct Queues {
    /// Those whose name has this in it; with * and ? those whose whole name it covers
    #[arg(default_value = "")]
    pattern: String,
    /// Those of this virtual host; if not given, all
    #[arg(short = 'V', long, value_name = "VHOST")]
    vhost: Option<String>,
    /// What to sort by
    #[arg(long, value_enum, default_value_t)]
    sort: Sort,
    /// The other way round
    #[arg(long)]
    reverse: bool,
    /// Show them again and again, each second or so often
    #[arg(long, value_name = "INTERVAL", num_args = 0..=1, default_missing_value = "1s", value_parser = duration)]
    watch: Option<Duration>,
    /// As JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

impl Queues {
    /// Does it.
    pub fn run(&self) -> Result<(), NativeError> {
        let broker = self.place.find()?;
        let hint = "`coney ctl list_vhosts` lists virtual hosts";
        let look = || broker.get(&list_path(self.vhost.as_deref()), "queues", hint);
        let Some(interval) = self.watch else { return Ok(say(&self.text(&look()?))?) };
        let clear = if std::io::stdout().is_terminal() { "\x1b[H\x1b[2J" } else { "" };
        loop {
            say(&format!("{clear}{}", self.text(&look()?)))?;
            pause(interval)?;
        }
    }

    fn text(&self, answer: &Value) -> String {
        let mut rows = QueueRow::all_of(answer);
        rows.retain(|row| row.matches(&self.pattern));
        sort(&mut rows, self.sort, self.reverse);
        if self.json {
            return format!("{}\n", Value::from(rows.iter().map(object).collect::<Vec<_>>()));
        }
        if rows.is_empty() {
            let of = if self.pattern.is_empty() { "no queues" } else { "no queue of such a name" };
            return format!("{of}\n");
        }
        table(&rows)
    }
}

/// Waits without a thread's sleep, which the house does not use.
fn pause(interval: Duration) -> Result<(), NativeError> {
    let clock = Clock::system();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    runtime.block_on(async { clock.wait_for(Some(clock.now() + interval)).await });
    Ok(())
}

fn object(row: &QueueRow) -> Value {
    json!({
        "name": row.name, "vhost": row.vhost, "type": row.kind, "ready": row.ready, "unacked": row.unacked,
        "delayed": row.delayed, "parked": row.parked, "consumers": row.consumers, "in_rate": row.in_rate,
        "out_rate": row.out_rate, "memory": row.memory,
    })
}

/// The vhost is a column where there are several.
fn table(rows: &[QueueRow]) -> String {
    let has_several = rows.iter().any(|row| Some(&row.vhost) != rows.first().map(|row| &row.vhost));
    let mut columns = vec!["QUEUE", "TYPE", "READY", "UNACKED", "CONSUMERS", "IN/S", "OUT/S", "NOTES"];
    if has_several {
        columns.insert(0, "VHOST");
    }
    let mut table = Table::new(columns);
    let rounded = |rate: f64| json!((rate * 10.0).round() / 10.0);
    for row in rows {
        let mut cells = vec![
            json!(human::harmless(&row.name)),
            json!(row.kind),
            json!(row.ready),
            json!(row.unacked),
            json!(row.consumers),
            rounded(row.in_rate),
            rounded(row.out_rate),
            json!(row.notes()),
        ];
        if has_several {
            cells.insert(0, json!(human::harmless(&row.vhost)));
        }
        table.push(cells);
    }
    table.aligned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vhost_is_shown_where_there_are_several() {
        let row = |vhost: &str| QueueRow {
            name: "q\u{1b}".to_owned(),
            vhost: vhost.to_owned(),
            kind: "classic".to_owned(),
            ready: 12,
            in_rate: 0.25,
            ..QueueRow::default()
        };
        assert_eq!(
            table(&[row("/")]),
            "QUEUE    TYPE     READY  UNACKED  CONSUMERS  IN/S  OUT/S  NOTES\n\
             q\\u{1b}  classic     12        0          0   0.3    0.0  no consumer\n"
        );
        assert!(table(&[row("/"), row("v")]).starts_with("VHOST  QUEUE"));
    }
}
