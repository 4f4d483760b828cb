//! Metrics: what a scrape shows is what holds, and counters never fall.

use coney::Broker;
use lapin::BasicProperties;
use lapin::options::{
    BasicAckOptions, BasicGetOptions, BasicPublishOptions, BasicRejectOptions, QueueDeclareOptions,
    QueueDeleteOptions,
};
use lapin::types::FieldTable;

use crate::support::client::{Bench, string, table};
use crate::support::http::Http;

/// Of dead letters of classic queues that were sent on.
const SENT_ON: &str = "{queue_type=\"rabbit_classic_queue\",dead_letter_strategy=\"at_least_once\"}";

/// With HTTP and metrics on free ports.
async fn measured() -> (Bench, Http, Http) {
    let any = "127.0.0.1:0".parse().unwrap();
    let builder = Broker::builder().ephemeral().listen(any).http(any).metrics(any);
    let bench = Bench::on(builder.start().await.unwrap()).await;
    let metrics = Http::new(bench.broker.metrics_addresses()[0]).nobody();
    let api = Http::new(bench.broker.http_addresses()[0]);
    (bench, metrics, api)
}

/// A page, whose lines have the form that the format wants.
struct Page(String);

impl Page {
    fn get(http: &Http, path: &str) -> Self {
        let answer = http.get(path);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4"));
        let page = Self(String::from_utf8(answer.body).unwrap());
        page.check();
        page
    }

    /// The value of a sample; `None` if there is no such one.
    fn value(&self, sample: &str) -> Option<f64> {
        let prefix = format!("{sample} ");
        self.0.lines().find_map(|line| line.strip_prefix(&prefix)).map(|value| value.parse().unwrap())
    }

    fn count(&self, sample: &str) -> u64 {
        self.value(sample).unwrap_or_else(|| panic!("no {sample} in:\n{}", self.0)) as u64
    }

    /// A metric has its help and its type once, before its samples, which stand together, each once.
    fn check(&self) {
        let mut known = std::collections::BTreeSet::new();
        let mut samples = std::collections::BTreeSet::new();
        let mut current = String::new();
        for line in self.0.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let name = rest.split_once(' ').unwrap().0;
                assert!(known.insert(name.to_owned()), "{name} twice");
                current = name.to_owned();
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                assert!(rest.starts_with(&format!("{current} ")), "{line}");
            } else {
                let (sample, value) = line.rsplit_once(' ').unwrap();
                assert!(value.parse::<f64>().is_ok(), "{line}");
                assert!(sample.starts_with(&current), "{line} after {current}");
                assert!(samples.insert(sample.to_owned()), "{sample} twice");
            }
        }
        assert!(self.0.contains("\nrabbitmq_build_info{") && self.0.contains("\nrabbitmq_identity_info{"));
    }

    /// All counters, and what histograms count.
    fn counters(&self) -> Vec<(&str, f64)> {
        let mut is_counter = false;
        let mut counters = Vec::new();
        for line in self.0.lines() {
            if let Some(kind) = line.strip_prefix("# TYPE ") {
                is_counter = kind.ends_with(" counter") || kind.ends_with(" histogram");
            } else if is_counter && !line.starts_with('#') {
                let (sample, value) = line.rsplit_once(' ').unwrap();
                counters.push((sample, value.parse().unwrap()));
            }
        }
        counters
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_scrape_shows_what_happened_up_to_now() {
    let (bench, metrics, _) = measured().await;
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let quorum = table(&[("x-queue-type", string("quorum"))]);
    bench.channel.queue_declare("dead".into(), durable, quorum).await.unwrap();
    bench
        .declare(
            "q",
            table(&[("x-dead-letter-exchange", string("")), ("x-dead-letter-routing-key", string("dead"))]),
        )
        .await;
    for body in ["one", "two", "three", &"x".repeat(101)] {
        bench.publish("", "q", body).await;
    }
    bench.publish("", "nowhere", "lost").await;
    let plain = bench.channel().await;
    plain
        .basic_publish("".into(), "q".into(), BasicPublishOptions::default(), b"plain", Default::default())
        .await
        .unwrap();
    let get = async || plain.basic_get("q".into(), BasicGetOptions::default()).await.unwrap().unwrap();
    get().await.ack(BasicAckOptions::default()).await.unwrap();
    get().await.reject(BasicRejectOptions { requeue: false }).await.unwrap();
    let _unacked = get().await;
    plain.basic_get("q".into(), BasicGetOptions { no_ack: true }).await.unwrap().unwrap();
    let page = Page::get(&metrics, "/metrics");
    for (sample, expected) in [
        ("rabbitmq_queue_messages_ready", 2),
        ("rabbitmq_queue_messages_unacked", 1),
        ("rabbitmq_queues", 2),
        ("rabbitmq_connections", 1),
        ("rabbitmq_channels", 2),
        ("rabbitmq_consumers", 0),
        ("rabbitmq_global_publishers{protocol=\"amqp091\"}", 2),
        ("rabbitmq_global_messages_received_total{protocol=\"amqp091\"}", 6),
        ("rabbitmq_global_messages_received_confirm_total{protocol=\"amqp091\"}", 5),
        ("rabbitmq_global_messages_confirmed_total{protocol=\"amqp091\"}", 5),
        ("rabbitmq_global_messages_routed_total{protocol=\"amqp091\"}", 5),
        ("rabbitmq_global_messages_unroutable_returned_total{protocol=\"amqp091\"}", 1),
        ("rabbitmq_message_size_bytes_bucket{protocol=\"amqp091\",le=\"100\"}", 5),
        ("rabbitmq_message_size_bytes_bucket{protocol=\"amqp091\",le=\"1000\"}", 6),
        ("rabbitmq_message_size_bytes_sum{protocol=\"amqp091\"}", 121),
        (
            "rabbitmq_global_messages_delivered_total{protocol=\"amqp091\",queue_type=\"rabbit_classic_queue\"}",
            4,
        ),
        (
            "rabbitmq_global_messages_delivered_total{protocol=\"amqp091\",queue_type=\"rabbit_quorum_queue\"}",
            0,
        ),
        (
            "rabbitmq_global_messages_acknowledged_total{protocol=\"amqp091\",queue_type=\"rabbit_classic_queue\"}",
            1,
        ),
        ("rabbitmq_auth_attempts_succeeded_total{protocol=\"amqp091\"}", 1),
        ("rabbitmq_alarms_memory_used_watermark", 0),
    ] {
        assert_eq!(page.count(sample), expected, "{sample}");
    }
    for reason in ["rejected", "confirmed"] {
        let sample = format!("rabbitmq_global_messages_dead_lettered_{reason}_total{SENT_ON}");
        assert_eq!(page.count(&sample), 1, "{sample}");
    }
    let objects = Page::get(&metrics, "/metrics/per-object");
    assert_eq!(objects.count("rabbitmq_queue_messages_ready{vhost=\"/\",queue=\"dead\"}"), 1);
    assert_eq!(objects.count("rabbitmq_queue_messages_unacked{vhost=\"/\",queue=\"q\"}"), 1);
    assert_eq!(objects.count("rabbitmq_queue_get_ack_total{vhost=\"/\",queue=\"q\"}"), 3);
    let info = "rabbitmq_queue_info{vhost=\"/\",queue=\"dead\",queue_type=\"rabbit_quorum_queue\",membership=\"leader\"}";
    assert_eq!(objects.count(info), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn what_is_in_a_queue_is_shown_where_queues_are_shown() {
    let (bench, metrics, api) = measured().await;
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    for queue in ["empty", "q"] {
        bench.channel.queue_declare(queue.into(), durable, FieldTable::default()).await.unwrap();
    }
    let plain = bench.channel().await;
    let publish = async |body: &[u8], properties: BasicProperties| {
        let options = BasicPublishOptions::default();
        plain.basic_publish("".into(), "q".into(), options, body, properties).await.unwrap();
    };
    publish(b"12", BasicProperties::default()).await;
    publish(b"3456", BasicProperties::default().with_timestamp(1_700_000_000).with_delivery_mode(2)).await;
    publish(b"7", BasicProperties::default()).await;
    let _unacked = plain.basic_get("q".into(), BasicGetOptions::default()).await.unwrap().unwrap();
    let seen = api.json("/api/queues/%2F/q");
    for (path, prefix) in [
        ("/metrics/per-object", "rabbitmq_queue"),
        ("/metrics/detailed?family=queue_metrics", "rabbitmq_detailed_queue"),
    ] {
        let page = Page::get(&metrics, path);
        let of = |queue: &str, name: &str| {
            page.value(&format!("{prefix}_{name}{{vhost=\"/\",queue=\"{queue}\"}}"))
        };
        for (name, field, expected) in [
            ("messages_ram", "messages_ram", 3),
            ("messages_ram_bytes", "message_bytes_ram", 7),
            ("messages_ready_ram", "messages_ready_ram", 2),
            ("messages_unacked_ram", "messages_unacknowledged_ram", 1),
            ("messages_persistent", "messages_persistent", 1),
            ("messages_persistent_bytes", "message_bytes_persistent", 4),
            ("messages_bytes", "message_bytes", 7),
            ("messages_unacked_bytes", "message_bytes_unacknowledged", 2),
            ("messages_paged_out", "messages_paged_out", 0),
            ("messages_paged_out_bytes", "message_bytes_paged_out", 0),
            ("head_message_timestamp", "head_message_timestamp", 1_700_000_000),
            ("consumer_capacity", "consumer_capacity", 0),
            ("consumer_utilisation", "consumer_utilisation", 0),
        ] {
            assert_eq!(of("q", name), Some(f64::from(expected)), "{path}: {name}");
            assert_eq!(seen[field].as_f64(), Some(f64::from(expected)), "{field}");
        }
        assert_eq!(of("empty", "messages_ram"), Some(0.0));
        assert_eq!(of("empty", "head_message_timestamp"), None, "no message, no timestamp");
    }
    assert_eq!(Page::get(&metrics, "/metrics").value("rabbitmq_queue_messages_ram"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn counters_never_fall() {
    let (bench, metrics, _) = measured().await;
    bench.broker.put_vhost("gone").await.unwrap();
    let mut before = String::new();
    let mut check = || {
        let page = Page::get(&metrics, "/metrics");
        let old = Page(std::mem::replace(&mut before, page.0.clone()));
        for (sample, value) in old.counters() {
            let now = page.value(sample).unwrap_or_else(|| panic!("{sample} is gone"));
            assert!(now >= value, "{sample} fell from {value} to {now}");
        }
        page.count("rabbitmq_global_messages_received_total{protocol=\"amqp091\"}")
    };
    for round in 0..3 {
        bench.declare("q", FieldTable::default()).await;
        let channel = bench.channel().await;
        for _ in 0..10 {
            channel
                .basic_publish(
                    "".into(),
                    "q".into(),
                    BasicPublishOptions::default(),
                    b"m",
                    Default::default(),
                )
                .await
                .unwrap();
        }
        let get = channel.basic_get("q".into(), BasicGetOptions::default()).await.unwrap().unwrap();
        get.ack(BasicAckOptions::default()).await.unwrap();
        assert_eq!(check(), (round + 1) * 10);
        channel.close(200, "".into()).await.unwrap();
        check();
        bench.channel.queue_delete("q".into(), QueueDeleteOptions::default()).await.unwrap();
        assert_eq!(check(), (round + 1) * 10);
    }
    bench.broker.delete_vhost("gone").await.unwrap();
    check();
    bench.connection.close(200, "".into()).await.unwrap();
    while bench.broker.totals().connections_closed == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(check(), 30);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn detailed_has_what_is_asked_for_and_no_name_breaks_a_line() {
    let (bench, metrics, _) = measured().await;
    let odd = "q\"} 1\nforged 7\\";
    for name in [odd, "jobs.1", "jobs.2", "other"] {
        bench.declare(name, FieldTable::default()).await;
    }
    let samples = |query: &str| {
        let page = Page::get(&metrics, &format!("/metrics/detailed{query}"));
        let lines = page
            .0
            .lines()
            .filter(|line| line.starts_with("rabbitmq_detailed_") || line.starts_with("rabbitmq_cluster_"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(samples("").is_empty());
    assert!(samples("?family=nonsense").is_empty());
    assert!(samples("?family=queue_consumer_count&vhost=nowhere").is_empty());
    let of_jobs = samples("?family=queue_consumer_count&vhost=%2F&queue=%5Ejobs");
    let consumers = of_jobs.iter().filter(|line| line.starts_with("rabbitmq_detailed_queue_consumers{"));
    assert_eq!(consumers.count(), 2, "{of_jobs:?}");
    let bindings = samples("?family=exchange_bindings&family=vhost_status");
    assert!(bindings.contains(&"rabbitmq_cluster_vhost_status{vhost=\"/\"} 1".to_owned()));
    let fanout = "rabbitmq_cluster_exchange_bindings{vhost=\"/\",exchange=\"amq.fanout\",type=\"fanout\"} 0";
    assert!(bindings.contains(&fanout.to_owned()), "{bindings:?}");
    let all = samples("?family=queue_consumer_count").join("\n");
    // RabbitMQ, too, takes line feeds out of names on their way in; those of vhosts stay.
    let escaped = r#"rabbitmq_detailed_queue_consumers{vhost="/",queue="q\"} 1forged 7\\"} 0"#;
    assert!(all.contains(escaped), "{all}");
    bench.broker.put_vhost("v\nforged 7").await.unwrap();
    let vhosts = samples("?family=vhost_status");
    assert!(
        vhosts.contains(&r#"rabbitmq_cluster_vhost_status{vhost="v\nforged 7"} 1"#.to_owned()),
        "{vhosts:?}"
    );
    for wrong in ["?queue=(", &format!("?queue={}", "a".repeat(2001))] {
        assert_eq!(metrics.get(&format!("/metrics/detailed{wrong}")).status, 400, "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn the_apis_port_has_them_for_those_who_may_see_everything() {
    let (bench, metrics, api) = measured().await;
    let secret = || coney::Secret::Plain(b"secret".to_vec());
    for (name, tags) in [("watcher", &["monitoring"][..]), ("manager", &["management"])] {
        bench.broker.put_user(name, secret(), tags).await.unwrap();
    }
    for (path, found) in [
        ("/metrics", true),
        ("/metrics/per-object", true),
        ("/metrics/detailed", true),
        ("/metrics/memory-breakdown", true),
        ("/metrics/", true),
        ("/metrics/nonsense", false),
    ] {
        assert_eq!(metrics.get(path).status, if found { 200 } else { 404 }, "{path}");
        let expected = if found { [401, 401, 200] } else { [404, 404, 404] };
        let seen = [api.nobody(), api.user("manager", "secret"), api.user("watcher", "secret")]
            .map(|asker| asker.get(path).status);
        assert_eq!(seen, expected, "{path}");
    }
    assert_eq!(metrics.get("/metrics/nonsense").body, b"Unknown Registry");
    let page = Page::get(&metrics, "/metrics/memory-breakdown");
    assert!(page.count("coney_memory_bytes{kind=\"queues\"}") < 1 << 20);
    assert!(page.count("coney_memory_bytes{kind=\"clients\"}") > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn the_oldest_messages_have_an_age() {
    let (bench, metrics, _) = measured().await;
    bench.declare("q", FieldTable::default()).await;
    let ages = || {
        let page = Page::get(&metrics, "/metrics");
        ["coney_queue_oldest_ready_age_seconds", "coney_queue_oldest_unacked_age_seconds"]
            .map(|name| page.value(name).unwrap())
    };
    assert_eq!(ages(), [0.0, 0.0]);
    bench.publish("", "q", "m").await;
    let [first, unacked] = ages();
    assert_eq!(unacked, 0.0);
    let [second, _] = ages();
    assert!(0.0 < first && first < second, "{first} {second}");
    let _unacked = bench.channel.basic_get("q".into(), BasicGetOptions::default()).await.unwrap().unwrap();
    let [ready, unacked] = ages();
    assert!(ready == 0.0 && unacked > 0.0, "{ready} {unacked}");
}
