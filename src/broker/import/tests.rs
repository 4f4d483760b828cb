//! What a file may say, and what an error says.

use amq_protocol::types::AMQPValue;

use super::parse::{Definitions, Secret, Target, parse};
use crate::auth::UserLimits;
use crate::policy::PolicyKind;
use crate::topology::Destination;

const HOME: Target<'static> = Target::Broker { default_vhost: "home" };

fn read(text: &str) -> Definitions {
    parse(text, HOME).unwrap()
}

fn error(text: &str) -> String {
    let error = parse(text, HOME).unwrap_err().to_string();
    assert!(!error.contains('\n'), "not one line: {error}");
    error
}

#[test]
fn users_come_with_hashes_or_passwords_and_tags_in_two_forms() {
    let definitions = read(
        r#"{"users": [
            {"name": "a", "password_hash": "", "hashing_algorithm": "rabbit_password_hashing_sha512", "tags": "x, y"},
            {"name": "b", "password": "pw", "tags": ["z"], "limits": {}},
            {"name": "c", "password_hash": "/nZY1rydD3i/elXiYVYMf2mTAJ69Tj1Jyw2552VpQjMmL0df", "tags": [],
             "limits": {"max-connections": 1}}
        ]}"#,
    );
    let [a, b, c] = &definitions.users[..] else { panic!("{definitions:?}") };
    assert!(matches!(a.secret, Secret::Hash(None)) && a.tags == ["x", "y"]);
    assert!(matches!(&b.secret, Secret::Plain(password) if password == b"pw") && b.tags == ["z"]);
    assert!(matches!(&c.secret, Secret::Hash(Some(hash)) if hash.matches(b"pw")) && c.tags.is_empty());
    let notes = definitions.notes.join("; ");
    assert!(notes.contains("user 'a': without a password that can be used here"));
    assert_eq!([a.limits, b.limits], [None, Some(UserLimits::default())]);
    assert_eq!(c.limits.and_then(|limits| limits.max_connections), Some(1));
}

#[test]
fn objects_without_a_vhost_belong_to_the_default_one() {
    let definitions = read(
        r#"{
            "queues": [{"name": "q"}, {"name": "q", "vhost": "v", "durable": false, "auto_delete": true}],
            "exchanges": [{"name": "e", "type": "topic", "arguments": []}],
            "bindings": [{"source": "e", "destination": "q", "destination_type": "queue", "routing_key": "k",
                          "arguments": {"n": 1, "f": 1.5, "t": true, "s": "x", "l": [1, "y"], "o": {"k": null}}}],
            "policies": [{"name": "p", "pattern": "", "definition": {"max-length": 1}}]
        }"#,
    );
    let vhosts = definitions.queues.iter().map(|(vhost, _)| vhost.as_str()).collect::<Vec<_>>();
    assert_eq!(vhosts, ["home", "v"]);
    let [(_, first), (_, second)] = &definitions.queues[..] else { panic!("{definitions:?}") };
    assert!(first.options.durable && !second.options.durable && second.options.auto_delete);
    let (vhost, binding) = &definitions.bindings[0];
    assert_eq!((vhost.as_str(), &binding.destination), ("home", &Destination::Queue("q".to_owned())));
    let arguments = binding.arguments.inner();
    assert_eq!(arguments.get("n"), Some(&AMQPValue::LongLongInt(1)));
    assert_eq!(arguments.get("f"), Some(&AMQPValue::Double(1.5)));
    assert_eq!(arguments.get("s"), Some(&AMQPValue::LongString("x".into())));
    assert_eq!(arguments.len(), 6);
    assert_eq!(definitions.policies[0].0, "home");
}

#[test]
fn operator_policies_are_parameters_also_as_pairs() {
    for definition in [r#"{"max-length": 3}"#, r#"[["max-length", 3]]"#] {
        let text = format!(
            r#"{{"parameters": [
                {{"component": "operator_policy", "name": "op", "vhost": "/",
                  "value": {{"pattern": "^q", "definition": {definition}, "priority": 2, "apply-to": "queues"}}}},
                {{"component": "shovel", "name": "s", "vhost": "/", "value": {{}}}}
            ]}}"#
        );
        let definitions = read(&text);
        let policy = &definitions.policies[0].1.policy;
        assert_eq!((policy.kind, policy.priority), (PolicyKind::Operator, 2));
        assert_eq!(policy.definition.inner().get("max-length"), Some(&AMQPValue::LongLongInt(3)));
        assert!(definitions.notes[0].contains("shovel"), "{:?}", definitions.notes);
    }
}

#[test]
fn what_is_ignored_is_said() {
    let definitions = read(r#"{"rabbit_version": "3.10.8", "queus": []}"#);
    assert!(
        matches!(&definitions.notes[..], [note] if note.contains("\"queus\" ignored")),
        "{:?}",
        definitions.notes
    );
    assert!(read(r#"{"topic_permissions": [], "rabbitmq_version": "4.0"}"#).notes.is_empty());
}

#[test]
fn an_error_names_object_and_field() {
    for (text, said) in [
        ("{", "line 1, column 1: is not JSON: EOF while parsing an object at line 1 column 1"),
        ("[]", "the file: expected an object, got a list"),
        (r#"{"users": {}}"#, "the file: users: expected a list, got an object"),
        (r#"{"users": [1]}"#, "users[0]: expected an object, got 1"),
        (r#"{"users": [{"password_hash": ""}]}"#, "users[0]: name: is missing"),
        ("{\"users\": [{\"name\": \"a\\nb\", \"tags\": 1}]}", "user 'ab': tags: expected a list, got 1"),
        (
            r#"{"users": [{"name": "a", "password_hash": "x"}]}"#,
            "user 'a': password_hash: is not base64: Invalid input length: 1",
        ),
        (r#"{"users": [{"name": "a", "password": 5}]}"#, "user 'a': password: expected a string, got 5"),
        (
            r#"{"users": [{"name": "a", "password": "", "tags": [1]}]}"#,
            "user 'a': tags: expected a list of strings, got 1",
        ),
        (r#"{"vhosts": [{"name": ""}]}"#, "vhost '': name: may not be empty"),
        (
            r#"{"permissions": [{"user": "a", "vhost": "/", "configure": "", "write": "(", "read": ""}]}"#,
            "permission of user 'a' on vhost '/': write: \"(\" is not a regular expression this broker understands: unclosed group",
        ),
        (r#"{"permissions": [{"user": "a", "configure": ""}]}"#, "permissions[0]: write: is missing"),
        (
            r#"{"queues": [{"name": "q", "vhost": "/", "durable": "yes"}]}"#,
            "queue 'q' in vhost '/': durable: expected true or false, got a string",
        ),
        (
            r#"{"queues": [{"name": "q", "vhost": "/", "arguments": {"x-max-length": -1}}]}"#,
            "queue 'q' in vhost '/': arguments: invalid arg 'x-max-length' for queue 'q' in vhost '/': {value_negative,-1}",
        ),
        (
            r#"{"exchanges": [{"name": "e", "type": "odd"}]}"#,
            "exchange 'e': type: invalid exchange type 'odd'",
        ),
        (
            r#"{"bindings": [{"source": "e", "destination": "q", "destination_type": "x", "routing_key": ""}]}"#,
            "bindings[0]: destination_type: \"x\" is neither queue nor exchange",
        ),
        (
            r#"{"policies": [{"name": "p", "vhost": "/", "pattern": "", "definition": {"max-length": 1}, "apply-to": "x"}]}"#,
            "policy 'p' in vhost '/': apply-to: \"x\" is none of all, queues, classic_queues, quorum_queues, streams and exchanges",
        ),
        (
            r#"{"policies": [{"name": "p", "vhost": "/", "pattern": "", "definition": {"nonsense": 1}}]}"#,
            "policy 'p' in vhost '/': nonsense: is not a recognised policy setting",
        ),
    ] {
        assert_eq!(error(text), said, "{text}");
    }
}

#[test]
fn no_password_is_in_an_error() {
    let secrets = [
        r#"{"users": [{"name": "a", "password": ["hunter2"]}]}"#,
        r#"{"users": [{"name": "a", "password_hash": "hunter2"}]}"#,
    ];
    for text in secrets {
        assert!(!error(text).contains("hunter2"), "{text}");
    }
}

#[test]
fn a_user_without_a_usable_password_is_one_all_the_same() {
    let definitions = read(
        r#"{"users": [
            {"name": "none"},
            {"name": "empty", "password_hash": ""},
            {"name": "md5", "password_hash": "YWJjZODzy6NRiTHUYpNJdsHFvNQ=",
             "hashing_algorithm": "rabbit_password_hashing_md5", "tags": ["management"]}
        ]}"#,
    );
    let [none, empty, md5] = &definitions.users[..] else { panic!("{definitions:?}") };
    assert!([none, empty].iter().all(|user| matches!(user.secret, Secret::Hash(None))));
    assert!(matches!(&md5.secret, Secret::Hash(Some(_))));
    assert_eq!(md5.tags, ["management"]);
    assert_eq!(definitions.notes.len(), 2, "{:?}", definitions.notes);
}

#[test]
fn what_only_rabbitmq_has_is_skipped_by_name() {
    let definitions = read(
        r#"{
            "exchanges": [{"name": "e", "type": "x-recent-history"}, {"name": "d", "type": "direct"}],
            "queues": [{"name": "s", "arguments": {"x-queue-type": "jms"}},
                       {"name": "q", "arguments": {"x-queue-type": "quorum"}}]
        }"#,
    );
    let skipped = |end: Destination| definitions.skipped.contains(&("home".to_owned(), end));
    assert!(skipped(Destination::Exchange("e".to_owned())) && skipped(Destination::Queue("s".to_owned())));
    assert_eq!((definitions.skipped.len(), definitions.exchanges.len(), definitions.queues.len()), (2, 1, 1));
    let notes = definitions.notes.join("; ");
    assert!(notes.contains("x-recent-history") && notes.contains("jms"), "{notes}");
}

#[test]
fn policy_keys_of_plugins_are_kept() {
    let definitions = read(
        r#"{"policies": [{"name": "p", "pattern": "^(?!amq\\.)", "definition":
            {"federation-upstream-set": "all", "shards-per-node": 2, "max-length": 1}}]}"#,
    );
    let policy = &definitions.policies[0].1.policy;
    assert_eq!(policy.definition.inner().len(), 3);
    assert_eq!(definitions.notes.len(), 2, "{:?}", definitions.notes);
}
