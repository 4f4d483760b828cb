//! Somebody who reads the journals of one vhost, or of all that they may enter.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::Serialize;

use super::cursor::Cursor;
use super::question::is_for;
use super::view::EventView;
use crate::broker::journal::{Event, Filter, Slice, Zone};
use crate::broker::vhost::Vhost;
use crate::management::api::Api;
use crate::management::asker::Asker;

/// Somebody who reads journals.
pub(super) struct Reader {
    pub(super) asker: Asker,
    /// The vhost; `None`: all of them.
    pub(super) vhost: Option<String>,
    pub(super) filter: Filter,
    pub(super) zone: Zone,
}

/// Some events, of several vhosts perhaps, oldest first.
pub(super) struct Page {
    pub(super) events: Vec<(Arc<Vhost>, Event)>,
    pub(super) lost: u64,
    pub(super) cursor: Cursor,
    last: u64,
}

#[derive(Serialize)]
struct PageView<'a> {
    events: Vec<EventView<'a>>,
    lost: u64,
    last: u64,
    cursor: String,
}

impl Reader {
    /// The vhosts that are read, as long as the user may.
    pub(super) fn vhosts(&self, api: &Api) -> Vec<Arc<Vhost>> {
        match &self.vhost {
            Some(vhost) => self.asker.enter(api, vhost).into_iter().collect(),
            None => self.asker.vhosts(api),
        }
    }

    /// The oldest events after that.
    pub(super) fn after(&self, api: &Api, cursor: Cursor, limit: usize) -> Page {
        let mut slices = Vec::new();
        for vhost in self.vhosts(api) {
            let mut slice = vhost.journal.after(cursor.of(&vhost.name), &self.filter, limit);
            slice.last = slice.last.min(vhost.journal.last());
            slice.events.retain(|event| is_for(&self.asker, event));
            slices.push((vhost, slice));
        }
        let mut page = merged(slices, cursor);
        // Those that find no place are read again.
        for (vhost, event) in page.events.drain(limit.min(page.events.len())..).rev() {
            page.cursor.set(&vhost.name, event.number - 1);
        }
        page
    }

    /// The newest events.
    pub(super) fn newest(&self, api: &Api, limit: usize) -> Page {
        let mut slices = Vec::new();
        for vhost in self.vhosts(api) {
            let (last, mut events) = (vhost.journal.last(), VecDeque::new());
            vhost.journal.each(|event| {
                if event.number <= last && self.filter.admits(event) && is_for(&self.asker, event) {
                    events.push_back(event.clone());
                    if events.len() > limit {
                        events.pop_front();
                    }
                }
            });
            slices.push((
                Arc::clone(&vhost),
                Slice { events: events.into(), lost: vhost.journal.lost(), last },
            ));
        }
        let mut page = merged(slices, Cursor::default());
        let too_many = page.events.len().saturating_sub(limit);
        page.events.drain(..too_many);
        page
    }

    /// As JSON.
    pub(super) fn view<'a>(&self, page: &'a Page) -> impl Serialize + 'a {
        let events = page.events.iter();
        PageView {
            events: events.map(|(vhost, event)| EventView::of(&vhost.name, event, self.zone)).collect(),
            lost: page.lost,
            last: page.last,
            cursor: page.cursor.text(self.vhost.is_some()),
        }
    }

    /// The text of where it is.
    pub(super) fn text_of(&self, cursor: &Cursor) -> String {
        cursor.text(self.vhost.is_some())
    }
}

/// The events of all by when they happened; each vhost's stay in their order.
fn merged(slices: Vec<(Arc<Vhost>, Slice)>, mut cursor: Cursor) -> Page {
    let (mut events, mut lost, mut last) = (Vec::new(), 0, 0);
    for (vhost, slice) in slices {
        lost += slice.lost;
        last = slice.last.max(last);
        cursor.set(&vhost.name, slice.last);
        events.extend(slice.events.into_iter().map(|event| (Arc::clone(&vhost), event)));
    }
    // A clock may jump back: within a vhost the numbers have the order.
    events.sort_by(|(vhost, event), (other_vhost, other)| match vhost.name == other_vhost.name {
        true => event.number.cmp(&other.number),
        false => event.at.cmp(&other.at),
    });
    Page { events, lost, cursor, last }
}
