//! Names that the broker makes up: of queues, of consumers.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::shared::random_bytes;

/// The prefix and 16 random bytes in URL-safe base64, 22 characters, as RabbitMQ makes them: `amq.gen-hPI986ocAIdW-Ggk3Hhv3g`.
/// Unique on the broker, and nobody can guess it.
///
/// # Errors
/// The system has no random numbers.
pub fn generated(prefix: &str) -> std::io::Result<String> {
    let bytes: [u8; 16] = random_bytes()?;
    Ok(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_22_characters_of_its_own() {
        let names = [generated("amq.gen-").unwrap(), generated("amq.gen-").unwrap()];
        assert_ne!(names[0], names[1]);
        for name in names {
            let random = name.strip_prefix("amq.gen-").unwrap();
            assert_eq!(URL_SAFE_NO_PAD.decode(random).unwrap().len(), 16, "{name}");
        }
    }
}
