//! What can be done on the broker, one function an operation, whoever asks and by whatever protocol: it takes who asks,
//! checks their rights at the point where RabbitMQ does, and answers with typed errors, which each front words for itself.
//!
//! Only what is here, and below, changes a virtual host.

mod bindings;
mod clock;
mod connections;
mod consumers;
mod definitions;
mod exchanges;
mod explaining;
mod faults;
mod following;
mod global_parameters;
mod history;
mod holding;
mod in_world;
mod messages;
mod moving;
#[cfg(feature = "cluster")]
mod moving_vhosts;
mod node;
mod pausing;
mod peeking;
mod policies;
mod portability;
mod previewing;
mod publishing;
mod queues;
mod recording;
mod restarting;
mod scope;
mod smelling;
mod snapshots;
mod streams;
mod taking;
#[cfg(test)]
mod tests;
mod topic_permissions;
mod users;
#[cfg(feature = "cluster")]
mod vhost_copies;
mod vhosts;
mod waiting;
mod worlds;

pub use super::import::{Comparison, Difference, Standing};
pub use super::removal::DeleteIf;
pub use bindings::{bind, bindings, bindings_between, unbind};
pub use clock::{Move, Moved, STEPS_DEFAULT, move_clock};
pub use connections::{
    Selection, close_channel, close_connection, close_connections, close_connections_of_user, connections,
};
pub use consumers::{cancel_consumer, consume, queue_to_consume};
pub use definitions::{ImportRefusal, compare, export, export_vhost, import};
pub use exchanges::{declare_exchange, delete_exchange, exchange, exchanges, find_exchange};
pub use explaining::{Verdict, Wish, explain_route, may};
pub use faults::{add_fault, clear_faults, fault, fault_fired, faults, remove_fault};
pub(crate) use following::follow;
pub(crate) use global_parameters::ensure_cluster_id;
pub use global_parameters::{
    cluster_name, global_parameters, internal_cluster_id, put_global_parameter, remove_global_parameter,
};
pub use history::{History, HistoryQuery, MessageHistory, history};
pub use holding::{Held, HeldMessage, hold, put_in};
pub use in_world::{InWorld, require_test, world_of};
pub use messages::{
    AckMode, Getter, Got, GotMessage, drop_parked, drop_parked_in, get, get_and_settle, purge,
    release_parked, release_parked_in,
};
pub use moving::{Act, Acted, Target, act_on_messages, drop_waiting, release_waiting};
#[cfg(feature = "cluster")]
pub(crate) use moving_vhosts::{Step, go_on_moving, move_vhost};
pub use node::{ask_to_stop, authenticate, require_operator, set_disk_free_limit, set_memory_limit};
pub use peeking::{MessageHolder, PeekedMessage, peek, peek_and_read, peek_in};
pub use policies::{policies, put_policy, remove_policy};
pub use portability::{consumer_allowed, note_first_publish, note_publishes, note_short_lived};
pub use previewing::{Affected, Applied, PolicyPreview, preview_policy, queue_settings};
pub use publishing::{NewMessage, Published, publish};
pub use queues::{
    DeclareQueue, Declared, QueueState, declare_queue, delete_owned_queues, delete_queue, find_queue,
    page_of_queues, queue, queues,
};
pub use recording::{end_recording, record, recordings};
pub use restarting::restart_world;
pub use scope::{Caller, Scope};
pub use smelling::lint;
pub use snapshots::{require_snapshots, snapshot, take_snapshot};
pub use streams::{delete_cursor, move_cursor, read_stream, stream_details};
pub use taking::{Take, Taken, take};
pub use topic_permissions::{put_topic_permission, remove_topic_permissions, topic_permissions};
pub use users::{
    Secret, UserPermission, check_user_and_vhost, delete_user, forget_login_attempts, hash_password,
    limited_users, permission, permissions, put_permission, put_user, remove_permission, set_user_limit,
    user, user_limits, users, users_without_permissions,
};
#[cfg(feature = "cluster")]
pub(crate) use vhost_copies::{VhostCopy, content_of, is_content_of};
pub use vhosts::{change_vhost, delete_vhost, put_vhost, set_vhost_limit, vhost, vhosts};
pub use waiting::{
    Comparison as CountComparison, CountCondition, Countable, Predicate, Unmet, WaitFor, WorldCounts,
    wait_for, world_counts,
};
pub use worlds::{WORLD_PREFIX, delete_world, keep_worlds, make_world, open_world};
