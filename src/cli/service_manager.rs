//! What systemd is told of a service of `Type=notify` (sd_notify(3)). Without one nothing is said.

/// Clients can connect.
pub fn ready() {
    notify(&State::Ready);
}

/// The broker stops.
pub fn stopping() {
    notify(&State::Stopping);
}

enum State {
    Ready,
    Stopping,
}

#[cfg(target_os = "linux")]
fn notify(state: &State) {
    let state = match state {
        State::Ready => sd_notify::NotifyState::Ready,
        State::Stopping => sd_notify::NotifyState::Stopping,
    };
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!("cannot tell the service manager: {error}");
    }
}

#[cfg(not(target_os = "linux"))]
const fn notify(_: &State) {}
