//! Acks, nacks and rejects of every tag in every state of a channel: which are outstanding, and what those that are not lead to.
//!
//! Each case has one state and tries each method with each tag, on a channel of its own. Three messages were delivered, with
//! the tags 1, 2 and 3; each state says which of them are outstanding.

use crate::case::{Check, Ctx, fail, same};
use crate::methods::{self, Method, c};
use crate::raw::{Raw, Scope};

const TAGS: &str = "AMQP 0-9-1, 1.8.3.13 to 14 (unknown delivery tags); RabbitMQ: Consumer Acknowledgements";

/// How the three messages came.
#[derive(Clone, Copy)]
enum Came {
    /// To a consumer.
    Delivered,
    /// To a consumer without acks.
    DeliveredNoAck,
    /// By basic.get.
    Got,
    /// By basic.get, the second without ack.
    GotSecondNoAck,
    /// By basic.get on a channel in a transaction.
    GotInTransaction,
}

/// The methods, with whether they settle all up to their tag.
fn settling(tag: u64) -> [(Method, bool); 8] {
    [
        (methods::basic_ack(tag, false), false),
        (methods::basic_ack(tag, true), true),
        (methods::basic_nack(tag, false, true), false),
        (methods::basic_nack(tag, true, true), true),
        (methods::basic_nack(tag, false, false), false),
        (methods::basic_nack(tag, true, false), true),
        (methods::basic_reject(tag, true), false),
        (methods::basic_reject(tag, false), false),
    ]
}

/// Brings a new channel into the state: three messages came, then these methods were sent.
async fn prepare(raw: &mut Raw, queue: &str, came: Came, then: &[Method]) -> Check {
    raw.queue(queue).await?;
    raw.fill_queue(queue, &["a", "b", "c"]).await;
    if matches!(came, Came::GotInTransaction) {
        raw.call(methods::tx_select()).await?;
    }
    match came {
        Came::Delivered | Came::DeliveredNoAck => {
            let bits = if matches!(came, Came::Delivered) { c::NONE } else { c::NO_ACK };
            raw.consume(queue, "t", bits).await?;
            raw.texts(3).await?;
            // What comes back must not come again under another tag.
            raw.call(methods::basic_cancel("t")).await?;
        }
        _ => {
            for number in 1..=3 {
                let no_ack = matches!(came, Came::GotSecondNoAck) && number == 2;
                if raw.get(queue, no_ack).await?.is_none() {
                    return fail("a message is missing");
                }
            }
        }
    }
    for method in then {
        if matches!(method.id, (60, 80..=90 | 120)) {
            raw.send(method.clone()).await;
        } else {
            raw.call(method.clone()).await?;
        }
    }
    Ok(())
}

/// Tries all methods with all tags in this state.
async fn each_tag(ctx: &Ctx, came: Came, then: &[Method], outstanding: &[u64]) -> Check {
    let mut raw = ctx.open().await?;
    let mut channel = 0;
    for tag in [0, 1, 2, 3, 4, 1 << 40, u64::MAX] {
        for (method, multiple) in settling(tag) {
            channel += 1;
            raw.switch(channel).await?;
            let queue = ctx.name(&format!("q{channel}"));
            prepare(&mut raw, &queue, came, then).await?;
            let what = format!("{:?} of tag {tag}, multiple {multiple}", method.id);
            let id = method.id;
            raw.send(method).await;
            if outstanding.contains(&tag) || (tag == 0 && multiple) {
                raw.call(methods::basic_qos(0, 0, false)).await?;
                raw.call(methods::queue_delete(&queue, 0)).await?;
                raw.call(methods::channel_close()).await?;
                continue;
            }
            let text = format!("PRECONDITION_FAILED - unknown delivery tag {tag}");
            same(&what, raw.closed().await?, Scope::channel(406, text, id))?;
        }
    }
    Ok(())
}

crate::cases! {
    "basic.ack.unknown.outstanding", "Tags of deliveries that wait for their acks", TAGS,
    "1, 2 and 3 are taken, others are 406", |ctx| { each_tag(&ctx, Came::Delivered, &[], &[1, 2, 3]).await?; }
    "basic.ack.unknown.first-settled", "The first delivery was acked", TAGS,
    "it is 406, also with multiple, though later ones are outstanding", |ctx| {
        each_tag(&ctx, Came::Delivered, &[methods::basic_ack(1, false)], &[2, 3]).await?;
    }
    "basic.ack.unknown.middle-settled", "The second delivery was acked", TAGS,
    "it is 406, also with multiple, though one below it is outstanding", |ctx| {
        each_tag(&ctx, Came::Delivered, &[methods::basic_ack(2, false)], &[1, 3]).await?;
    }
    "basic.ack.unknown.last-settled", "The last delivery was acked", TAGS,
    "it is 406, also with multiple, though those below it are outstanding", |ctx| {
        each_tag(&ctx, Came::Delivered, &[methods::basic_ack(3, false)], &[1, 2]).await?;
    }
    "basic.ack.unknown.all-settled", "All deliveries were acked at once", TAGS,
    "each of them is 406, also with multiple; tag 0 with multiple is no error", |ctx| {
        each_tag(&ctx, Came::Delivered, &[methods::basic_ack(3, true)], &[]).await?;
    }
    "basic.ack.unknown.nacked", "A delivery was nacked, another rejected", TAGS,
    "both are 406", |ctx| {
        let then = [methods::basic_nack(1, false, true), methods::basic_reject(3, false)];
        each_tag(&ctx, Came::Delivered, &then, &[2]).await?;
    }
    "basic.ack.unknown.no-ack", "Deliveries that need no ack", TAGS,
    "each of them is 406, also with multiple", |ctx| {
        each_tag(&ctx, Came::DeliveredNoAck, &[], &[]).await?;
    }
    "basic.ack.unknown.got", "Messages of basic.get, one of them without ack", TAGS,
    "that one is 406, also with multiple, though one below it is outstanding", |ctx| {
        each_tag(&ctx, Came::GotSecondNoAck, &[], &[1, 3]).await?;
    }
    "basic.ack.unknown.recovered", "All deliveries were recovered", TAGS,
    "their old tags are 406", |ctx| {
        each_tag(&ctx, Came::Got, &[methods::basic_recover(true)], &[]).await?;
    }
    "basic.ack.unknown.in-transaction", "A delivery was acked in a transaction that goes on", TAGS,
    "acking it again is 406, also with multiple", |ctx| {
        each_tag(&ctx, Came::GotInTransaction, &[methods::basic_ack(2, false)], &[1, 3]).await?;
    }
    "basic.ack.unknown.committed", "A delivery was acked in a transaction, which was committed", TAGS,
    "acking it again is 406, also with multiple", |ctx| {
        let then = [methods::basic_ack(2, true), methods::tx_commit()];
        each_tag(&ctx, Came::GotInTransaction, &then, &[3]).await?;
    }
    "basic.ack.unknown.rolled-back", "A delivery was acked in a transaction, which was rolled back", TAGS,
    "it is outstanding as before", |ctx| {
        let then = [methods::basic_ack(2, true), methods::tx_rollback()];
        each_tag(&ctx, Came::GotInTransaction, &then, &[1, 2, 3]).await?;
    }
    "basic.ack.unknown.recovered-in-transaction", "Recover within a transaction in which one delivery was acked", TAGS,
    "none is outstanding", |ctx| {
        let then = [methods::basic_ack(2, false), methods::basic_recover(true)];
        each_tag(&ctx, Came::GotInTransaction, &then, &[]).await?;
    }
    "basic.ack.unknown.recovered-and-rolled-back", "The same, and the transaction was rolled back", TAGS,
    "the acked one is outstanding again", |ctx| {
        let then = [methods::basic_ack(2, false), methods::basic_recover(true), methods::tx_rollback()];
        each_tag(&ctx, Came::GotInTransaction, &then, &[2]).await?;
    }
}
