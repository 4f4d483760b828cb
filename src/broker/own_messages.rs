//! Messages of the broker's own: what it sends to an exchange itself.

use super::dead_lettering::publish;
use super::mailbox::Mail;
use super::vhost::Vhost;
use crate::message::Message;
use crate::queue::Command;
use crate::topology::RouteScratch;

/// Routes the message in its vhost and puts it in the queues' mailboxes; how many they are. It waits for nothing, and
/// nobody hears whether the queues take it.
pub(super) fn send(vhost: &Vhost, message: &Message) -> usize {
    let (mut queues, mut scratch) = (Vec::new(), RouteScratch::default());
    let (exchange, key) = (message.exchange(), message.routing_key());
    if vhost.topology.route(exchange, &[key], None, &mut queues, &mut scratch).is_err() {
        return 0;
    }
    let copy = message.clone().for_queues(queues.len());
    for queue in &queues {
        if let Some(record) = vhost.queue(*queue) {
            let command = Command::PublishDue(vec![publish(copy.clone())], vec![None]);
            // A queue that just went gets nothing.
            let _ = record.mailbox.send(Mail::Tell(command));
        }
    }
    queues.len()
}
