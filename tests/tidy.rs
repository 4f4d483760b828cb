//! Holds the structure rules of the design over the whole source tree: which layer may name which, where a runtime,
//! a store or a clock may be named, how long a function and a file may be, and that files import each other in no circle. A rule
//! that is not checked is a wish.
//!
//! Sources are parsed, not searched with patterns, so that a comment or a string never counts. `use` groups,
//! `super::` and tokens inside macros do. Each rule has a test of its own here, with a snippet that breaks it.

mod circles;
mod pages;
mod paths;
mod rules;
mod scan;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

use rules::Finding;
use scan::Scan;

/// Where our Rust sources are; one that does not exist yet is skipped.
const FOLDERS: [&str; 6] = ["src", "tests", "benches", "examples", "conformance/src", "conformance/tests"];

#[test]
fn the_tree_is_tidy() -> io::Result<()> {
    let sources = read_tree(Path::new(env!("CARGO_MANIFEST_DIR")))?;
    for expected in ["src/lib.rs", "src/main.rs", "src/message.rs", "tests/tidy/rules.rs"] {
        assert!(sources.iter().any(|(path, _)| path == expected), "the walk missed {expected}");
    }
    let findings = check(&sources);
    let lines: Vec<String> = findings.iter().map(Finding::to_string).collect();
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), lines.join("\n"));
    Ok(())
}

/// Parses files given as (path from the root with `/`, text); those that cannot be parsed are findings.
fn parse(sources: &[(String, String)]) -> (Vec<Scan>, Vec<Finding>) {
    let mut scans = Vec::new();
    let mut findings = Vec::new();
    for (path, text) in sources {
        match Scan::new(path, text) {
            Ok(scan) => scans.push(scan),
            Err(error) => findings.push(Finding::new(path, error.span().start().line, "cannot be parsed")),
        }
    }
    let test_modules: BTreeSet<Vec<String>> = scans.iter().flat_map(Scan::declared_test_modules).collect();
    for scan in &mut scans {
        scan.mark_test_file(&test_modules);
    }
    (scans, findings)
}

/// What all rules find, those about single files first.
fn check(sources: &[(String, String)]) -> Vec<Finding> {
    let (scans, mut findings) = parse(sources);
    findings.extend(scans.iter().flat_map(rules::check));
    findings.extend(circles::check(&scans));
    findings
}

fn read_tree(root: &Path) -> io::Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    for folder in FOLDERS.map(|folder| root.join(folder)) {
        if folder.is_dir() {
            collect(&folder, &mut files)?;
        }
    }
    files.sort();
    files.into_iter().map(|file| Ok((relative(root, &file), fs::read_to_string(&file)?))).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

fn relative(root: &Path, file: &Path) -> String {
    file.strip_prefix(root).unwrap_or(file).to_string_lossy().replace('\\', "/")
}

/// What each rule finds in a snippet.
mod snippets {
    use super::*;

    /// The rules' texts for one file, in which the module comment is supplied.
    fn found(path: &str, code: &str) -> Vec<String> {
        let file = (path.to_owned(), format!("//! Snippet.\n{code}"));
        check(&[file]).into_iter().map(|finding| finding.text).collect()
    }

    #[track_caller]
    fn assert_bad(path: &str, code: &str, expected: &str) {
        let found = found(path, code);
        let as_expected = matches!(found.as_slice(), [only] if only.contains(expected));
        assert!(as_expected, "in {path}: {code}\nfound {found:?}");
    }

    #[track_caller]
    fn assert_good(path: &str, code: &str) {
        assert_eq!(found(path, code), Vec::<String>::new(), "in {path}: {code}");
    }

    #[test]
    fn a_layer_may_not_name_one_above_it() {
        assert_bad("src/queue/machine.rs", "use crate::server::Clock;", "queue may not use server");
        assert_bad("src/broker/vhost.rs", "use crate::amqp::Stream;", "broker may not use amqp");
        assert_bad(
            "src/amqp/requests.rs",
            "use crate::broker::{removal::X, shared::Y};",
            "by broker::operations",
        );
        assert_good("src/amqp/requests.rs", "use crate::broker::operations::delete_queue;");
        assert_bad("src/message.rs", "use crate::protocol::Frame;", "message may not use protocol");
        assert_bad("src/topology/mod.rs", "use crate::queue::Queue;", "topology may not use queue");
        assert_bad("src/session/mod.rs", "use crate::store::Store;", "session may not use store");
        assert_bad("src/store/mod.rs", "fn f() { crate::config::x(); }", "store may not use config");
        assert_good("src/protocol/frame.rs", "use crate::message::Message;");
        assert_good("src/server/mod.rs", "use crate::{config::Config, queue::Queue, store::Store};");
        assert_good("src/queue/machine.rs", "use crate::queue::Ready; use super::unacked::Unacked;");
    }

    #[test]
    fn a_layer_is_found_in_groups_super_paths_types_and_macros() {
        assert_bad("src/queue/mod.rs", "use crate::{message::{A, B as C}, server::X};", "not use server");
        assert_bad("src/queue/a/b.rs", "use super::super::super::server::X;", "not use server");
        assert_bad("src/queue/mod.rs", "mod inner { use super::super::server::X; }", "not use server");
        assert_bad("src/queue/mod.rs", "type A = Vec<crate::server::X>;", "not use server");
        assert_bad("src/queue/mod.rs", "fn f() { assert!(crate::server::on()); }", "not use server");
        assert_good("src/queue/a/b.rs", "use super::super::server::X;");
        assert_good("src/queue/mod.rs", "mod inner { use super::server::X; }");
        assert_good("src/queue/mod.rs", "// use crate::server::X;\nconst A: &str = \"crate::server::X\";");
    }

    #[test]
    fn a_layer_may_not_go_round_through_the_crate_root() {
        assert_bad("src/queue/mod.rs", "use crate::Broker;", "not a module");
        assert_bad("src/queue/mod.rs", "use crate::*;", "not a module");
        assert_good("src/lib.rs", "pub use crate::server::Broker;");
    }

    #[test]
    fn every_folder_has_a_layer() {
        assert_bad("src/utils.rs", "pub fn f() {}", "in no layer");
        assert_bad("src/helpers/mod.rs", "pub fn f() {}", "in no layer");
    }

    #[test]
    fn tests_of_a_layer_may_use_what_they_like() {
        assert_good("src/queue/mod.rs", "#[cfg(test)]\nmod tests { use crate::server::X; }");
        assert_good("src/queue/tests.rs", "use crate::server::X;");
        let parent = ("src/queue/mod.rs".to_owned(), "//! A.\n#[cfg(test)]\nmod properties;\n".to_owned());
        let child = ("src/queue/properties.rs".to_owned(), "//! B.\nuse crate::server::X;\n".to_owned());
        assert!(check(&[parent, child.clone()]).is_empty());
        assert_eq!(check(&[child]).len(), 1, "without the declaration it is no test");
        assert_bad("src/queue/mod.rs", "#[cfg(not(test))]\nuse crate::server::X;", "not use server");
    }

    #[test]
    fn tokio_fjall_and_nats_have_one_place_each() {
        assert_bad("src/session/mod.rs", "use tokio::sync::mpsc;", "tokio");
        assert_bad("src/store/mod.rs", "fn f() { ::tokio::spawn(x); }", "tokio");
        assert_bad("src/store/mod.rs", "use tokio;", "tokio");
        assert_bad("src/server/mod.rs", "use fjall::Database;", "fjall");
        assert_good("src/server/mod.rs", "use tokio::{net, sync};");
        assert_good("src/main.rs", "use tokio::runtime::Runtime;");
        assert_good("src/store/mod.rs", "mod fjall;\nuse ::fjall::Database;");
        assert_good("src/server/mod.rs", "use crate::store::fjall::Store;");
        assert_bad("src/cluster/node.rs", "use async_nats::Client;", "async_nats");
        assert_good("src/cluster/nats/client.rs", "use async_nats::Client;");
        assert_good("src/queue/mod.rs", "#[cfg(test)]\nmod tests { #[tokio::test] async fn t() {} }");
    }

    #[test]
    fn machines_are_not_async() {
        for folder in ["message", "protocol", "topology", "queue", "session", "auth", "store"] {
            assert_bad(&format!("src/{folder}/mod.rs"), "async fn f() {}", "async");
        }
        assert_bad("src/queue/mod.rs", "fn f() { spawn(async { 1 }); }", "async");
        assert_good("src/server/mod.rs", "async fn f() { g().await }");
    }

    #[test]
    fn one_file_reads_the_clock() {
        assert_bad("src/server/mod.rs", "fn f() { Instant::now(); }", "clock");
        assert_bad("src/main.rs", "fn f() { std::time::SystemTime::now(); }", "clock");
        assert_bad("src/store/mod.rs", "fn f() { x.unwrap_or_else(Instant::now); }", "clock");
        assert_good("src/broker/clock.rs", "fn f() { Instant::now(); }");
        assert_good("src/server/mod.rs", "fn f() { clock.now(); Clock::now(); }");
        assert_good("benches/codec.rs", "fn f() { std::time::Instant::now(); }");
    }

    #[test]
    fn nothing_is_unfinished_or_unsafe() {
        for code in ["todo!()", "dbg!(1)", "unimplemented!(\"x\")", "std::todo!()", "vec![todo!()]"] {
            assert_bad("src/queue/mod.rs", &format!("fn f() {{ {code}; }}"), "may not stay");
            assert_bad("tests/basic.rs", &format!("fn f() {{ {code}; }}"), "may not stay");
        }
        assert_bad("src/queue/mod.rs", "fn f() { unsafe { g() } }", "unsafe");
        assert_bad("benches/codec.rs", "unsafe fn f() {}", "unsafe");
        assert_good("src/queue/mod.rs", "fn todo() { let dbg = 1; f(dbg != 2); }");
    }

    #[test]
    fn the_log_has_values() {
        for field in ["?user", "%peer, ?user", "user = ?user"] {
            assert_bad(
                "src/amqp/mod.rs",
                &format!("fn f() {{ tracing::info!({field}, \"x\"); }}"),
                "logs `Debug`",
            );
        }
        assert_good("src/amqp/mod.rs", "fn f<T: ?Sized>() { tracing::info!(user, n = g()?, %peer, \"x\"); }");
    }

    #[test]
    fn tests_wait_for_conditions() {
        assert_bad("tests/basic.rs", "async fn f() { tokio::time::sleep(d).await; }", "sleep");
        assert_bad("src/queue/tests.rs", "fn f() { sleep(d); }", "sleep");
        assert_bad("src/queue/mod.rs", "#[test]\nfn f() { std::thread::sleep(d); }", "sleep");
        assert_bad("conformance/src/basic.rs", "async fn f() { sleep(d).await; }", "sleep");
        assert_good("tests/support/mod.rs", "fn f() { std::thread::sleep(d); }");
        assert_good("src/server/mod.rs", "fn f() { sleep(d); }");
    }

    #[test]
    fn functions_are_short() {
        let function = |lines: usize| format!("fn f() {{\n{}}}\n", "    g();\n".repeat(lines - 2));
        for path in ["src/queue/mod.rs", "tests/basic.rs", "benches/codec.rs", "conformance/src/basic.rs"] {
            assert_good(path, &function(70));
            assert_bad(path, &function(71), "`f` has 71 lines");
        }
        assert_bad("src/queue/mod.rs", &format!("impl A {{\n{}}}", function(71)), "`f` has 71 lines");
        assert_bad("src/queue/mod.rs", &format!("trait A {{\n{}}}", function(71)), "`f` has 71 lines");
        assert_bad("src/queue/mod.rs", &format!("fn g() {{\n fn x() {{}}\n}}\n{}", function(99)), "99 lines");
        let documented = format!("{}{}", "/// Line.\n".repeat(30), function(70));
        assert_good("src/queue/mod.rs", &documented);
    }

    #[test]
    fn files_are_short_without_their_tests() {
        let constants = |n: usize| (0..n).map(|i| format!("const A{i}: u8 = 0;\n")).collect::<String>();
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", constants(500));
        assert_good("src/queue/mod.rs", &format!("{}{tests}", constants(799)));
        assert_bad("src/queue/mod.rs", &format!("{}{tests}", constants(800)), "801 lines");
        assert_good("src/queue/tests.rs", &constants(900));
        assert_good("tests/basic.rs", &constants(900));
    }

    #[test]
    fn a_module_begins_by_saying_what_it_is_for() {
        let bad = |path: &str, text: &str| check(&[(path.to_owned(), text.to_owned())]).len();
        assert_eq!(bad("src/queue/mod.rs", "fn f() {}\n"), 1);
        assert_eq!(bad("src/queue/mod.rs", "// A comment.\n//! Late.\nfn f() {}\n"), 1);
        assert_eq!(bad("tests/basic.rs", "fn f() {}\n"), 1);
        assert_eq!(bad("src/queue/mod.rs", "//! What it is for.\nfn f() {}\n"), 0);
    }

    /// The circles among files given as (path, code): how many files each has.
    fn circles(files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<(String, String)> =
            files.iter().map(|(path, code)| ((*path).to_owned(), format!("//! A.\n{code}"))).collect();
        let count = |finding: &Finding| {
            finding.text.split_once(" files import each other").map(|(count, _)| count.to_owned())
        };
        check(&files).iter().filter_map(count).collect()
    }

    const NONE: [&str; 0] = [];

    #[test]
    fn files_import_each_other_in_no_circle() {
        let (a, b, c) = ("src/queue/a.rs", "src/queue/b.rs", "src/queue/c.rs");
        let module = ("src/queue/mod.rs", "mod a;\nmod b;\nmod c;\npub use b::B;");
        let two = |first: &str, second: &str| circles(&[module, (a, first), (b, second)]);
        let defines = "pub struct B;\n";
        assert_eq!(two("use super::b::B; pub struct A;", &format!("{defines}use super::a::A;")), ["2"]);
        assert_eq!(two("use super::b::B; pub struct A;", defines), NONE);
        assert_eq!(two("use super::B; pub struct A;", &format!("{defines}use super::a::A;")), ["2"]);
        assert_eq!(two("fn f() { super::b::g(); }", &format!("{defines}type T = Vec<super::a::A>;")), ["2"]);
        assert_eq!(
            two("use crate::queue as q; fn f(b: q::B) {}", &format!("{defines}use super::a::A;")),
            ["2"]
        );
        assert_eq!(
            two("use super::b::*; pub struct A;", &format!("{defines}use super::{{a::A as X}};")),
            ["2"]
        );
        let tested = format!("{defines}#[cfg(test)]\nmod tests {{ use super::super::a::A; }}");
        assert_eq!(two("use super::b::B; pub struct A;", &tested), NONE);
        let round = [
            module,
            (a, "use super::b::B; pub struct A;"),
            (b, "use super::c::C; pub struct B;"),
            (c, "use super::a::A; pub struct C;"),
        ];
        assert_eq!(circles(&round), ["3"]);
    }

    #[test]
    fn what_a_module_defines_itself_is_above_or_below_its_children_not_both() {
        let child = ("src/queue/a.rs", "use super::Id; pub struct A;");
        assert_eq!(circles(&[("src/queue/mod.rs", "mod a;\npub struct Id;\nuse a::A;"), child]), ["2"]);
        assert_eq!(circles(&[("src/queue/mod.rs", "mod a;\npub struct Id;\npub use a::A;"), child]), ["2"]);
        assert_eq!(circles(&[("src/queue/mod.rs", "mod a;\npub struct Id;"), child]), NONE);
        let ids = ("src/queue/ids.rs", "pub struct Id;");
        let clean = ("src/queue/mod.rs", "mod a;\nmod ids;\npub use a::A;\npub use ids::Id;");
        assert_eq!(circles(&[clean, child, ids]), NONE);
    }

    #[test]
    fn a_circle_over_layers_and_in_the_other_crate_is_found_too() {
        let store = ("src/store/mod.rs", "pub mod a;\npub mod b;");
        let (a, b) = ("src/store/a.rs", "src/store/b.rs");
        assert_eq!(
            circles(&[store, (a, "use crate::store::b; pub const A: u8 = b::B;"), (b, "use super::a::A;")]),
            ["2"]
        );
        let other = |name: &str| format!("conformance/src/{name}.rs");
        let (lib, x, y) = (other("lib"), other("x"), other("y"));
        let files = [
            (lib.as_str(), "mod x;\nmod y;"),
            (&x, "use crate::y::Y; pub struct X;"),
            (&y, "use crate::x::X; pub struct Y;"),
        ];
        assert_eq!(circles(&files), ["2"]);
    }

    #[test]
    fn a_file_that_cannot_be_parsed_is_a_finding() {
        assert_bad("src/queue/mod.rs", "fn f( {", "parsed");
        assert_bad("src/queue/mod.rs", "fun f() {}", "parsed");
    }

    #[test]
    fn a_finding_names_its_line() {
        let file = ("src/queue/mod.rs".to_owned(), "//! A.\n\nuse crate::{\n    server::X,\n};\n".to_owned());
        let findings = check(&[file]);
        assert_eq!(findings[0].to_string(), "src/queue/mod.rs:4: queue may not use server");
    }
}
