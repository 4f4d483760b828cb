//! A session that rules can make faults on is as any other as long as there are none, and takes the same shorter way; from the moment
//! that a rule is made it sees all that comes after.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::repeating::{Step, Way, run, steps};
use super::*;
use crate::faults::{Faults, Rule};

fn rule(json: Value) -> Rule {
    let Value::Object(fields) = json else { panic!("an object is expected") };
    Rule::parse(&fields).unwrap()
}

/// A rule that means nothing that ever happens, and makes a session look at everything of that kind.
fn vain(on: &str) -> Rule {
    rule(json!({"on": on, "do": "drop", "match": {"user": "nobody"}, "times": 0}))
}

/// What is done to a session that goes by those rules.
fn watched(faults: &Arc<Faults>) -> impl Fn(&mut Client) {
    let faults = Arc::clone(faults);
    move |client| client.session.watch(Watch::new(Arc::clone(&faults), Box::new(|_| None), "ann", "c"))
}

/// A rule with how much came before it, and what comes to it.
#[derive(Clone, Debug)]
struct Made {
    before: usize,
    on: &'static str,
    skip: u64,
    times: u64,
}

fn made() -> impl Strategy<Value = Made> {
    let on = prop::sample::select(vec!["publish", "confirm", "deliver", "ack"]);
    (0..8_usize, on, 0..3_u64, 0..4_u64).prop_map(|(before, on, skip, times)| Made {
        before,
        on,
        skip,
        times,
    })
}

/// The story of a session for which that rule is made in its midst, and how often it met something and hit it.
fn meeting(steps: &[Step], made: &Made, others: &[&str]) -> (Vec<String>, Option<(u64, u64)>) {
    let faults = Arc::new(Faults::default());
    for on in others {
        faults.add(vain(on));
    }
    let before = |number| {
        if number == made.before {
            faults.add(rule(json!({"on": made.on, "do": "drop", "skip": made.skip, "times": made.times})));
        }
    };
    let story = run(steps, &Way { is_whole: true, begin: &watched(&faults), before: &before });
    let made = faults.all().into_iter().find(|rule| rule.rule.matcher.patterns().next().is_none());
    (story, made.map(|made| (made.seen, made.fired)))
}

proptest! {
    #[test]
    fn without_rules_it_is_as_one_that_is_not_watched(steps in steps(), is_whole in any::<bool>()) {
        let faults = Arc::new(Faults::default());
        let own = run(&steps, &Way { is_whole, begin: &|_| (), before: &|_| () });
        let as_watched = run(&steps, &Way { is_whole, begin: &watched(&faults), before: &|_| () });
        prop_assert_eq!(own, as_watched);
    }

    /// As in a session that looks at each frame by itself from its beginning.
    #[test]
    fn a_rule_sees_all_that_comes_after_it(steps in steps(), made in made()) {
        let (story, met) = meeting(&steps, &made, &[]);
        let all = ["publish", "confirm", "deliver", "ack"];
        let (expected, expected_met) = meeting(&steps, &made, &all);
        prop_assert_eq!(met, expected_met);
        prop_assert_eq!(story, expected);
    }
}

/// The tests above would not notice if such a session never took the shorter way.
#[test]
fn the_third_of_a_kind_is_known_while_no_rule_is_there() {
    let (mut client, faults) = (Client::running(&[], 0), Arc::new(Faults::default()));
    watched(&faults)(&mut client);
    let one = publish(1, ("", "q"), false, &[0, 0], b"body", 4096);
    let is_known = |client: &mut Client| {
        // Two of them come in the usual way.
        client.bytes(&one.repeat(2));
        client.session.known_publishes(&one).is_some()
    };
    assert!(is_known(&mut client));
    let id = faults.add(vain("publish"));
    assert!(!is_known(&mut client), "each is looked at");
    faults.remove(id);
    assert!(is_known(&mut client));
    faults.add(rule(json!({"on": "publish", "do": "drop"})));
    assert!(!is_known(&mut client), "the first that came was its own");
    client.bytes(&one);
    assert!(is_known(&mut client), "a rule that is done has no say any more");
}
