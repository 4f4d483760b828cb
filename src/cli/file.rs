//! The configuration file: TOML with the settings' keys at the top level and nothing else. An unknown key is an
//! error, so that a misspelt setting never passes for a default. No secret reaches an error.

use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::settings::{self, Kind, Setting};
use super::source::{ConfigError, Given, Origin, Source};
use super::value;

/// Reads the text of the file at `path`.
///
/// # Errors
/// Text that is not TOML, a key that does not exist, a value of another type.
pub fn parse(path: &Path, text: &str) -> Result<Source, ConfigError> {
    let file = File { path, text };
    let table = DeTable::parse(text).map_err(|error| {
        let at = error.span().map(|span| span.start);
        file.error(at, error.message().replace('\n', "; "))
    })?;
    let mut source: Vec<(usize, Given)> = Vec::new();
    for (key, value) in table.get_ref() {
        source.push((key.span().start, file.given(key, value)?));
    }
    source.sort_by_key(|(at, _)| *at);
    Ok(source.into_iter().map(|(_, given)| given).collect())
}

struct File<'a> {
    path: &'a Path,
    text: &'a str,
}

impl File<'_> {
    fn given<'t>(
        &self,
        key: &Spanned<impl AsRef<str>>,
        value: &Spanned<DeValue<'t>>,
    ) -> Result<Given, ConfigError> {
        let (at, name) = (key.span().start, key.get_ref().as_ref());
        let setting = settings::find(name).ok_or_else(|| self.error(Some(at), unknown(name)))?;
        let texts = texts(setting, value.get_ref()).map_err(|reason| self.error(Some(at), reason))?;
        let origin =
            Origin::File { path: self.path.to_owned(), line: self.line(at), key: setting.key.to_owned() };
        Ok(Given { setting, texts, origin })
    }

    fn line(&self, at: usize) -> usize {
        let before = self.text.get(..at).unwrap_or(self.text);
        before.matches('\n').count() + 1
    }

    fn error(&self, at: Option<usize>, reason: String) -> ConfigError {
        ConfigError::File { path: self.path.to_owned(), line: at.map(|at| self.line(at)), reason }
    }
}

fn unknown(name: &str) -> String {
    let meant = settings::all().find(|setting| value::looks_like(name, setting.key, 0));
    let meant = meant.map(|setting| format!("; did you mean `{}`?", setting.key)).unwrap_or_default();
    format!("unknown field `{name}`{meant}")
}

/// The texts of a value; a number stays as it is written, to be checked with every other source's.
fn texts(setting: &Setting, value: &DeValue<'_>) -> Result<Vec<String>, String> {
    let expected = match setting.kind {
        Kind::Text | Kind::Secret => "a text in quotes",
        Kind::Number => "a number or a text in quotes",
        Kind::List => "a list such as [\"..\", \"..\"]",
        Kind::Switch => "true or false",
    };
    let wrong = || format!("invalid type: {} has to be {expected}", setting.key);
    match (setting.kind, value) {
        (Kind::List, DeValue::Array(values)) => {
            let texts = values.iter().map(|value| scalar(value.get_ref()));
            texts.collect::<Option<_>>().ok_or_else(wrong)
        }
        (Kind::Text | Kind::Secret, DeValue::String(_))
        | (Kind::Number, DeValue::String(_) | DeValue::Integer(_))
        | (Kind::Switch, DeValue::Boolean(_)) => scalar(value).map(|text| vec![text]).ok_or_else(wrong),
        _ => Err(wrong()),
    }
}

fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.clone().into_owned()),
        DeValue::Integer(number) => Some(number.to_string()),
        DeValue::Boolean(value) => Some(value.to_string()),
        _ => None,
    }
}
