//! Holds `docs/configuration.md` to the tables of settings and keys. After a change of a table:
//! `UPDATE_DOCS=1 cargo test --bin coney documents`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::conf::{Effect, KEYS, VARIABLES};
use super::settings::GROUPS;

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn settings_table() -> String {
    let mut text =
        "| setting | what it does | default | RabbitMQ's variable |\n|---|---|---|---|\n".to_owned();
    for group in &GROUPS {
        let _ = writeln!(text, "| **{}** | | | |", group.heading);
        for setting in group.settings {
            let default = setting.default.map_or("none".to_owned(), |default| format!("`{default}`"));
            let variables: Vec<String> =
                setting.rabbitmq_env.iter().map(|name| format!("`{name}`")).collect();
            let (help, variables) = (cell(setting.short_help()), variables.join(", "));
            let _ = writeln!(text, "| `{}` | {help} | {default} | {variables} |", setting.key);
        }
    }
    text
}

fn keys_table() -> String {
    let mut text = "| key | becomes | |\n|---|---|---|\n".to_owned();
    for key in KEYS {
        let (becomes, note) = match key.effect {
            Effect::Does(setting, _) => (format!("`{setting}`"), String::new()),
            Effect::Checks(_) => ("is checked".to_owned(), String::new()),
            Effect::Fits(why) => ("nothing".to_owned(), why.to_owned()),
            Effect::Lacks(why) => ("**nothing, with a warning**".to_owned(), why.to_owned()),
        };
        let _ = writeln!(text, "| `{}` | {becomes} | {} |", key.pattern.replace('$', "NAME"), cell(&note));
    }
    text
}

fn variables_table() -> String {
    let mut text = "| variable | key |\n|---|---|\n".to_owned();
    for (variable, key) in VARIABLES {
        let _ = writeln!(text, "| `{variable}` | `{key}` |");
    }
    text
}

#[test]
fn the_page_says_what_the_tables_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let page = fs::read_to_string(&path).unwrap();
    let tables = [("settings", settings_table()), ("keys", keys_table()), ("variables", variables_table())];
    let mut expected = page.clone();
    for (name, table) in tables {
        let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->\n"));
        let (before, rest) = expected.split_once(&begin).unwrap();
        let (_, after) = rest.split_once(&end).unwrap();
        expected = format!("{before}{begin}{table}{end}{after}");
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &expected).unwrap();
        return;
    }
    assert!(
        page == expected,
        "{} does not say what the tables say: run this with UPDATE_DOCS=1",
        path.display()
    );
}
