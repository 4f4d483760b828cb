//! An event of the journal as JSON.

use serde::Serialize;

use crate::broker::journal::{Event, MessagePlace, Zone, sentence};
use crate::management::views::binding::BindingView;
use crate::policy::SettingInForce;

/// An event. What is not known is `null`.
#[derive(Debug, Serialize)]
pub(super) struct EventView<'a> {
    pub number: u64,
    /// In ms since the Unix epoch.
    pub at: u64,
    pub what: &'static str,
    pub vhost: &'a str,
    pub queue: Option<&'a str>,
    pub position: Option<u64>,
    pub count: u64,
    pub last_position: Option<u64>,
    pub exchange: Option<&'a str>,
    pub routing_key: Option<&'a str>,
    pub message_id: Option<&'a str>,
    pub connection: Option<&'a str>,
    pub channel: Option<u16>,
    pub consumer_tag: Option<&'a str>,
    pub user: Option<&'a str>,
    pub attempt: Option<u32>,
    pub attempts_max: Option<u32>,
    pub reason: Option<&'static str>,
    pub error: Option<&'a str>,
    pub until: Option<u64>,
    pub setting: Option<SettingView<'a>>,
    pub from: Option<PlaceView<'a>>,
    pub to: Vec<&'a str>,
    pub bindings: Vec<BindingView<'a>>,
    pub bindings_left_out: usize,
    pub alternates: Vec<AlternateView<'a>>,
    pub delivery_tag: Option<u64>,
    pub after_us: Option<u64>,
    pub fault: Option<&'a str>,
    pub sentence: String,
}

/// A setting with where it comes from.
#[derive(Debug, Serialize)]
pub(super) struct SettingView<'a> {
    pub name: &'static str,
    pub value: &'a str,
    pub origin: &'static str,
    pub policy: Option<&'a str>,
}

/// An exchange where nothing matched, and the one that had the message instead.
#[derive(Debug, Serialize)]
pub(super) struct AlternateView<'a> {
    pub exchange: &'a str,
    pub alternate: &'a str,
}

/// A message's place.
#[derive(Debug, Serialize)]
pub(super) struct PlaceView<'a> {
    pub queue: &'a str,
    pub position: u64,
}

impl<'a> EventView<'a> {
    /// Of an event of that vhost.
    pub(super) fn of(vhost: &'a str, event: &'a Event, zone: Zone) -> Self {
        let (about, client) = (event.about.as_ref(), event.client.as_ref());
        let (ways, confirm, fault) = (event.ways(), event.confirm(), event.fault());
        Self {
            number: event.number,
            at: event.at.as_millis(),
            what: event.kind.name(),
            vhost,
            queue: event.queue.as_deref(),
            position: event.position.map(|position| position.0),
            count: event.count,
            last_position: event.last.map(|position| position.0),
            exchange: about.map(|about| about.exchange()),
            routing_key: about.map(|about| about.routing_key()),
            message_id: about.and_then(|about| about.message_id()),
            connection: client
                .map(|client| &*client.connection)
                .or(fault.map(|told| &*told.connection))
                .filter(|name| !name.is_empty()),
            channel: Some(event.channel).filter(|channel| *channel > 0),
            consumer_tag: event.consumer.as_deref(),
            user: client
                .map(|client| &*client.user)
                .or(fault.map(|told| &*told.user))
                .filter(|user| !user.is_empty()),
            attempt: Some(event.attempt).filter(|attempt| *attempt > 0),
            attempts_max: event.attempts_max,
            reason: event.why.map(|why| why.name()),
            error: event.error.as_deref(),
            until: event.until.map(|until| until.as_millis()),
            setting: event.setting.as_deref().map(SettingView::of),
            from: event.from.as_ref().map(PlaceView::of),
            to: event.targets().collect(),
            bindings: ways
                .iter()
                .flat_map(|ways| &ways.bindings)
                .map(|one| BindingView::of(vhost, one))
                .collect(),
            bindings_left_out: ways.map_or(0, |ways| ways.left_out),
            alternates: ways.iter().flat_map(|ways| &ways.alternates).map(AlternateView::of).collect(),
            delivery_tag: confirm.and_then(|confirm| confirm.delivery_tag),
            after_us: confirm.map(|confirm| confirm.after_us),
            fault: fault.map(|told| &*told.id),
            sentence: sentence(event, zone),
        }
    }
}

impl<'a> SettingView<'a> {
    fn of(setting: &'a SettingInForce) -> Self {
        let SettingInForce { name, value, origin } = setting;
        Self { name, value, origin: origin.name(), policy: origin.policy() }
    }
}

impl<'a> AlternateView<'a> {
    fn of((exchange, alternate): &'a (String, String)) -> Self {
        Self { exchange, alternate }
    }
}

impl<'a> PlaceView<'a> {
    fn of(place: &'a MessagePlace) -> Self {
        Self { queue: &place.queue, position: place.position.0 }
    }
}
