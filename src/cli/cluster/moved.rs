//! Waiting until a move of the lead is done.

use std::time::Duration;

use serde_json::Value;

use super::super::native::{Broker, NativeError};
use super::runtime::runtime;
use coney::Clock;

/// A node that hands over takes a second, and one that takes over for another reason some more.
const WAITS: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Who leads, and since which term.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lead {
    pub leader: String,
    pub term: u64,
}

impl Lead {
    /// As any node sees it; `None` if nobody leads.
    ///
    /// # Errors
    /// It does not answer.
    pub fn of(broker: &Broker, shard: Option<u16>) -> Result<Option<Self>, NativeError> {
        let view = broker.get("/api/coney/cluster", "the cluster", "ask a node of a cluster")?;
        let Some(shard) = shard.filter(|shard| *shard > 0) else { return Ok(Self::seen(&view)) };
        let shards = view.get("shards").and_then(Value::as_array);
        Ok(shards
            .into_iter()
            .flatten()
            .find(|view| view.get("shard").is_some_and(|of| *of == shard))
            .and_then(Self::seen))
    }

    fn seen(view: &Value) -> Option<Self> {
        Some(Self { leader: view["leader"].as_str()?.to_owned(), term: view["term"].as_u64()? })
    }

    /// Waits until somebody leads in a later term. `None` if nobody does within half a minute. Who hands over answers nothing meanwhile.
    pub fn after(self, broker: &Broker, shard: Option<u16>) -> anyhow::Result<Option<Self>> {
        let (clock, runtime) = (Clock::system(), runtime()?);
        let end = clock.now() + WAITS;
        while clock.now() < end {
            match Self::of(broker, shard) {
                Ok(Some(now)) if now.term > self.term => return Ok(Some(now)),
                _ => runtime.block_on(clock.wait_for(Some(clock.now() + LOOK_EVERY))),
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_cluster_without_a_leader_has_none() {
        assert_eq!(Lead::seen(&json!({ "leader": null, "term": 3 })), None);
        let lead = Lead { leader: "a".into(), term: 3 };
        assert_eq!(Lead::seen(&json!({ "leader": "a", "term": 3 })), Some(lead));
    }
}
