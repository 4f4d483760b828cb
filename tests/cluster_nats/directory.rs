//! What the cluster expects of a directory, of the one on JetStream's key-value store.

use std::time::{Duration, Instant};

use coney::cluster::{Claim, Directory, Member, NatsDirectory};
use tokio::runtime::Runtime;

use crate::servers::{Servers, answer, until};

/// By a machine that has much else to do.
const SOON: Duration = Duration::from_secs(60);

#[test]
fn the_directory_keeps_its_contract() {
    let Some(servers) = Servers::start(3) else { return };
    let runtime = Runtime::new().unwrap();
    runtime.block_on(servers.init(3));
    let [one, other] = [0, 1].map(|index| runtime.block_on(servers.open(index)).directory);
    the_lease_is_of_one(&runtime, &one, &other);
    members_are_heard(&runtime, &one, &other);
}

fn the_lease_is_of_one(runtime: &Runtime, one: &NatsDirectory, other: &NatsDirectory) {
    let read = || answer(|| runtime.block_on(other.read()));
    let write = |who: &NatsDirectory, name, revision| runtime.block_on(who.write(name, revision)).unwrap();
    assert_eq!(read(), None);
    let first = write(one, "one", 0).unwrap();
    assert_eq!(read(), Some(Claim { holder: "one".into(), revision: first }));
    assert_eq!(write(other, "other", 0), None);
    let second = write(one, "one", first).unwrap();
    assert!(second > first);
    assert_eq!(write(other, "other", first), None);
    // Handed over.
    let (written, third) = (Instant::now(), write(one, "other", second).unwrap());
    assert_eq!(read(), Some(Claim { holder: "other".into(), revision: third }));
    until("the lease is free", SOON, || read().is_none().then_some(()));
    let free = written.elapsed();
    assert!(free > Duration::from_millis(2900), "free after {free:?}");
    println!("the lease was free {free:?} after it was written last");
    assert_eq!(write(other, "other", third), None, "what has vanished has no revision");
    let fourth = write(one, "one", 0).unwrap();
    assert!(fourth > third);
    assert_eq!(read(), Some(Claim { holder: "one".into(), revision: fourth }));
}

fn members_are_heard(runtime: &Runtime, one: &NatsDirectory, other: &NatsDirectory) {
    let member = |name: &str, applied| Member { name: name.into(), applied, ..Member::default() };
    let members = || answer(|| runtime.block_on(other.members()));
    let tell = |member: &Member| answer(|| runtime.block_on(one.tell(member)));
    assert_eq!(members(), []);
    let (first, second) = (member("b.example:1", 1), member("a", 2));
    tell(&first);
    tell(&second);
    let told = until("both are heard", SOON, || {
        let told = members();
        (told.len() == 2).then_some(told)
    });
    assert_eq!(told.iter().map(|told| &told.member).collect::<Vec<_>>(), [&second, &first]);
    let later = member("a", 3);
    tell(&later);
    let again = until("what is said again is heard", SOON, || {
        let again = members();
        (again[0].member == later).then_some(again)
    });
    assert!(again[0].revision > told[0].revision);
    assert_eq!(again[1], told[1]);
}
