//! The command as people call it; and that `cargo test` builds it.

use std::process::{Command, Output};

fn conformance(arguments: &[&str]) -> std::io::Result<Output> {
    Command::new(env!("CARGO_BIN_EXE_conformance")).args(arguments).output()
}

#[test]
fn the_list_has_what_a_case_expects() -> std::io::Result<()> {
    let listed = conformance(&["--list", "--filter", "failing.limit.none"])?;
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(listed.status.success());
    assert!(text.contains("failing.limit.none") && text.contains("as often as it is nacked"), "{text}");
    assert!(!text.contains("failing.retry.waits"), "{text}");
    Ok(())
}

#[test]
fn a_broker_that_is_not_there_is_an_error() -> std::io::Result<()> {
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?;
    drop(taken);
    let ended = conformance(&[&format!("amqp://guest:guest@{address}/"), "--filter", "failing.limit.none"])?;
    assert!(!ended.status.success());
    let said = String::from_utf8_lossy(&ended.stderr).into_owned() + &String::from_utf8_lossy(&ended.stdout);
    assert!(said.contains(&address.to_string()) || said.contains("refused"), "{said}");
    Ok(())
}

#[test]
fn seeds_that_are_no_numbers_are_refused() -> std::io::Result<()> {
    let ended = conformance(&["--print", "--seeds", "one..two"])?;
    assert_eq!(ended.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&ended.stderr).contains("--seeds"));
    Ok(())
}
