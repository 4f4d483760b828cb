//! What is drawn: a pure function of what there is, of what is looked at, and of the terminal's size.

use super::snapshot::Snapshot;
use super::view::View;
use crate::cli::native::human;
use crate::cli::native::queue_row::{QueueRow, Sort, sort};

/// Rows that are no queues.
pub const FURNITURE_ROWS: usize = 6;
/// Columns of the numbers, with the gap before each.
const NUMBER_COLUMNS: usize = 10;
const NARROW_COLUMNS: usize = 7;
/// What the name of a queue has at least.
const NAME_COLUMNS_MIN: usize = 10;

const BOLD: &str = "\x1b[1m";
const REVERSE: &str = "\x1b[7m";
const RED: &str = "\x1b[31m";
const YELLOW: &str = "\x1b[33m";
const PLAIN: &str = "\x1b[0m";

/// Of a terminal, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Its width.
    pub columns: usize,
    /// Its height.
    pub rows: usize,
}

/// The lines, at most as many and as long as the terminal has room for.
pub fn frame(snapshot: &Snapshot, view: &View, size: Size, is_coloured: bool) -> Vec<String> {
    let paint = |style: &str, line: String| {
        let line = cut(&line, size.columns);
        if is_coloured { format!("{style}{line}{PLAIN}") } else { line }
    };
    let mut lines = vec![
        paint(BOLD, title(snapshot, view)),
        cut(&clients(snapshot), size.columns),
        cut(&messages(snapshot), size.columns),
        paint(RED, trouble(snapshot)),
        paint(REVERSE, row(&header(view), size.columns)),
    ];
    let queues = shown(snapshot, view);
    let room = size.rows.saturating_sub(FURNITURE_ROWS);
    let has_several = snapshot.queues.iter().any(|queue| queue.vhost != "/");
    let scroll = view.scroll.min(queues.len().saturating_sub(room));
    for queue in queues.iter().skip(scroll).take(room) {
        let line = row(&cells(queue, has_several), size.columns);
        let is_stuck = queue.ready > queue.delayed + queue.parked && queue.consumers == 0;
        lines.push(if is_stuck { paint(YELLOW, line) } else { cut(&line, size.columns) });
    }
    lines.truncate(size.rows.saturating_sub(1));
    lines.push(paint(BOLD, footer(view, queues.len(), snapshot.queues.len())));
    lines
}

/// The queues that are looked at, in their order.
pub fn shown(snapshot: &Snapshot, view: &View) -> Vec<QueueRow> {
    let mut queues: Vec<QueueRow> =
        snapshot.queues.iter().filter(|queue| queue.matches(&view.filter)).cloned().collect();
    sort(&mut queues, view.sort, view.is_reversed);
    queues
}

fn title(snapshot: &Snapshot, view: &View) -> String {
    let uptime = snapshot.uptime.map_or_else(String::new, |uptime| format!(", up {}", human::span(uptime)));
    let paused = if view.is_paused { " (paused)" } else { "" };
    format!("coney top  {}{uptime}{paused}", human::harmless(&snapshot.node))
}

fn clients(snapshot: &Snapshot) -> String {
    let memory = match snapshot.memory {
        None => String::new(),
        Some((used, 0)) => format!("   memory {}", human::bytes(used)),
        Some((used, limit)) => format!("   memory {} of {}", human::bytes(used), human::bytes(limit)),
    };
    format!(
        "{}, {}, {}{memory}",
        human::counted(snapshot.connections, "connection"),
        human::counted(snapshot.channels, "channel"),
        human::counted(snapshot.consumers, "consumer")
    )
}

fn messages(snapshot: &Snapshot) -> String {
    format!(
        "{} ready, {} unacked   {} in/s, {} out/s",
        human::count(snapshot.ready),
        human::count(snapshot.unacked),
        human::rate(snapshot.in_rate),
        human::rate(snapshot.out_rate)
    )
}

fn trouble(snapshot: &Snapshot) -> String {
    match &snapshot.problem {
        Some(problem) => human::harmless(problem),
        None if snapshot.alarms.is_empty() => String::new(),
        None => format!("publishers are blocked: too little {}", snapshot.alarms.join(" and ")),
    }
}

/// A row's cells: the name, and seven others.
type Cells = (String, [String; 6]);

fn header(view: &View) -> Cells {
    let mark = if view.is_reversed { '^' } else { 'v' };
    let named = |name: &str, by: Sort| {
        if view.sort == by { format!("{name}{mark}") } else { name.to_owned() }
    };
    let others = [
        ("READY", Sort::Ready),
        ("UNACKED", Sort::Unacked),
        ("IN/S", Sort::In),
        ("OUT/S", Sort::Out),
        ("CONS", Sort::Consumers),
        ("MEMORY", Sort::Memory),
    ];
    (named("QUEUE", Sort::Name), others.map(|(name, by)| named(name, by)))
}

fn cells(queue: &QueueRow, has_several_vhosts: bool) -> Cells {
    let name = match has_several_vhosts {
        true => format!("{}:{}", queue.vhost, queue.name),
        false => queue.name.clone(),
    };
    let others = [
        human::count(queue.ready),
        human::count(queue.unacked),
        human::rate(queue.in_rate),
        human::rate(queue.out_rate),
        human::count(queue.consumers),
        human::bytes(queue.memory),
    ];
    (human::harmless(&name), others)
}

fn row((name, others): &Cells, columns: usize) -> String {
    let widths =
        [NUMBER_COLUMNS, NUMBER_COLUMNS, NUMBER_COLUMNS, NUMBER_COLUMNS, NARROW_COLUMNS, NUMBER_COLUMNS + 1];
    let taken: usize = widths.iter().sum();
    let name_columns = columns.saturating_sub(taken).max(NAME_COLUMNS_MIN);
    let mut line = format!("{:<name_columns$}", cut(name, name_columns));
    for (cell, width) in others.iter().zip(widths) {
        line += &format!("{cell:>width$}");
    }
    line
}

fn footer(view: &View, shown: usize, all: usize) -> String {
    if view.is_typing {
        return format!("filter: {}_   (Enter keeps it, Esc clears it)", human::harmless(&view.filter));
    }
    let filter = match view.filter.as_str() {
        "" => String::new(),
        filter => format!(" like {}", human::harmless(filter)),
    };
    format!(
        "{shown} of {}{filter}   q quit  s sort  r reverse  / filter  space pause",
        human::counted(all as u64, "queue")
    )
}

/// So many characters of a line, with a mark where there are more.
fn cut(line: &str, columns: usize) -> String {
    if line.chars().count() <= columns {
        return line.trim_end_matches('\n').to_owned();
    }
    let some: String = line.chars().take(columns.saturating_sub(1)).collect();
    if columns == 0 { some } else { some + "~" }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn queue(name: &str, ready: u64, consumers: u64) -> QueueRow {
        QueueRow {
            name: name.to_owned(),
            vhost: "/".to_owned(),
            ready,
            consumers,
            unacked: 2,
            in_rate: 10.25,
            out_rate: 1234.0,
            memory: 2048,
            ..QueueRow::default()
        }
    }

    fn snapshot() -> Snapshot {
        Snapshot {
            node: "rabbit@h".to_owned(),
            uptime: Some(Duration::from_secs(61)),
            memory: Some((1024, 4096)),
            connections: 1,
            channels: 2,
            consumers: 3,
            ready: 1005,
            unacked: 4,
            in_rate: 20.5,
            queues: vec![queue("a.queue.with.a.long.name.that.goes.on", 5, 0), queue("b", 1000, 3)],
            ..Snapshot::default()
        }
    }

    fn drawn(snapshot: &Snapshot, view: &View, columns: usize, rows: usize) -> String {
        frame(snapshot, view, Size { columns, rows }, false).join("\n")
    }

    #[test]
    fn a_frame_in_80_columns() {
        let view = View::new(Sort::Ready, String::new());
        let expected = "\
coney top  rabbit@h, up 1m 1s
1 connection, 2 channels, 3 consumers   memory 1.0 KiB of 4.0 KiB
1,005 ready, 4 unacked   20.5 in/s, 0 out/s

QUEUE                     READYv   UNACKED      IN/S     OUT/S   CONS     MEMORY
b                          1,000         2      10.2     1,234      3    2.0 KiB
a.queue.with.a.long.n~         5         2      10.2     1,234      0    2.0 KiB
2 of 2 queues   q quit  s sort  r reverse  / filter  space pause";
        assert_eq!(drawn(&snapshot(), &view, 80, 24), expected);
    }

    #[test]
    fn whatever_the_size_it_fits() {
        let mut many = snapshot();
        many.queues.extend((0..100).map(|number| queue(&format!("queue {number} \u{1b}[2J"), number, 1)));
        many.alarms = vec!["memory", "disk"];
        for (columns, rows) in [(80, 24), (40, 10), (200, 60), (5, 3), (1, 1), (0, 0)] {
            for is_coloured in [false, true] {
                let view = View { scroll: 1000, ..View::new(Sort::Name, String::new()) };
                let lines = frame(&many, &view, Size { columns, rows }, is_coloured);
                assert!(lines.len() <= rows.max(1), "{columns}x{rows}");
                for line in &lines {
                    let plain = [BOLD, REVERSE, RED, YELLOW, PLAIN]
                        .iter()
                        .fold(line.clone(), |line, style| line.replace(style, ""));
                    assert!(plain.chars().count() <= columns, "{columns}x{rows}: {plain:?}");
                    assert!(!plain.contains('\x1b'), "{plain:?}");
                }
            }
        }
    }

    #[test]
    fn states_and_what_is_seen_of_them() {
        type Change = fn(&mut Snapshot, &mut View);
        let rows: [(&str, Change, &str); 9] = [
            ("paused", |_, view| view.is_paused = true, "up 1m 1s (paused)"),
            (
                "typing",
                |_, view| {
                    view.is_typing = true;
                    view.filter = "or".to_owned();
                },
                "filter: or_ ",
            ),
            ("filtered", |_, view| view.filter = "b".to_owned(), "1 of 2 queues like b "),
            ("reversed", |_, view| view.is_reversed = true, "READY^"),
            ("by name", |_, view| view.sort = Sort::Name, "QUEUEv"),
            (
                "alarm",
                |snapshot, _| snapshot.alarms = vec!["disk"],
                "publishers are blocked: too little disk",
            ),
            (
                "gone",
                |snapshot, _| snapshot.problem = Some("cannot\nconnect".to_owned()),
                "cannot\\u{a}connect",
            ),
            ("no limit", |snapshot, _| snapshot.memory = Some((1, 0)), "memory 1 B\n"),
            ("vhosts", |snapshot, _| snapshot.queues[1].vhost = "v".to_owned(), "\nv:b "),
        ];
        for (what, change, expected) in rows {
            let (mut snapshot, mut view) = (snapshot(), View::new(Sort::Ready, String::new()));
            change(&mut snapshot, &mut view);
            let drawn = drawn(&snapshot, &view, 80, 24);
            assert!(drawn.contains(expected), "{what}:\n{drawn}");
        }
    }

    #[test]
    fn colours_are_for_what_needs_somebody() {
        let view = View::new(Sort::Ready, String::new());
        let lines = frame(&snapshot(), &view, Size { columns: 80, rows: 24 }, true);
        assert!(lines[6].starts_with(YELLOW) && lines[6].ends_with(PLAIN), "no consumer: {:?}", lines[6]);
        assert!(!lines[5].contains('\x1b'), "{:?}", lines[5]);
    }
}
