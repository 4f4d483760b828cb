//! What a dead letter carries, byte for byte where the clients of it look, and when it stops going round.

use super::super::dead_letter::{Death, is_cycle, with_death};
use super::super::sender_selected::{extra_keys, has_bcc, routing_keys, without_bcc};
use super::*;
use crate::protocol::content::Properties;
use crate::protocol::table::{FieldValue, Table, TableWriter};
use crate::time::Timestamp;

const HEADERS: u16 = 1 << 13;
const EXPIRATION: u16 = 1 << 8;

const DEATH: Death<'_> = Death {
    queue: "q",
    reason: Reason::Rejected,
    at: Timestamp::from_millis(1_234_567),
    exchange: "dlx",
    routing_key: None,
    attempts: None,
};

/// Flags and values: every property there is, but headers and expiration only as given.
fn properties(headers: Option<&[u8]>, expiration: Option<&[u8]>) -> Vec<u8> {
    let mut flags = 0xFFFC_u16;
    let mut values = b"\x04text\x04gzip".to_vec();
    match headers {
        Some(table) => {
            values.extend_from_slice(&(table.len() as u32).to_be_bytes());
            values.extend_from_slice(table);
        }
        None => flags &= !HEADERS,
    }
    values.extend_from_slice(b"\x02\x07\x04corr\x05reply");
    match expiration {
        Some(expiration) => {
            values.push(expiration.len() as u8);
            values.extend_from_slice(expiration);
        }
        None => flags &= !EXPIRATION,
    }
    values.extend_from_slice(b"\x02id\0\0\0\0\0\0\0\x09\x04kind\x05guest\x03app\x03\xFF\xFE\xFD");
    [&flags.to_be_bytes()[..], &values].concat()
}

fn table(write: impl FnOnce(&mut TableWriter<'_>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut TableWriter::new(&mut bytes));
    bytes
}

fn letter(headers: Option<&[u8]>, expiration: Option<&[u8]>) -> Message {
    Message::new(Parts {
        exchange: b"from",
        routing_key: b"key",
        properties: &properties(headers, expiration),
        body: b"body",
        persistent: true,
    })
}

fn plain() -> Message {
    letter(None, None)
}

fn headers(message: &Message) -> Table<'_> {
    Properties::parse(message.properties()).unwrap().headers().unwrap()
}

fn text<'a>(table: Table<'a>, key: &str) -> &'a str {
    let Some(FieldValue::LongString(bytes)) = table.get(key.as_bytes()) else { panic!("{key}: {table:?}") };
    std::str::from_utf8(bytes).unwrap()
}

fn deaths(message: &Message) -> Vec<Table<'_>> {
    let Some(FieldValue::Array(array)) = headers(message).get(b"x-death") else { panic!("{message:?}") };
    let as_table = |value| if let FieldValue::Table(table) = value { table } else { panic!("{value:?}") };
    array.iter().map(as_table).collect()
}

/// Queue, reason and count of each death, newest first.
fn history(message: &Message) -> Vec<(&str, &str, i64)> {
    let death = |table: Table<'_>| table.get(b"count").and_then(|count| count.as_i64()).unwrap();
    deaths(message)
        .into_iter()
        .map(|table| (text(table, "queue"), text(table, "reason"), death(table)))
        .collect()
}

fn keys(table: Table<'_>) -> Vec<&[u8]> {
    extra_keys(table, b"routing-keys").collect()
}

fn died(queue: &'static str, reason: Reason) -> Death<'static> {
    Death { queue, reason, ..DEATH }
}

/// Buries a message once for each death, oldest first.
fn died_of(deaths: &[(&'static str, Reason)]) -> Message {
    deaths.iter().fold(plain(), |message, (queue, reason)| with_death(&message, &died(queue, *reason)))
}

#[test]
fn the_first_death_says_where_why_and_when() {
    let letter = with_death(&letter(None, Some(b"5000")), &died("q", Reason::Expired));
    let [death] = deaths(&letter)[..] else { panic!("{letter:?}") };
    let mut expected = table(|death| {
        death.entry(b"count", FieldValue::I64(1));
        death.entry(b"reason", FieldValue::LongString(b"expired"));
        death.entry(b"queue", FieldValue::LongString(b"q"));
        death.entry(b"time", FieldValue::Timestamp(1234));
        death.entry(b"exchange", FieldValue::LongString(b"from"));
        death.array(b"routing-keys", |keys| keys.value(FieldValue::LongString(b"key")));
    });
    TableWriter::new(&mut expected).entry(b"original-expiration", FieldValue::LongString(b"5000"));
    assert_eq!(death.bytes(), expected);
}

#[test]
fn without_a_ttl_there_is_no_original_expiration() {
    assert_eq!(deaths(&with_death(&plain(), &DEATH))[0].get(b"original-expiration"), None);
}

#[test]
fn every_reason_has_rabbitmqs_name() {
    let reasons = [Reason::Rejected, Reason::Expired, Reason::Maxlen, Reason::DeliveryLimit];
    let names =
        reasons.map(|reason| text(headers(&died_of(&[("q", reason)])), "x-first-death-reason").to_owned());
    assert_eq!(names, ["rejected", "expired", "maxlen", "delivery_limit"]);
}

#[test]
fn everything_but_headers_and_expiration_stays_as_it_was() {
    let mine = table(|mine| {
        mine.entry(b"b", FieldValue::Bool(true));
        mine.entry(b"a", FieldValue::U16(1));
        mine.entry(b"b", FieldValue::Void);
    });
    let message = letter(Some(&mine), Some(b"60000"));
    let letter = with_death(&message, &DEATH);
    let table = headers(&letter).bytes();
    assert_eq!(letter.properties(), properties(Some(table), None));
    assert!(table.starts_with(&mine), "the client's own headers, in order, twins and all");
    assert_eq!((letter.body(), letter.is_persistent()), (&b"body"[..], true));
    assert_eq!((letter.exchange(), letter.routing_key()), (&b"dlx"[..], &b"key"[..]));
}

#[test]
fn a_message_without_properties_gets_headers() {
    let message = Message::new(Parts { properties: &[0, 0], ..Parts::default() });
    let letter = with_death(&message, &DEATH);
    let table = headers(&letter).bytes();
    let length = (table.len() as u32).to_be_bytes();
    assert_eq!(letter.properties(), [&HEADERS.to_be_bytes()[..], &length, table].concat());
    assert!(!letter.is_persistent());
}

#[test]
fn properties_that_cannot_be_read_are_kept() {
    let message = Message::new(Parts { properties: &[0x80, 0, 9], body: b"worth more", ..Parts::default() });
    let letter = with_death(&message, &DEATH);
    assert_eq!((letter.properties(), letter.body()), (&[0x80, 0, 9][..], &b"worth more"[..]));
    assert!(!is_cycle(&letter, "q"));
    assert_eq!(routing_keys(&letter), [b""]);
}

#[test]
fn a_repeated_death_is_counted_and_comes_to_the_front() {
    let message = died_of(&[("q", Reason::Expired), ("other", Reason::Expired), ("q", Reason::Maxlen)]);
    assert_eq!(history(&message), [("q", "maxlen", 1), ("other", "expired", 1), ("q", "expired", 1)]);
    let later = Timestamp::from_millis(9_999_999);
    let again = with_death(&message, &Death { at: later, ..died("q", Reason::Expired) });
    assert_eq!(history(&again), [("q", "expired", 2), ("q", "maxlen", 1), ("other", "expired", 1)]);
    let first = deaths(&again)[0];
    assert_eq!(first.get(b"time"), Some(FieldValue::Timestamp(1234)), "that of the first");
    assert_eq!(text(first, "exchange"), "from");
}

#[test]
fn keys_and_expiration_stay_those_of_the_first_death() {
    let first = with_death(&letter(None, Some(b"10")), &Death { routing_key: Some("new"), ..DEATH });
    let again = with_death(&first, &DEATH);
    let [death] = deaths(&again)[..] else { panic!("{again:?}") };
    assert_eq!((keys(death), text(death, "original-expiration")), (vec![&b"key"[..]], "10"));
    assert_eq!(death.get(b"count"), Some(FieldValue::I64(2)));
}

#[test]
fn first_death_headers_stay_and_last_death_headers_follow() {
    let message = died_of(&[("q", Reason::Expired), ("other", Reason::Rejected)]);
    let headers = headers(&message);
    let of =
        |prefix: &str| ["exchange", "queue", "reason"].map(|name| text(headers, &format!("{prefix}-{name}")));
    assert_eq!(of("x-first-death"), ["from", "q", "expired"]);
    assert_eq!(of("x-last-death"), ["dlx", "other", "rejected"]);
    let names: Vec<_> = headers.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), 7, "each of them once: {names:?}");
}

#[test]
fn an_own_routing_key_replaces_key_and_cc() {
    let cc = table(|cc| {
        cc.array(b"CC", |keys| {
            keys.value(FieldValue::LongString(b"one"));
            keys.value(FieldValue::I32(7));
            keys.value(FieldValue::LongString(b"two"));
        });
        cc.entry(b"mine", FieldValue::Void);
    });
    let message = letter(Some(&cc), None);
    let kept = with_death(&message, &DEATH);
    let all: [&[u8]; 3] = [b"key", b"one", b"two"];
    assert_eq!(
        (routing_keys(&kept), keys(deaths(&kept)[0])),
        (all.map(<[u8]>::to_vec).to_vec(), all.to_vec())
    );
    let replaced = with_death(&message, &Death { routing_key: Some("dead"), ..DEATH });
    assert_eq!(routing_keys(&replaced), [b"dead"]);
    assert_eq!(headers(&replaced).get(b"CC"), None);
    assert_eq!(headers(&replaced).get(b"mine"), Some(FieldValue::Void));
    assert_eq!(keys(deaths(&replaced)[0]), all);
}

#[test]
fn bcc_goes_where_it_is_asked_to() {
    let both = table(|both| {
        both.array(b"BCC", |keys| keys.value(FieldValue::LongString(b"hidden")));
        both.array(b"CC", |keys| keys.value(FieldValue::LongString(b"seen")));
    });
    let message = letter(Some(&both), None);
    assert!(has_bcc(Some(headers(&message))));
    let stripped = without_bcc(&message);
    let without = headers(&stripped);
    assert_eq!(extra_keys(without, b"BCC").count(), 0);
    assert_eq!(extra_keys(without, b"CC").collect::<Vec<_>>(), [b"seen"]);
    assert!(!has_bcc(Some(without)));
    assert_eq!(keys(deaths(&with_death(&message, &DEATH))[0]), [&b"key"[..], b"seen"], "BCC is not told");
    let dead = with_death(&message.with_bcc(true), &DEATH);
    assert!(dead.has_bcc());
    assert_eq!(routing_keys(&dead), [&b"key"[..], b"seen", b"hidden"], "a dead letter goes by it");
    let told = without_bcc(&dead);
    assert_eq!((headers(&told).get(b"BCC"), told.has_bcc(), told.is_dead_lettered()), (None, false, true));
    let replaced = with_death(&dead, &Death { routing_key: Some("dead"), ..DEATH });
    assert_eq!((headers(&replaced).get(b"BCC"), replaced.has_bcc()), (None, false));
    assert_eq!(routing_keys(&replaced), [b"dead"]);
}

#[test]
fn a_history_that_is_none_is_replaced() {
    let odd = [FieldValue::LongString(b"x"), FieldValue::Void];
    for value in odd {
        let made_up = table(|made_up| made_up.entry(b"x-death", value));
        let message = letter(Some(&made_up), None).with_dead_lettered(true);
        assert_eq!(history(&with_death(&message, &DEATH)), [("q", "rejected", 1)]);
        assert!(!is_cycle(&message, "q"));
    }
    let mixed = table(|mixed| mixed.array(b"x-death", |deaths| deaths.value(FieldValue::I32(1))));
    let mixed = letter(Some(&mixed), None).with_dead_lettered(true);
    assert_eq!(history(&with_death(&mixed, &DEATH)), [("q", "rejected", 1)]);
}

/// As RabbitMQ since 4.0.
#[test]
fn a_publishers_history_is_none() {
    let made_up = table(|made_up| {
        made_up.array(b"x-death", |deaths| {
            deaths.table(|death| {
                death.entry(b"count", FieldValue::I64(7));
                death.entry(b"queue", FieldValue::LongString(b"q"));
                death.entry(b"reason", FieldValue::LongString(b"rejected"));
            });
        });
        for name in [b"x-first-death-exchange", &b"x-first-death-queue"[..], b"x-first-death-reason"] {
            made_up.entry(name, FieldValue::LongString(b"mine"));
        }
        made_up.entry(b"x-last-death-queue", FieldValue::LongString(b"mine"));
    });
    let first = with_death(&letter(Some(&made_up), None), &DEATH);
    assert_eq!(history(&first), [("q", "rejected", 1)]);
    for key in ["x-first-death-queue", "x-last-death-queue"] {
        assert_eq!(text(headers(&first), key), "q");
        assert_eq!(headers(&first).iter().filter(|(name, _)| *name == key.as_bytes()).count(), 1);
    }
    assert_eq!(history(&with_death(&first, &DEATH)), [("q", "rejected", 2)], "the broker's own counts on");
}

#[test]
fn an_entry_without_a_count_gets_one() {
    let made_up = table(|made_up| {
        made_up.array(b"x-death", |deaths| {
            deaths.table(|death| {
                death.entry(b"queue", FieldValue::LongString(b"q"));
                death.entry(b"reason", FieldValue::LongString(b"rejected"));
            });
        });
    });
    let buried = with_death(&letter(Some(&made_up), None).with_dead_lettered(true), &DEATH);
    assert_eq!(history(&buried), [("q", "rejected", 1)]);
}

#[test]
fn a_death_of_its_own_queue_is_a_cycle_unless_somebody_rejected_it_since() {
    use Reason::{DeliveryLimit, Expired, Maxlen, Rejected};
    let cases: [(&[(&'static str, Reason)], bool); 8] = [
        (&[("q", Expired)], true),
        (&[("q", Maxlen)], true),
        (&[("q", DeliveryLimit)], true),
        (&[("q", Rejected)], false),
        (&[("other", Expired)], false),
        (&[("q", Expired), ("other", Maxlen)], true),
        (&[("q", Expired), ("other", Rejected)], false),
        (&[("other", Rejected), ("q", Expired)], true),
    ];
    for (deaths, expected) in cases {
        assert_eq!(is_cycle(&died_of(deaths), "q"), expected, "{deaths:?}");
    }
    assert!(!is_cycle(&plain(), "q"));
}

proptest! {
    /// The whole history against a list that is kept by the rule's words.
    #[test]
    fn a_history_is_newest_first_with_one_entry_for_queue_and_reason(
        steps in proptest::collection::vec((0..3_usize, 0..4_usize), 1..12),
    ) {
        let mut expected: Vec<(&str, &str, i64)> = Vec::new();
        let mut message = letter(None, Some(b"1"));
        for (queue, reason) in steps {
            let queue = ["one", "two", "three"][queue];
            let reason = [Reason::Rejected, Reason::Expired, Reason::Maxlen, Reason::DeliveryLimit][reason];
            let place = expected.iter().position(|(q, r, _)| (*q, *r) == (queue, reason.name()));
            let (_, _, count) = place.map_or(("", "", 0), |place| expected.remove(place));
            expected.insert(0, (queue, reason.name(), count + 1));
            message = with_death(&message, &died(queue, reason));
            prop_assert_eq!(history(&message), expected.clone());
            prop_assert_eq!(Properties::parse(message.properties()).unwrap().expiration(), None);
        }
    }
}

#[test]
fn the_largest_count_stays() {
    let made_up = table(|made_up| {
        made_up.array(b"x-death", |deaths| {
            deaths.table(|death| {
                death.entry(b"count", FieldValue::I64(i64::MAX));
                death.entry(b"queue", FieldValue::LongString(b"q"));
                death.entry(b"reason", FieldValue::LongString(b"rejected"));
            });
        });
    });
    let buried = with_death(&letter(Some(&made_up), None).with_dead_lettered(true), &DEATH);
    assert_eq!(history(&buried), [("q", "rejected", i64::MAX)]);
}
