//! What happens to a store whose files or whose disk are not what they were: it says so, and loses nothing in silence.

mod damage;
mod disk_errors;
mod one_queue;
mod salvage;
mod victims;
