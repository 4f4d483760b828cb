//! Room for pages that are looked at: each keeps a connection for itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Pages of a user at a time, and of all.
const OF_USER_MAX: usize = 16;
const ALL_MAX: usize = 64;

/// The places.
#[derive(Clone, Debug, Default)]
pub(in crate::management) struct Places(Arc<Mutex<HashMap<String, usize>>>);

/// A place, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Places,
    user: String,
}

impl Places {
    /// A place for a user; `None` if there is none.
    pub(super) fn take(&self, user: &str) -> Option<Place> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = taken.get(user).copied().unwrap_or(0);
        if own >= OF_USER_MAX || taken.values().sum::<usize>() >= ALL_MAX {
            return None;
        }
        taken.insert(user.to_owned(), own + 1);
        Some(Place { places: self.clone(), user: user.to_owned() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = taken.get_mut(&self.user) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_takes_all_places() {
        let places = Places::default();
        let own: Vec<Place> = std::iter::from_fn(|| places.take("ann")).collect();
        assert_eq!(own.len(), OF_USER_MAX);
        let others: Vec<Place> = (0..ALL_MAX).filter_map(|user| places.take(&user.to_string())).collect();
        assert_eq!(own.len() + others.len(), ALL_MAX);
        drop(own);
        assert!(places.take("ann").is_some());
        drop(others);
        assert!(places.0.lock().unwrap().is_empty());
    }
}
