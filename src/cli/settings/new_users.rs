//! The text of `default-users`.

use coney::config::{NewPermission, NewUser};
use serde::{Deserialize, Serialize};

use crate::cli::value;

/// A user as it is written.
#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    pub name: String,
    pub password: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configure: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<String>,
}

/// Reads a list of users. Without any pattern a user may do everything; with some, nothing by those that it has not.
///
/// # Errors
/// What is not such a list. No password is shown.
pub fn parse(text: &str) -> Result<Vec<NewUser>, String> {
    let all: Vec<Written> = serde_json::from_str(text).map_err(|error| {
        // The error's own text could show a value.
        format!(
            "is not a list of users such as [{{\"name\": \"ann\", \"password\": \"..\"}}] (column {})",
            error.column()
        )
    })?;
    all.into_iter().map(user).collect()
}

fn user(written: Written) -> Result<NewUser, String> {
    let name = value::non_empty(&written.name, usize::MAX).map_err(|why| format!("a user's name {why}"))?;
    let of = |reason: String| format!("user '{name}': {reason}");
    let password =
        value::non_empty(&written.password, usize::MAX).map_err(|why| of(format!("the password {why}")))?;
    let given = [&written.configure, &written.write, &written.read];
    let usual = if given.iter().all(|pattern| pattern.is_none()) { ".*" } else { "" };
    let pattern =
        |pattern: &Option<String>| value::name_pattern(pattern.as_deref().unwrap_or(usual)).map_err(of);
    let permission = NewPermission {
        configure: pattern(&written.configure)?,
        write: pattern(&written.write)?,
        read: pattern(&written.read)?,
    };
    Ok(NewUser { name, password, tags: written.tags, permission })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_read_and_faults_show_no_password() {
        let users = parse(
            r#"[{"name": "ann", "password": "hunter2", "tags": ["monitoring"]},
                {"name": "bob", "password": "p", "read": "^q"}]"#,
        )
        .unwrap();
        assert_eq!((users[0].name.as_str(), users[0].password.as_str()), ("ann", "hunter2"));
        assert_eq!(users[0].permission, NewPermission::default());
        let permission = &users[1].permission;
        assert_eq!((permission.write.as_str(), permission.read.as_str()), ("", "^q"));
        for bad in [
            r#"[{"name": "ann", "password": ["hunter2"]}]"#,
            r#"[{"name": "ann", "passwort": "hunter2"}]"#,
            r#"[{"name": "", "password": "hunter2"}]"#,
            r#"[{"name": "ann", "password": "hunter2", "read": "("}]"#,
            "hunter2",
        ] {
            let error = parse(bad).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
