//! Problems that the brokers of several shards of a cluster have, as one list.

use serde_json::{Value, json};

use super::problem::is_failure;

/// Worst first.
const SEVERITIES: [&str; 3] = ["critical", "warning", "note"];

/// One list of all shards' lists. What several brokers say of their node, or of a user, is said once. `is_own` tells whether a vhost is the shard's whose
/// list has this index.
pub(in crate::management) fn problems(lists: Vec<Value>, is_own: impl Fn(usize, &str) -> bool) -> Value {
    let mut all: Vec<Value> = Vec::new();
    let mut counts = [0_u64; SEVERITIES.len()];
    let rank = |problem: &Value| {
        let severity = problem.get("severity")?.as_str()?;
        SEVERITIES.iter().position(|name| severity == *name)
    };
    for (shard, mut list) in lists.into_iter().enumerate() {
        for (count, name) in counts.iter_mut().zip(SEVERITIES) {
            *count += number(list.get("counts").and_then(|counts| counts.get(name)));
        }
        let Some(Value::Array(problems)) = list.get_mut("problems").map(Value::take) else { continue };
        for problem in problems {
            let is_elsewhere = vhost(&problem).is_some_and(|vhost| !is_own(shard, vhost));
            if is_elsewhere || all.contains(&problem) {
                let count = rank(&problem).and_then(|rank| counts.get_mut(rank));
                count.into_iter().for_each(|count| *count = count.saturating_sub(1));
            } else {
                all.push(problem);
            }
        }
    }
    all.sort_by_key(|problem| {
        let kind = problem.get("kind").and_then(Value::as_str).unwrap_or_default();
        (rank(problem), !is_failure(kind), std::cmp::Reverse(number(problem.get("count"))))
    });
    let [critical, warning, note] = counts;
    json!({ "counts": { "critical": critical, "warning": warning, "note": note }, "problems": all })
}

fn number(value: Option<&Value>) -> u64 {
    value.and_then(Value::as_u64).unwrap_or(0)
}

fn vhost(problem: &Value) -> Option<&str> {
    problem.get("target")?.get("vhost")?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_comes_first_and_what_all_say_once() {
        let problem = |severity: &str, kind: &str, count: u64, vhost: Option<&str>| json!({ "severity": severity, "kind": kind, "count": count, "target": { "vhost": vhost } });
        let user = problem("warning", "well-known-password", 1, None);
        let (slow, failing) =
            (problem("warning", "no-consumer", 9, Some("/")), problem("warning", "failing", 2, Some("a")));
        let full = problem("critical", "disk-alarm", 0, None);
        let lists = vec![
            json!({ "counts": { "critical": 0, "warning": 3, "note": 60 }, "problems": [slow, user, failing] }),
            json!({ "counts": { "critical": 1, "warning": 2, "note": 0 }, "problems": [full, user, failing] }),
        ];
        let found = problems(lists, |shard, vhost| (shard == 0) == (vhost == "/"));
        assert_eq!(found["problems"], json!([full, failing, slow, user]));
        assert_eq!(found["counts"], json!({ "critical": 1, "warning": 3, "note": 60 }));
    }
}
