//! What three servers on this machine do. By hand: `cargo test --features cluster --test cluster_nats -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use coney::cluster::{Log, NatsLog, Sequence};
use tokio::runtime::Runtime;

use crate::servers::Servers;

const LASTS: Duration = Duration::from_secs(10);

#[test]
#[ignore = "measures; asserts that what was appended is read"]
fn figures() {
    let Some(servers) = Servers::start(3) else { return };
    let runtime = Runtime::new().unwrap();
    runtime.block_on(servers.init(3));
    let mut log = runtime.block_on(servers.open(0)).log;
    for bytes in [1024, 256 * 1024] {
        let began_after = log.bounds().unwrap().last;
        let appended = appends(&mut log, began_after, bytes);
        let mut reader = runtime.block_on(servers.open(1)).log;
        reads(&mut reader, began_after, appended);
    }
    follows(&mut log, &mut runtime.block_on(servers.open(1)).log);
}

fn appends(log: &mut NatsLog, first: Sequence, bytes: usize) -> u64 {
    let (frame, began) = (vec![1; bytes], Instant::now());
    let (mut last, mut took) = (first, Vec::new());
    while began.elapsed() < LASTS {
        let asked = Instant::now();
        last = log.append(last, &frame).unwrap();
        took.push(asked.elapsed());
    }
    let seconds = began.elapsed().as_secs_f64();
    took.sort();
    let [p50, p99] = [50, 99].map(|percent| took[took.len() * percent / 100]);
    println!("append {bytes} B: {:.0}/s, p50 {p50:?}, p99 {p99:?}", took.len() as f64 / seconds);
    last.0 - first.0
}

fn reads(log: &mut NatsLog, first: Sequence, count: u64) {
    let (mut last, mut bytes, began) = (first, 0, Instant::now());
    while last.0 < first.0 + count {
        for (at, frame) in log.read(last, 4 * 1024 * 1024).unwrap() {
            assert_eq!(at, last.next());
            (last, bytes) = (at, bytes + frame.len());
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    println!("read: {:.0}/s, {:.0} MB/s", count as f64 / seconds, bytes as f64 / seconds / 1e6);
}

/// Frames of 256 KiB while another reads them.
fn follows(log: &mut NatsLog, reader: &mut NatsLog) {
    let first = log.bounds().unwrap().last;
    let mut follower = reader.clone();
    let following = std::thread::spawn(move || {
        let (mut last, mut lags) = (first, Vec::new());
        while lags.len() < 1000 {
            for (at, frame) in follower.read(last, 4 * 1024 * 1024).unwrap() {
                assert_eq!((at, frame.len()), (last.next(), 256 * 1024));
                last = at;
                lags.push(Instant::now());
            }
        }
        lags
    });
    let (frame, mut last, mut appended) = (vec![1; 256 * 1024], first, Vec::new());
    for _ in 0..1000 {
        last = log.append(last, &frame).unwrap();
        appended.push(Instant::now());
    }
    let read = following.join().unwrap();
    let mut lags: Vec<Duration> = read
        .iter()
        .zip(&appended)
        .map(|(read, appended)| read.saturating_duration_since(*appended))
        .collect();
    lags.sort();
    println!("a follower has a frame p50 {:?}, p99 {:?} after it was acknowledged", lags[500], lags[990]);
}
