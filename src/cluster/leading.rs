//! What a leader does beside its broker: it trims the log, and listens for orders to hand over.

use super::hand_over::Order;
use super::hearing::{Hearing, Retention};
use super::host::Host;
use super::local::LocalEngine;
use super::log::Log;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;

/// Whether the disk can still be read, a leader looks so often.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Trims the log now and then, to what somebody may still need.
pub(super) struct Trimming<'a, H> {
    pub(super) host: &'a H,
    pub(super) name: String,
    pub(super) engine: LocalEngine,
    pub(super) retention: Retention,
    pub(super) hearing: Arc<Mutex<Hearing>>,
}

impl<H: Host> Trimming<'_, H> {
    pub(super) async fn run(self) -> Infallible {
        loop {
            self.host.pass(self.retention.every).await;
            // What cannot be trimmed now can be later.
            let Ok(bounds) = self.host.block(|log| log.bounds()).await else { continue };
            let before = {
                let hearing = self.hearing.lock().unwrap_or_else(PoisonError::into_inner);
                let own = (self.name.as_str(), self.engine.synced());
                hearing.trim_before(self.host.now(), own, bounds, self.retention)
            };
            if let Some(before) = before {
                drop(self.host.block(move |log| log.trim(before)).await);
            }
        }
    }
}

/// Waits until something on the disk of the node that leads is found to be damaged.
pub(super) struct Damaged<'a, H> {
    pub(super) host: &'a H,
    pub(super) name: String,
    pub(super) engine: LocalEngine,
    pub(super) hearing: Arc<Mutex<Hearing>>,
}

impl<H: Host> Damaged<'_, H> {
    /// Who leads then, and what is damaged. While no other node has all of it, this one goes on with what it can read.
    pub(super) async fn noticed(self) -> (String, String) {
        loop {
            self.host.pass(LOOK_EVERY).await;
            let Some(damage) = self.engine.damage() else { continue };
            let successor = {
                let hearing = self.hearing.lock().unwrap_or_else(PoisonError::into_inner);
                hearing.successor(self.host.now(), (self.name.as_str(), self.engine.applied()), None)
            };
            if let Ok(successor) = successor {
                return (successor, damage);
            }
        }
    }
}

/// Takes orders while a node leads.
pub(super) struct Ordered<'a, H> {
    pub(super) host: &'a H,
    pub(super) name: String,
    pub(super) engine: LocalEngine,
    pub(super) hearing: Arc<Mutex<Hearing>>,
    pub(super) orders: Arc<tokio::sync::Mutex<mpsc::Receiver<Order>>>,
}

impl<H: Host> Ordered<'_, H> {
    /// The next one that can be carried out, and who leads then.
    pub(super) async fn next(self) -> (String, Order) {
        let mut orders = self.orders.lock().await;
        while let Some(order) = orders.recv().await {
            let successor = {
                let hearing = self.hearing.lock().unwrap_or_else(PoisonError::into_inner);
                let own = (self.name.as_str(), self.engine.applied());
                hearing.successor(self.host.now(), own, order.to.as_deref())
            };
            match successor {
                Ok(to) => return (to, order),
                Err(error) => order.answer(Err(error)),
            }
        }
        std::future::pending().await
    }
}
