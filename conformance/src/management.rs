//! A broker's management API, as far as cases need it: for users of their own with permissions.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::case::Ctx;
use crate::check::{Check, Stop, fail};
use crate::raw::Raw;
use crate::target::Target;

/// RabbitMQ closes a connection now and then without an answer; all that is asked here may be asked again.
const TRIES_MAX: usize = 4;
const PASSWORD: &str = "pw";

/// A user of a case's own, who may do everything on the vhost but what topic permissions forbid.
pub struct User<'a> {
    target: &'a Target,
    name: String,
}

impl<'a> User<'a> {
    /// Makes the user; skips the case if the broker has no management API.
    pub async fn make(ctx: &'a Ctx) -> Check<Self> {
        let target = &*ctx.target;
        if TcpStream::connect(&target.management).await.is_err() {
            return Err(Stop::Skip(format!("no management API at {}", target.management)));
        }
        let user = Self { target, name: ctx.name("user") };
        user.put(&format!("/api/users/{}", user.name), &json!({ "password": PASSWORD, "tags": "" })).await?;
        let all = json!({ "configure": ".*", "write": ".*", "read": ".*" });
        user.put(&format!("/api/permissions/{}/{}", user.vhost(), user.name), &all).await?;
        Ok(user)
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Gives the user a topic permission.
    pub async fn restrict(&self, exchange: &str, write: &str, read: &str) -> Check {
        let permission = json!({ "exchange": exchange, "write": write, "read": read });
        self.put(&format!("/api/topic-permissions/{}/{}", self.vhost(), self.name), &permission).await
    }

    /// A connection of the user's, with channel 1 open.
    pub async fn raw(&self) -> Check<Raw> {
        let (user, password) = (self.name.clone(), PASSWORD.to_owned());
        let mut raw = Raw::open(&Target { user, password, ..self.target.clone() }).await?;
        raw.open_channel(1).await?;
        Ok(raw)
    }

    /// Deletes the user.
    pub async fn delete(&self) -> Check {
        self.ask("DELETE", &format!("/api/users/{}", self.name), "").await
    }

    fn vhost(&self) -> String {
        self.target.vhost.replace('/', "%2F")
    }

    async fn put(&self, path: &str, body: &Value) -> Check {
        self.ask("PUT", path, &body.to_string()).await
    }

    async fn ask(&self, method: &str, path: &str, body: &str) -> Check {
        for _ in 0..TRIES_MAX {
            let answer = self.exchange(method, path, body).await.unwrap_or_default();
            match answer.split(' ').nth(1) {
                Some("201" | "204") => return Ok(()),
                Some(_) => return fail(format!("{method} {path}: {answer}")),
                None => {}
            }
        }
        fail(format!("{method} {path}: no answer"))
    }

    async fn exchange(&self, method: &str, path: &str, body: &str) -> std::io::Result<String> {
        let Target { management, user, password, .. } = self.target;
        let authorization = STANDARD.encode(format!("{user}:{password}"));
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {management}\r\nauthorization: Basic {authorization}\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        let mut stream = TcpStream::connect(management).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}
