//! The guide prints what runs here, each recipe in three languages.

use std::collections::BTreeMap;
use std::path::Path;

const GUIDE: &str = include_str!("../../docs/testing.md");
const LANGUAGES: [&str; 3] = ["python", "js", "rust"];

/// The text of each block of the guide that is marked with a recipe, by language and name.
fn blocks() -> BTreeMap<(&'static str, &'static str), String> {
    let mut blocks = BTreeMap::new();
    let mut lines = GUIDE.lines();
    while let Some(line) = lines.next() {
        let Some((language, name)) = line.strip_prefix("```").and_then(|info| info.split_once(" recipe="))
        else {
            continue;
        };
        let text: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let is_new = blocks.insert((language, name), text.join("\n")).is_none();
        assert!(is_new, "'{name}' is there twice in {language}");
    }
    blocks
}

#[test]
fn the_guide_prints_what_runs_here() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recipes");
    let mut printed = blocks();
    printed.retain(|(language, _), _| *language == "rust");
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if !["main", "printed"].contains(&&*name) {
            let source = std::fs::read_to_string(&path).unwrap();
            let lines: Vec<&str> =
                source.lines().skip_while(|line| line.starts_with("//!") || line.is_empty()).collect();
            assert_eq!(printed.get(&("rust", &*name)), Some(&lines.join("\n")), "{}", path.display());
            files.push(name);
        }
    }
    files.sort();
    let names: Vec<String> = printed.keys().map(|(_, name)| (*name).to_owned()).collect();
    assert_eq!(names, files, "the guide prints Rust that does not run");
}

#[test]
fn each_recipe_is_there_in_three_languages() {
    let blocks = blocks();
    let names = |language: &str| -> Vec<&str> {
        blocks.keys().filter(|(other, _)| *other == language).map(|(_, name)| *name).collect()
    };
    let expected = names("rust");
    assert_eq!(expected.len(), 11, "ten recipes, and what they share: {expected:?}");
    for language in LANGUAGES {
        assert_eq!(names(language), expected, "{language}");
    }
}
