//! The tables of the Rust program, in its seven styles.

use super::super::super::table::widths;

/// A style's name and its characters.
pub struct Style {
    pub name: &'static str,
    /// The line above, the one below the header, those between rows and the one below: left end, fill, crossing, right end.
    top: Option<[&'static str; 4]>,
    below_header: Option<[&'static str; 4]>,
    between: Option<[&'static str; 4]>,
    bottom: Option<[&'static str; 4]>,
    /// Left of a row, between its cells, right of it.
    row: [&'static str; 3],
}

/// The one that is taken where none is named.
pub const MODERN: Style = Style {
    name: "modern",
    top: Some(["╭", "─", "┬", "╮"]),
    below_header: Some(["├", "─", "┼", "┤"]),
    between: None,
    bottom: Some(["╰", "─", "┴", "╯"]),
    row: ["│", "│", "│"],
};

/// All of them.
pub const STYLES: &[Style] = &[
    MODERN,
    Style {
        name: "borderless",
        top: None,
        below_header: None,
        between: None,
        bottom: None,
        row: ["", " ", ""],
    },
    Style {
        name: "markdown",
        top: None,
        below_header: Some(["|", "-", "|", "|"]),
        between: None,
        bottom: None,
        row: ["|", "|", "|"],
    },
    Style {
        name: "sharp",
        top: Some(["┌", "─", "┬", "┐"]),
        below_header: Some(["├", "─", "┼", "┤"]),
        between: None,
        bottom: Some(["└", "─", "┴", "┘"]),
        row: ["│", "│", "│"],
    },
    Style {
        name: "ascii",
        top: Some(["+", "-", "+", "+"]),
        below_header: Some(["+", "-", "+", "+"]),
        between: Some(["+", "-", "+", "+"]),
        bottom: Some(["+", "-", "+", "+"]),
        row: ["|", "|", "|"],
    },
    Style {
        name: "psql",
        top: None,
        below_header: Some(["", "-", "+", ""]),
        between: None,
        bottom: None,
        row: ["", "|", ""],
    },
    Style {
        name: "dots",
        top: Some([".", ".", ".", "."]),
        below_header: Some([":", ".", ":", ":"]),
        between: Some([":", ".", ":", ":"]),
        bottom: Some([":", ".", ":", ":"]),
        row: [":", ":", ":"],
    },
];

impl Style {
    /// A whole table. A cell may have several lines.
    pub fn table(&self, titles: &[String], rows: &[Vec<String>]) -> String {
        let mut all = vec![titles.to_vec()];
        all.extend(rows.iter().cloned());
        let widths = cell_widths(&all);
        let rule = |line: Option<[&str; 4]>| {
            let [left, fill, crossing, right] = line?;
            let fills: Vec<String> = widths.iter().map(|width| fill.repeat(width + 2)).collect();
            Some(format!("{left}{}{right}\n", fills.join(crossing)))
        };
        let [top, below_header, between, bottom] =
            [self.top, self.below_header, self.between, self.bottom].map(rule);
        let rows: Vec<String> = rows.iter().map(|row| self.row(row, &widths)).collect();
        let parts = [
            top,
            Some(self.row(titles, &widths)),
            below_header,
            Some(rows.join(&between.unwrap_or_default())),
            bottom,
        ];
        parts.into_iter().flatten().collect()
    }

    fn row(&self, cells: &[String], widths: &[usize]) -> String {
        let [left, between, right] = self.row;
        lines(cells)
            .map(|line| {
                let cells: Vec<String> =
                    line.iter().zip(widths).map(|(cell, width)| format!(" {cell:<width$} ")).collect();
                format!("{left}{}{right}\n", cells.join(between))
            })
            .collect()
    }
}

/// For scripts: no header, no lines, and a row is a line.
pub fn bare(rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| cell.replace('\n', ",")).collect()).collect();
    let widths = widths(&rows);
    let line = |row: &Vec<String>| {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$} ")).collect();
        cells.join(" ") + "\n"
    };
    rows.iter().map(line).collect()
}

fn cell_widths(rows: &[Vec<String>]) -> Vec<usize> {
    let lines: Vec<Vec<String>> = rows
        .iter()
        .flat_map(|row| lines(row).map(|line| line.into_iter().map(str::to_owned).collect()))
        .collect();
    widths(&lines)
}

/// The lines of a row's cells, each as long as there are cells.
fn lines(cells: &[String]) -> impl Iterator<Item = Vec<&str>> {
    let height = cells.iter().map(|cell| cell.lines().count()).max().unwrap_or(0).max(1);
    (0..height).map(|line| cells.iter().map(|cell| cell.lines().nth(line).unwrap_or_default()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(style: &str) -> String {
        let style = STYLES.iter().find(|known| known.name == style).unwrap();
        let texts = |texts: [&str; 2]| texts.map(str::to_owned).to_vec();
        style.table(&texts(["name", "n"]), &[texts(["a", "x: 1\ny: 2"]), texts(["ü", ""])])
    }

    #[test]
    fn each_style_has_its_lines() {
        let modern = "╭──────┬──────╮\n│ name │ n    │\n├──────┼──────┤\n│ a    │ x: 1 │\n│      │ y: 2 │\n│ ü    │      │\n╰──────┴──────╯\n";
        assert_eq!(shown("modern"), modern);
        let ascii = "+------+------+\n| name | n    |\n+------+------+\n| a    | x: 1 |\n|      | y: 2 |\n+------+------+\n| ü    |      |\n+------+------+\n";
        assert_eq!(shown("ascii"), ascii);
        assert_eq!(
            shown("psql"),
            " name | n    \n------+------\n a    | x: 1 \n      | y: 2 \n ü    |      \n"
        );
        assert_eq!(shown("borderless"), " name   n    \n a      x: 1 \n        y: 2 \n ü           \n");
    }

    #[test]
    fn scripts_get_a_line_a_row() {
        let rows = [vec!["a".to_owned(), "x\ny".to_owned()], vec!["long".to_owned(), "z".to_owned()]];
        assert_eq!(bare(&rows), "a     x,y \nlong  z   \n");
    }
}
