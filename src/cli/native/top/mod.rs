//! `coney top`: queues, live. [`snapshot`] reads what there is, [`frame`] draws it, [`view`] knows what keys do, [`terminal`] is the terminal; only this
//! file and that one do anything.

mod frame;
mod snapshot;
#[cfg(unix)]
mod terminal;
mod view;

use std::io::IsTerminal as _;
use std::time::Duration;

use clap::Args;

use self::frame::{Size, frame};
use self::snapshot::Snapshot;
use self::view::View;
use super::broker::{Broker, Place};
use super::error::NativeError;
use super::queue_row::{Sort, list_path};
use super::values::duration;
use crate::cli::out::say;

/// The arguments of `coney top`.
#[derive(Args)]
#[command(
    after_help = "Keys: q quits, s sorts by the next column, r reverses, / filters, space pauses, arrows and page keys scroll.\n\nExamples:\n  coney top\n  coney top --once --sort ready"
)]
pub struct Top {
    /// Show it once, without keys and colours
    #[arg(long)]
    once: bool,
    /// How often to look
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration)]
    interval: Duration,
    /// What to sort by
    #[arg(long, value_enum, default_value_t = Sort::Ready)]
    sort: Sort,
    /// Those whose name has this in it; with * and ? those whose whole name it covers
    #[arg(long, value_name = "PATTERN", default_value = "")]
    filter: String,
    /// Those of this virtual host; if not given, all
    #[arg(short = 'V', long, value_name = "VHOST")]
    vhost: Option<String>,
    #[command(flatten)]
    place: Place,
}

impl Top {
    /// Does it.
    pub fn run(&self) -> Result<(), NativeError> {
        let broker = self.place.find()?;
        let view = View::new(self.sort, self.filter.clone());
        let has_terminal = std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
        #[cfg(unix)]
        if !self.once && has_terminal {
            return self.follow(&broker, view);
        }
        let _ = has_terminal;
        let snapshot = self.look(&broker)?;
        let size = Size { columns: 80, rows: snapshot.queues.len() + frame::FURNITURE_ROWS };
        Ok(say(&(frame(&snapshot, &view, size, false).join("\n") + "\n"))?)
    }

    /// Until somebody quits. A broker that does not answer is waited for.
    #[cfg(unix)]
    fn follow(&self, broker: &Broker, mut view: View) -> Result<(), NativeError> {
        let mut terminal = terminal::Terminal::open()?;
        let mut snapshot = self.look(broker)?;
        let is_coloured = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let clock = coney::Clock::system();
        let mut looked = clock.now();
        loop {
            let size = terminal.size();
            terminal.draw(&frame(&snapshot, &view, size, is_coloured))?;
            let left = self.interval.saturating_sub(clock.now().since(looked));
            let keys = terminal.keys(left)?;
            let rows = size.rows.saturating_sub(frame::FURNITURE_ROWS);
            let shown = frame::shown(&snapshot, &view).len();
            for key in keys {
                if view.press(key, shown, rows) {
                    return Ok(());
                }
            }
            if clock.now().since(looked) >= self.interval {
                looked = clock.now();
                if !view.is_paused {
                    match self.look(broker) {
                        Ok(new) => snapshot = new,
                        Err(error) => snapshot.problem = Some(error.to_string()),
                    }
                }
            }
        }
    }

    fn look(&self, broker: &Broker) -> Result<Snapshot, NativeError> {
        let overview = broker.get("/api/overview", "the overview", "")?;
        // Who may not see nodes sees the rest.
        let nodes = broker.get("/api/nodes", "the node", "").unwrap_or_default();
        let hint = "`coney ctl list_vhosts` lists virtual hosts";
        let queues = broker.get(&list_path(self.vhost.as_deref()), "queues", hint)?;
        Ok(Snapshot::of(&overview, nodes.get(0), &queues))
    }
}
