//! The client against small servers that say what a test wants them to say.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::*;

/// A server, and what it was asked: head and body of each request.
struct Server {
    http: Http,
    asked: Receiver<String>,
}

impl Server {
    /// Answers one request a connection for each list of answers, then closes it.
    fn new(connections: Vec<Vec<String>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let http = Http::new("127.0.0.1", listener.local_addr().unwrap().port());
        let (tell, asked) = channel();
        thread::spawn(move || {
            for answers in connections {
                let mut stream = BufReader::new(listener.accept().unwrap().0);
                for answer in answers {
                    let _ = tell.send(read_request(&mut stream));
                    stream.get_mut().write_all(answer.as_bytes()).unwrap();
                }
            }
        });
        Self { http, asked }
    }

    fn client(&self) -> Client {
        Client::new(Target::Http(self.http.clone()), Some(("guest", "pass:wörd"))).unwrap()
    }
}

fn read_request(stream: &mut BufReader<TcpStream>) -> String {
    let mut request = String::new();
    while !request.ends_with("\r\n\r\n") && stream.read_line(&mut request).unwrap() > 0 {}
    let length = request.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).unwrap();
    request + &String::from_utf8(body).unwrap()
}

fn answer(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn requests_share_a_connection_and_carry_the_login() {
    let answers = vec![answer("200 OK", "[1]"), answer("201 Created", ""), answer("204 No Content", "")];
    let server = Server::new(vec![answers]);
    let client = server.client();
    assert_eq!(client.get(&path::api(&["queues", "/"])).unwrap(), json!([1]));
    let head = server.asked.recv().unwrap();
    assert!(head.starts_with("GET /api/queues/%2F HTTP/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("host: 127.0.0.1:{}\r\n", server.http.port)), "{head}");
    assert!(head.contains("authorization: Basic Z3Vlc3Q6cGFzczp3w7ZyZA==\r\n"), "{head}");
    let response = client.put("/api/x", &json!({"a": 1})).unwrap();
    assert_eq!((response.status, response.body), (201, Value::Null));
    let request = server.asked.recv().unwrap();
    assert!(request.contains("content-type: application/json\r\n") && request.ends_with("\r\n\r\n{\"a\":1}"));
    assert_eq!(client.delete("/api/x").unwrap().status, 204);
}

#[test]
fn a_connection_that_the_broker_closed_is_made_anew() {
    let server = Server::new(vec![vec![answer("200 OK", "1")], vec![answer("200 OK", "2")]]);
    let client = server.client();
    assert_eq!(client.get("/api/a").unwrap(), json!(1));
    assert_eq!(client.get("/api/b").unwrap(), json!(2));
}

#[test]
fn a_refusal_is_an_error_with_its_reason_and_the_connection_stays() {
    let refusal = answer("400 Bad Request", r#"{"error":"bad_request","reason":"no"}"#);
    let mut server = Server::new(vec![vec![refusal, answer("200 OK", "{}")]]);
    server.http.path_prefix = "/prefix/".to_owned();
    let client = server.client();
    let error = client.get("/api/a?b").unwrap_err();
    assert_eq!((error.status(), error.to_string().as_str()), (Some(400), "no"));
    let ClientError::Refused(refusal) = error else { panic!("{error}") };
    assert_eq!((refusal.error.as_str(), refusal.path.as_str()), ("bad_request", "/prefix/api/a?b"));
    assert_eq!(client.get("/api/b").unwrap(), json!({}));
}

#[test]
fn what_is_no_json_says_whom_was_asked() {
    let server = Server::new(vec![vec![answer("200 OK", "<html>"), answer("200 OK", "")]]);
    let client = server.client();
    let text = client.get("/").unwrap_err().to_string();
    assert!(text.starts_with("http://127.0.0.1:") && text.contains("not JSON"), "{text}");
    assert_eq!(client.get("/").unwrap(), Value::Null);
}

#[test]
fn an_answer_has_to_come_in_time_and_whole() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap(); // takes the request and says nothing
    let http = Http::new("127.0.0.1", listener.local_addr().unwrap().port());
    let mut client = Client::new(Target::Http(http), None).unwrap();
    client.set_wait(Duration::from_millis(20));
    assert!(matches!(client.get("/api/a"), Err(ClientError::Late { .. })));
    let half = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n[1".to_owned();
    let server = Server::new(vec![vec![half]]);
    assert!(matches!(server.client().get("/api/a"), Err(ClientError::Broken { .. })));
}

#[test]
fn lines_come_one_by_one() {
    let body = "1\r\n{\r\n4\r\n}\na\n\r\n1\r\nb\r\n0\r\n\r\n";
    let chunked = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{body}");
    let server = Server::new(vec![vec![chunked], vec![answer("404 Not Found", "")]]);
    let client = server.client();
    let mut lines = client.stream("/api/a").unwrap();
    let mut next = || lines.next_line().unwrap();
    assert_eq!(
        [next(), next(), next(), next()],
        [Some("{}".into()), Some("a".into()), Some("b".into()), None]
    );
    assert_eq!(client.stream("/api/b").err().unwrap().status(), Some(404));
}

#[test]
fn an_ipv6_host_has_brackets_in_urls_only() {
    for host in ["::1", "[::1]"] {
        let target = Target::Http(Http::new(host, 1));
        assert_eq!(
            (target.to_string().as_str(), target.host_header().as_str()),
            ("http://[::1]:1", "[::1]:1")
        );
    }
}

#[test]
fn nobody_there_is_said_with_the_address() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let client = Client::new(Target::Http(Http::new("127.0.0.1", closed.port())), None).unwrap();
    let text = client.get("/api/a").unwrap_err().to_string();
    assert!(text.starts_with(&format!("cannot connect to http://{closed}: ")), "{text}");
}
