//! The management page's login at nodes with several shards.

use std::net::SocketAddr;

use coney::server::Door;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::shards::Three;

/// What a browser's page asks; the status, the head and the body of the answer.
async fn ask(at: SocketAddr, request: &str, headers: &str, body: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(at).await.unwrap();
    let length = body.len();
    let head = format!("{request} HTTP/1.0\r\nHost: {at}\r\nContent-Length: {length}\r\n{headers}\r\n{body}");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), head.to_owned(), body.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_good_for_all_shards_until_it_ends() {
    let three = Three::new().await;
    for node in 0..3 {
        let at = three.nodes[node].at(Door::Http);
        let origin = format!("Origin: http://{at}\r\n");
        let login = r#"{"username":"guest","password":"guest"}"#;
        let json = format!("{origin}Content-Type: application/json\r\n");
        let (code, head, _) = ask(at, "POST /api/coney/session", &json, login).await;
        assert_eq!(code, 204, "{head}");
        let cookie = head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
        let cookie = format!("Cookie: {}\r\n", cookie.split(';').next().unwrap());
        let own = format!("{origin}{cookie}");
        for path in ["/api/queues", "/api/queues/one", "/api/vhosts", "/api/overview", "/api/queues/%2F"] {
            let (code, _, body) = ask(at, &format!("GET {path}"), &own, "").await;
            assert_eq!(code, 200, "{path} at {node}: {body}");
        }
        let json = format!("{own}Content-Type: application/json\r\n");
        let queue = format!("/api/queues/two/q{node}");
        let (code, ..) = ask(at, &format!("PUT {queue}"), &json, r#"{"durable":true}"#).await;
        assert_eq!(code, 201);
        // Another page's request has the cookie, too.
        let foreign = format!("{cookie}Origin: http://evil.example\r\nContent-Type: application/json\r\n");
        for headers in [&foreign, &format!("{cookie}Content-Type: application/json\r\n")] {
            let (code, ..) = ask(at, &format!("DELETE {queue}"), headers, "").await;
            assert_eq!(code, 403, "at {node}");
        }
        let forged = "coney-asks-for: guest\r\n";
        for path in ["/api/queues", "/api/queues/one", "/api/users"] {
            for headers in [forged.to_owned(), format!("{forged}{}x\r\n", cookie.trim_end())] {
                let (code, ..) = ask(at, &format!("GET {path}"), &headers, "").await;
                assert_eq!(code, 401, "{path} at {node}");
            }
        }
        assert_eq!(ask(at, "DELETE /api/coney/session", &own, "").await.0, 204);
        assert_eq!(ask(at, "GET /api/queues/one", &own, "").await.0, 401, "the session is over");
    }
}
