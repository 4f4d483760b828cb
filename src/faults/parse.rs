//! Rules as tests write them, in JSON.

use serde_json::{Map, Value};

use super::action::{Action, Refusal};
use super::matcher::{self, Field, Matcher};
use super::occasion::{self, Occasion};
use super::rule::Rule;
use super::rule_error::RuleError;
use crate::protocol::reply::ReplyCode;

/// What a rule may have.
const KEYS: [&str; 14] = [
    "on",
    "match",
    "skip",
    "times",
    "do",
    "one_in",
    "seed",
    "every_ms",
    "code",
    "text",
    "delay_ms",
    "count",
    "reason",
    "bytes_per_s",
];

/// The keys that belong to an action; others are refused with it.
const OF_ACTIONS: [(&str, &[&str]); 6] = [
    ("code", &["refuse", "close", "close-all"]),
    ("text", &["refuse", "close", "close-all"]),
    ("delay_ms", &["delay"]),
    ("count", &["reorder"]),
    ("reason", &["block"]),
    ("bytes_per_s", &["slow"]),
];

/// Codes that a refusal may have.
const CODES: [ReplyCode; 17] = [
    ReplyCode::ContentTooLarge,
    ReplyCode::NoRoute,
    ReplyCode::NoConsumers,
    ReplyCode::ConnectionForced,
    ReplyCode::InvalidPath,
    ReplyCode::AccessRefused,
    ReplyCode::NotFound,
    ReplyCode::ResourceLocked,
    ReplyCode::PreconditionFailed,
    ReplyCode::FrameError,
    ReplyCode::SyntaxError,
    ReplyCode::CommandInvalid,
    ReplyCode::ChannelError,
    ReplyCode::ResourceError,
    ReplyCode::NotAllowed,
    ReplyCode::NotImplemented,
    ReplyCode::InternalError,
];

/// What is said where nothing is said.
const BY_A_RULE: &str = "refused by a fault rule";

impl Rule {
    /// Reads a rule.
    ///
    /// # Errors
    /// Something in it there is not, has the wrong form, or does not fit the rest.
    pub fn parse(fields: &Map<String, Value>) -> Result<Self, RuleError> {
        if let Some(unknown) = fields.keys().find(|key| !KEYS.contains(&key.as_str())) {
            return Err(RuleError(format!(
                "there is no '{unknown}' in a rule: expected {}",
                KEYS.join(", ")
            )));
        }
        let read = Reader(fields);
        let every_ms = read.number("every_ms")?;
        let occasion = match read.text("on")? {
            None => Occasion::Always,
            Some(name) => Occasion::named(name, every_ms).ok_or_else(|| {
                RuleError(format!("on: there is no '{name}': expected {}", occasion::NAMES))
            })?,
        };
        if every_ms.is_some() && !matches!(occasion, Occasion::Time { .. }) {
            return Err(RuleError(format!("every_ms: belongs to 'time', not to '{}'", occasion.name())));
        }
        let action = read.action(&occasion)?;
        let once = u64::from(!matches!(occasion, Occasion::Always));
        let rule = Self {
            matcher: read.matcher()?,
            skip: read.number("skip")?.unwrap_or(0),
            times: read.number("times")?.unwrap_or(once),
            one_in: read.number("one_in")?.unwrap_or(0),
            seed: read.number("seed")?.unwrap_or(0),
            occasion,
            action,
        };
        rule.check()
    }
}

struct Reader<'a>(&'a Map<String, Value>);

impl<'a> Reader<'a> {
    fn text(&self, key: &str) -> Result<Option<&'a str>, RuleError> {
        match self.0.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(RuleError(format!("{key}: expected a text, found {other}"))),
        }
    }

    fn number(&self, key: &str) -> Result<Option<u64>, RuleError> {
        match self.0.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => {
                let wrong = || RuleError(format!("{key}: expected a whole number, 0 or more, found {value}"));
                value.as_u64().map(Some).ok_or_else(wrong)
            }
        }
    }

    fn matcher(&self) -> Result<Matcher, RuleError> {
        let mut matcher = Matcher::default();
        let patterns = match self.0.get("match") {
            None | Some(Value::Null) => return Ok(matcher),
            Some(Value::Object(patterns)) => patterns,
            Some(other) => return Err(RuleError(format!("match: expected an object, found {other}"))),
        };
        for (name, pattern) in patterns {
            let field = Field::named(name).ok_or_else(|| {
                RuleError(format!("match: there is no '{name}': expected {}", matcher::NAMES))
            })?;
            match pattern {
                Value::String(pattern) => matcher.require(field, pattern),
                Value::Number(_) | Value::Bool(_) => matcher.require(field, &pattern.to_string()),
                other => return Err(RuleError(format!("match: '{name}': expected a text, found {other}"))),
            }
        }
        Ok(matcher)
    }

    fn action(&self, occasion: &Occasion) -> Result<Action, RuleError> {
        let fit = occasion.actions().join(", ");
        let name =
            self.text("do")?.ok_or_else(|| RuleError(format!("do: is missing: expected one of {fit}")))?;
        let stray = OF_ACTIONS.iter().find(|(key, of)| self.0.contains_key(*key) && !of.contains(&name));
        if let Some((key, of)) = stray {
            return Err(RuleError(format!("{key}: belongs to {}, not to '{name}'", of.join(", "))));
        }
        Ok(match name {
            "refuse" => Action::Refuse(self.refusal(refused_with(occasion))?),
            "close" => Action::Close(self.refusal(ReplyCode::ConnectionForced)?),
            "close-all" => Action::CloseAll(self.refusal(ReplyCode::ConnectionForced)?),
            "reset" => Action::Reset,
            "silence" => Action::Silence,
            "delay" => Action::Delay(self.needed("delay_ms", "delay")?),
            "drop" => Action::Drop,
            "nack" => Action::Nack,
            "return" => Action::Return,
            "duplicate" => Action::Duplicate,
            "corrupt" => Action::Corrupt,
            "reorder" => {
                Action::Reorder(u32::try_from(self.number("count")?.unwrap_or(2)).unwrap_or(u32::MAX))
            }
            "redeliver" => Action::Redeliver,
            "restart" => Action::Restart,
            "block" => Action::Block(self.text("reason")?.unwrap_or("blocked by a fault rule").to_owned()),
            "unblock" => Action::Unblock,
            "pause" => Action::Pause,
            "slow" => Action::Slow(self.needed("bytes_per_s", "slow")?),
            other => return Err(RuleError(format!("do: there is no '{other}': expected one of {fit}"))),
        })
    }

    fn needed(&self, key: &str, action: &str) -> Result<u64, RuleError> {
        self.number(key)?.ok_or_else(|| RuleError(format!("{key}: is missing, '{action}' needs it")))
    }

    fn refusal(&self, usual: ReplyCode) -> Result<Refusal, RuleError> {
        let text = self.text("text")?.unwrap_or(BY_A_RULE);
        match self.number("code")? {
            None => Ok(Refusal { code: usual, text: text.to_owned() }),
            Some(code) => Refusal::new(u16::try_from(code).unwrap_or(u16::MAX), text),
        }
    }
}

/// The code that a refusal most often has there.
const fn refused_with(occasion: &Occasion) -> ReplyCode {
    match occasion {
        Occasion::Connect => ReplyCode::AccessRefused,
        Occasion::Open => ReplyCode::NotAllowed,
        _ => ReplyCode::PreconditionFailed,
    }
}

impl Refusal {
    /// With this code and text.
    ///
    /// # Errors
    /// It is no code that anything is closed with.
    pub fn new(code: u16, text: &str) -> Result<Self, RuleError> {
        let found = CODES.into_iter().find(|known| *known as u16 == code);
        let wrong = || {
            let known: Vec<String> = CODES.iter().map(|code| (*code as u16).to_string()).collect();
            RuleError(format!("code: AMQP has no {code} to close with: expected {}", known.join(", ")))
        };
        found.map(|code| Self { code, text: text.to_owned() }).ok_or_else(wrong)
    }

    /// What a close says if nothing else is said: 320.
    #[must_use]
    pub fn forced() -> Self {
        Self { code: ReplyCode::ConnectionForced, text: BY_A_RULE.to_owned() }
    }
}
