//! What a world is made with, as it outlives a restart.

use serde::{Deserialize, Serialize};

use crate::broker::error::OperationError;
use crate::persona::{Persona, UnknownPersona};
use crate::time::Timestamp;

/// How long a world that was made for a test is kept when nobody uses it, in seconds, if nothing is said.
pub const TTL_S_DEFAULT: u32 = 60;

/// By which clock a world goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClockMode {
    /// The system's.
    #[default]
    Real,
    /// Its own, which stands still until it is moved.
    Virtual,
}

/// What a world is made with. It is kept with the virtual host's settings, and means nothing to a broker without `--test`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WorldSettings {
    /// Its clock.
    pub clock: ClockMode,
    /// What its own clock shows at first; the system's time if nothing is said.
    pub start: Option<Timestamp>,
    /// How long it is kept when it has no connection and nobody asks for it, in seconds of real time; `None`: for ever.
    pub ttl_s: Option<u32>,
    /// Whether its journal keeps everything that happens, not failures alone.
    pub journal: bool,
    /// Which broker it stands in for; as the broker as a whole if nothing is said.
    pub persona: Option<Persona>,
}

/// Of a world that a test makes.
impl Default for WorldSettings {
    fn default() -> Self {
        Self { clock: ClockMode::Real, start: None, ttl_s: Some(TTL_S_DEFAULT), journal: true, persona: None }
    }
}

impl WorldSettings {
    /// Those that the name of a world says after `;`, as in `~orders;clock=virtual;ttl_s=5`, and the name of the snapshot to be restored.
    ///
    /// # Errors
    /// Something there is no option, or its value makes no sense: one line that says so.
    pub fn of_name(name: &str) -> Result<(Self, Option<String>), OperationError> {
        let (mut settings, mut snapshot) = (Self::default(), None);
        for option in name.split(';').skip(1) {
            let (key, value) = option.split_once('=').unwrap_or((option, ""));
            if key == "snapshot" {
                snapshot = Some(value.to_owned());
                continue;
            }
            settings.set(key, value).map_err(|why| {
                OperationError::InvalidName(format!("world '{name}': option '{option}': {why}"))
            })?;
        }
        Ok((settings, snapshot))
    }

    /// Sets an option by its name and its value as text.
    ///
    /// # Errors
    /// What is wrong.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match (key, value) {
            ("clock", "real") => self.clock = ClockMode::Real,
            ("clock", "virtual") => self.clock = ClockMode::Virtual,
            ("clock", _) => return Err("expected real or virtual".to_owned()),
            ("journal", "true") => self.journal = true,
            ("journal", "false") => self.journal = false,
            ("journal", _) => return Err("expected true or false".to_owned()),
            ("persona", _) => {
                let persona = value.parse().map_err(|why: UnknownPersona| why.to_string())?;
                self.persona = Some(persona);
            }
            ("ttl_s", "0") => self.ttl_s = None,
            ("ttl_s", _) => {
                let wrong = |_| "expected a number of seconds, or 0 for ever".to_owned();
                self.ttl_s = Some(value.parse().map_err(wrong)?);
            }
            _ => return Err("expected clock, journal, persona, snapshot or ttl_s".to_owned()),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_options() {
        let name = "~a;clock=virtual;ttl_s=0;journal=false;persona=rabbitmq-4.3;snapshot=s";
        let (settings, snapshot) = WorldSettings::of_name(name).unwrap();
        let expected = WorldSettings {
            clock: ClockMode::Virtual,
            ttl_s: None,
            journal: false,
            start: None,
            persona: Some(Persona::RabbitMq43),
        };
        assert_eq!((settings, snapshot.as_deref()), (expected, Some("s")));
        assert_eq!(WorldSettings::of_name("~a").unwrap().0, WorldSettings::default());
        for wrong in
            ["~a;clock=", "~a;clock=fast", "~a;", "~a;ttl_s=-1", "~a;journal=1", "~a;what=1", "~a;persona=x"]
        {
            assert!(WorldSettings::of_name(wrong).is_err(), "{wrong}");
        }
    }
}
