//! The pages that people read: every link to a file of the repository leads somewhere, with its heading, and the README stays short.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// For somebody with ten minutes.
const README_LINES_MAX: usize = 250;
/// What is made or brought in, not written.
const SKIPPED: [&str; 4] = ["target", "node_modules", ".git", "venv"];

#[test]
fn every_link_leads_somewhere() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = Vec::new();
    collect(root, &mut pages)?;
    assert!(pages.len() > 10, "the walk missed pages: {pages:?}");
    let mut dead = Vec::new();
    for page in &pages {
        let text = fs::read_to_string(page)?;
        let links = links(&text).into_iter().filter(|link| !leads_somewhere(page, &text, link));
        dead.extend(links.map(|link| format!("{}: {link}", page.display())));
    }
    assert!(dead.is_empty(), "{} dead links:\n{}", dead.len(), dead.join("\n"));
    Ok(())
}

#[test]
fn the_readme_is_for_somebody_with_ten_minutes() -> io::Result<()> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md"))?;
    assert!(text.lines().count() <= README_LINES_MAX);
    Ok(())
}

fn collect(folder: &Path, pages: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if SKIPPED.iter().any(|skipped| name == *skipped) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), pages)?;
        } else if entry.path().extension().is_some_and(|extension| extension == "md") {
            pages.push(entry.path());
        }
    }
    Ok(())
}

/// The targets of links, outside code.
fn links(text: &str) -> Vec<String> {
    prose(text).split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())).collect()
}

/// The text without blocks and spans of code.
fn prose(text: &str) -> String {
    let blocks = text.split("\n```").step_by(2).collect::<Vec<_>>().join("\n");
    blocks.split('`').step_by(2).collect()
}

fn leads_somewhere(page: &Path, text: &str, link: &str) -> bool {
    if link.contains("://") || link.starts_with("mailto:") {
        return true;
    }
    let (path, heading) = link.split_once('#').map_or((link, None), |(path, heading)| (path, Some(heading)));
    let target = page.parent().map(|folder| folder.join(path)).unwrap_or_default();
    if !path.is_empty() && !target.exists() {
        return false;
    }
    let is_page = path.is_empty() || target.extension().is_some_and(|extension| extension == "md");
    let Some(heading) = heading.filter(|_| is_page) else { return true };
    let other =
        if path.is_empty() { text.to_owned() } else { fs::read_to_string(&target).unwrap_or_default() };
    headings(&other).contains(heading)
}

/// The anchors of a page's headings, as GitHub makes them.
fn headings(text: &str) -> BTreeSet<String> {
    let blocks = text.split("\n```").step_by(2).collect::<Vec<_>>().join("\n");
    let lines = blocks.lines().filter(|line| line.starts_with('#'));
    lines.map(|line| anchor(line.trim_start_matches('#').trim())).collect()
}

fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

#[test]
fn links_and_headings_are_found() {
    let text = "# One `two`, three!\n[a](b.md#x) `[no](no)`\n```\n[no](no)\n# no\n```\n[c](#d)";
    assert_eq!(links(text), ["b.md#x", "#d"]);
    assert_eq!(headings(text).into_iter().collect::<Vec<_>>(), ["one-two-three"]);
}
