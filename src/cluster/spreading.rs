//! Leads spread over the nodes by themselves: a node that leads two shards more than another hands one over to it.
//!
//! Nothing flaps: what is to be done must have been the same for a while, in which no shard has got another leader; what is done makes the
//! difference smaller; and then it begins anew.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::overview::Overview;
use crate::broker::Clock;
use crate::broker::cluster_view::{ClusterNode, ClusterView as _};
use crate::time::Time;

/// So often it looks, in the time for which it has to stay the same.
const LOOKS: u32 = 6;

/// What spreads a node's leads.
pub(super) struct Spreading {
    pub(super) name: String,
    /// Of each shard, the meta shard first.
    pub(super) overviews: Vec<Arc<Overview>>,
    pub(super) clock: Clock,
    /// For so long it has to be the same.
    pub(super) after: Duration,
}

/// A shard as a node sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Seen {
    leader: Option<String>,
    nodes: Vec<ClusterNode>,
}

/// Hand a shard over to this node.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wish {
    shard: usize,
    to: String,
}

impl Spreading {
    /// Hands over, one lead at a time, until the node is gone.
    pub(super) async fn run(self) {
        let mut since: Option<(Vec<Option<String>>, Wish, Time)> = None;
        loop {
            self.clock.wait_for(Some(self.clock.now() + self.after / LOOKS)).await;
            let seen: Vec<Seen> = self.overviews.iter().map(|overview| Seen::of(overview)).collect();
            let leaders: Vec<_> = seen.iter().map(|seen| seen.leader.clone()).collect();
            let Some(wish) = wish(&self.name, &seen) else {
                since = None;
                continue;
            };
            match &since {
                Some((before, same, at)) if *before == leaders && *same == wish => {
                    if self.clock.now().since(*at) >= self.after {
                        since = None;
                        self.hand_over(wish).await;
                    }
                }
                _ => since = Some((leaders, wish, self.clock.now())),
            }
        }
    }

    async fn hand_over(&self, wish: Wish) {
        let Wish { shard, to } = wish;
        let Some(overview) = self.overviews.get(shard) else { return };
        tracing::info!(shard, to, "this node leads more shards than that one: it hands one over");
        if let Err(error) = overview.hand_over(Some(to)).await {
            tracing::info!(shard, %error, "a shard was not handed over");
        }
    }
}

impl Seen {
    fn of(overview: &Overview) -> Self {
        let status = overview.status();
        Self { leader: status.leader, nodes: status.nodes }
    }
}

/// What is to be done so that leads are more even; nothing while anything is not settled.
fn wish(own: &str, shards: &[Seen]) -> Option<Wish> {
    let mut leads: BTreeMap<&str, usize> = BTreeMap::new();
    for shard in shards {
        *leads.entry(shard.leader.as_deref()?).or_default() += 1;
    }
    let count = |name: &str| leads.get(name).copied().unwrap_or(0);
    let can_lead = |shard: &Seen, name: &str| {
        shard.nodes.iter().any(|node| node.name == name && node.role != "silent" && node.is_caught_up)
    };
    let mut best: Option<(usize, bool, u32, &str, usize)> = None;
    for (number, shard) in shards.iter().enumerate().filter(|(_, shard)| shard.leader.as_deref() == Some(own))
    {
        for node in &shard.nodes {
            let to = node.name.as_str();
            // A node that is behind anywhere has enough to do.
            if count(to) + 2 > count(own) || !shards.iter().all(|shard| can_lead(shard, to)) {
                continue;
            }
            // The meta shard last, and each where it would be led if all were started at once.
            let candidate = (count(to), number == 0, node.rank, to, number);
            if best.is_none_or(|best| candidate < best) {
                best = Some(candidate);
            }
        }
    }
    best.map(|(.., to, shard)| Wish { shard, to: to.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(leaders: &[&str], silent: &str) -> Vec<Seen> {
        let node = |name: &str, shard: usize| ClusterNode {
            name: name.to_owned(),
            role: if name == silent { "silent" } else { "standby" },
            rank: (("abc".find(name).unwrap() + 3 - shard % 3) % 3) as u32,
            is_caught_up: name != silent,
            ..ClusterNode::default()
        };
        let shard = |(number, leader): (usize, &&str)| Seen {
            leader: Some((*leader).to_owned()),
            nodes: ["a", "b", "c"].map(|name| node(name, number)).to_vec(),
        };
        leaders.iter().enumerate().map(shard).collect()
    }

    #[test]
    fn leads_become_even_and_then_nothing_is_done() {
        for silent in ["", "c"] {
            let mut leaders = ["a"; 7];
            let mut steps = 0;
            while let Some(Wish { shard, to }) = wish("a", &seen(&leaders, silent)) {
                assert_ne!(to, silent);
                leaders[shard] = if to == "b" { "b" } else { "c" };
                steps += 1;
                assert!(steps < 7, "{leaders:?}");
            }
            let count = |name: &str| leaders.iter().filter(|leader| **leader == name).count();
            let expected = if silent.is_empty() { [3, 2, 2] } else { [4, 3, 0] };
            assert_eq!(["a", "b", "c"].map(count), expected, "{leaders:?}");
            assert_eq!(leaders[0], "a", "the meta shard stays");
            for name in ["a", "b", "c"] {
                assert_eq!(wish(name, &seen(&leaders, silent)), None);
            }
        }
        let first = wish("a", &seen(&["a", "a", "a"], ""));
        assert_eq!(first, Some(Wish { shard: 1, to: "b".to_owned() }), "where it would be led anyway");
        let mut unsettled = seen(&["a", "a", "a"], "");
        unsettled[2].leader = None;
        assert_eq!(wish("a", &unsettled), None);
    }
}
