//! Topic permissions: which keys a user may publish with to a topic exchange, and bind by.

use crate::case::{Check, Ctx, ensure, same};
use crate::codec::{Props, Value};
use crate::management::User;
use crate::methods::{self, Method};
use crate::raw::{Confirm, Raw, Scope};

const REF: &str = "RabbitMQ: Topic Authorisation";

/// A topic exchange and a queue of the case's, and a user with a topic permission there.
async fn furnish<'a>(ctx: &'a Ctx, write: &str, read: &str) -> Check<User<'a>> {
    let (q, x) = (ctx.name("q"), ctx.name("x"));
    let mut raw = ctx.raw().await?;
    raw.declare(&q, methods::q::DURABLE, Vec::new()).await?;
    raw.exchange(&x, "topic").await?;
    let user = User::make(ctx).await?;
    let restricted = user.restrict(&x, write, read).await;
    if restricted.is_err() {
        user.delete().await?;
    }
    restricted.map(|()| user)
}

/// Publishes on a channel in confirm mode of its own; `None` if it was confirmed.
async fn publish(user: &User<'_>, exchange: &str, key: &str, props: &Props) -> Check<Option<Scope>> {
    let mut raw = user.raw().await?;
    raw.call(methods::confirm_select()).await?;
    raw.publish_with(exchange, key, 0, props, b"m").await;
    let refused = raw.refused_before((60, 80)).await?;
    raw.close().await;
    Ok(refused)
}

fn refused(ctx: &Ctx, user: &User<'_>, right: &str, key: &str, method: (u16, u16)) -> Option<Scope> {
    let (x, vhost, name) = (ctx.name("x"), &ctx.target.vhost, user.name());
    let text = format!(
        "ACCESS_REFUSED - {right} access to topic '{key}' in exchange '{x}' in vhost '{vhost}' refused for user '{name}'"
    );
    Some(Scope::channel(403, text, method))
}

fn with(headers: &[(&str, &[&str])]) -> Props {
    let array = |keys: &[&str]| Value::Array(keys.iter().map(|key| Value::from(*key)).collect());
    let headers = headers.iter().map(|(name, keys)| ((*name).to_owned(), array(keys)));
    Props { headers: Some(headers.collect()), ..Props::default() }
}

/// What is tried with a binding key.
fn bindings(ctx: &Ctx, key: &str) -> Vec<(&'static str, Method)> {
    let (q, x, to) = (ctx.name("q"), ctx.name("x"), "amq.fanout");
    vec![
        ("bind", methods::queue_bind(&q, &x, key, Vec::new())),
        ("unbind", methods::queue_unbind(&q, &x, key, Vec::new())),
        ("exchange bind", methods::exchange_bind(to, &x, key, Vec::new())),
        ("exchange unbind", methods::exchange_unbind(to, &x, key, Vec::new())),
    ]
}

async fn writes(ctx: &Ctx, user: &User<'_>) -> Check {
    let x = ctx.name("x");
    let name = user.name();
    let own = format!("{name}.a");
    same("own key", publish(user, &x, &own, &Props::default()).await?, None)?;
    let foreign = format!("x{name}.a");
    for key in ["zz", "", &foreign] {
        let found = publish(user, &x, key, &Props::default()).await?;
        same(key, found, refused(ctx, user, "write", key, (60, 40)))?;
    }
    for (props, key) in [
        (with(&[("CC", &[&own])]), None),
        (with(&[("CC", &[&own, "z1"])]), Some("z1")),
        (with(&[("BCC", &["z2"])]), Some("z2")),
        (with(&[("BCC", &["z2"]), ("CC", &["z1"])]), Some("z1")),
    ] {
        let found = publish(user, &x, &own, &props).await?;
        same("further keys", found, key.and_then(|key| refused(ctx, user, "write", key, (60, 40))))?;
    }
    Ok(())
}

async fn reads(ctx: &Ctx, user: &User<'_>) -> Check {
    for key in ["a", ""] {
        for (what, method) in bindings(ctx, key) {
            let (mut raw, id) = (user.raw().await?, method.id);
            raw.send(method).await;
            let found = raw.closed().await?;
            same(what, Some(found), refused(ctx, user, "read", key, id))?;
        }
    }
    for (_, method) in bindings(ctx, "b") {
        user.raw().await?.call(method).await?;
    }
    let mut raw = user.raw().await?;
    raw.send(methods::queue_bind(&ctx.name("none"), &ctx.name("x"), "a", Vec::new())).await;
    let found = raw.closed().await?;
    same("a queue that is not there", Some(found), refused(ctx, user, "read", "a", (50, 20)))
}

async fn order(ctx: &Ctx, user: &User<'_>) -> Check {
    let x = ctx.name("x");
    for (what, props, begin) in [
        (
            "expiration",
            Props { expiration: Some("x".into()), ..Props::default() },
            "PRECONDITION_FAILED - invalid expiration",
        ),
        (
            "CC",
            Props { headers: Some(vec![("CC".into(), Value::I32(5))]), ..Props::default() },
            "PRECONDITION_FAILED - invalid message",
        ),
        (
            "user-id",
            Props { user_id: Some("somebody".into()), ..Props::default() },
            "ACCESS_REFUSED - write access to topic 'zz'",
        ),
    ] {
        let found = publish(user, &x, "zz", &props).await?;
        let begins = matches!(&found, Some(Scope::channel(_, text, _)) if text.starts_with(begin));
        ensure(begins, format!("{what}: {found:?}, expected {begin}"))?;
    }
    Ok(())
}

async fn empty(ctx: &Ctx, user: &User<'_>) -> Check {
    let x = ctx.name("x");
    same("no key", publish(user, &x, "", &Props::default()).await?, None)?;
    let found = publish(user, &x, "a", &Props::default()).await?;
    same("a key", found, refused(ctx, user, "write", "a", (60, 40)))?;
    user.raw().await?.call(methods::queue_bind(&ctx.name("q"), &x, "", Vec::new())).await.map(drop)
}

async fn elsewhere(ctx: &Ctx, user: &User<'_>) -> Check {
    let direct = ctx.name("direct");
    ctx.raw().await?.exchange(&direct, "direct").await?;
    user.restrict(&direct, "x", "x").await?;
    same("direct exchange", publish(user, &direct, "zz", &Props::default()).await?, None)?;
    same("another topic exchange", publish(user, "amq.topic", "zz", &Props::default()).await?, None)?;
    let mut raw: Raw = ctx.raw().await?;
    raw.call(methods::confirm_select()).await?;
    raw.publish(&ctx.name("x"), "zz", "m").await;
    same("another user", raw.confirm().await?, Confirm::Ack(1, false))
}

/// Tries something as the user, who goes whether or not the case passes.
macro_rules! tried {
    ($ctx:ident, $write:literal, $read:literal, $try:ident) => {
        let user = furnish(&$ctx, $write, $read).await?;
        let outcome = $try(&$ctx, &user).await;
        user.delete().await?;
        outcome?;
    };
}

crate::cases! {
    "topic-permission.write.keys", "A user publishes with keys of its own and of others", REF,
    "403 names the first key that the pattern, with {username} in it, does not match, of CC and BCC, too", |ctx| {
        tried!(ctx, "^{username}\\.", "", writes);
    }
    "topic-permission.read.keys", "A user binds and unbinds by keys", REF,
    "403 names the key that the pattern does not match, whether or not the queue is there", |ctx| {
        tried!(ctx, "", "^b", reads);
    }
    "topic-permission.write.order", "A message has another fault beside its key", REF,
    "a wrong expiration or CC comes before the key, a wrong user-id after it", |ctx| {
        tried!(ctx, "^a", "", order);
    }
    "topic-permission.empty", "The patterns are empty", REF,
    "they match the empty key alone", |ctx| {
        tried!(ctx, "", "", empty);
    }
    "topic-permission.elsewhere", "A topic permission is for one topic exchange and one user", REF,
    "exchanges of other types, other exchanges and other users are not restricted", |ctx| {
        tried!(ctx, "^a", "^a", elsewhere);
    }
}
