//! What brokers are known to do differently: the cases each fails, with the reason.
//!
//! A file is JSON: `product` and `version` as the broker announces them (the version may be a beginning), and `cases`,
//! an object of case id to reason.

use std::collections::BTreeMap;

use crate::check::Check;
use crate::codec::{Reader, lookup};
use crate::raw::{PROTOCOL, Raw};
use crate::target::Target;

/// The files that come with the suite.
const FILES: &[&str] = &[
    include_str!("../deviations/rabbitmq-3.10.json"),
    include_str!("../deviations/rabbitmq-4.0.json"),
    include_str!("../deviations/coney.json"),
];

/// Case id to reason.
pub type Deviations = BTreeMap<String, String>;

/// Who the broker says it is.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// `product` of the server properties.
    pub product: String,
    /// `version` of the server properties.
    pub version: String,
    /// `platform` of the server properties: what tells a broker that announces RabbitMQ's name from RabbitMQ.
    pub platform: String,
    /// `coney_persona` of the server properties: which broker a Coney stands in for.
    pub persona: String,
}

/// Asks the broker who it is.
pub async fn identify(target: &Target) -> Check<Identity> {
    let mut raw = Raw::connect(target).await?;
    raw.bytes(PROTOCOL).await;
    let start = raw.wait_for((10, 10)).await?;
    let mut input = Reader(&start);
    input.u16()?;
    let properties = input.table()?;
    let text = |key| lookup(&properties, key).and_then(crate::codec::Value::text).unwrap_or_default();
    Ok(Identity {
        product: text("product"),
        version: text("version"),
        platform: text("platform"),
        persona: text("coney_persona"),
    })
}

/// The deviations listed for this broker in the suite's own files.
///
/// # Errors
/// A file that is not what the module says.
pub fn listed(broker: &Identity) -> Result<Deviations, String> {
    let mut all = Deviations::new();
    for file in FILES {
        all.extend(parse(file, broker)?);
    }
    Ok(all)
}

/// The deviations in a file's text; none if it is about another broker.
///
/// # Errors
/// A text that is not what the module says.
pub fn parse(text: &str, broker: &Identity) -> Result<Deviations, String> {
    let file: serde_json::Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let field = |key: &str| file.get(key).and_then(serde_json::Value::as_str).unwrap_or_default();
    let fits = field("product") == broker.product
        && broker.version.starts_with(field("version"))
        && broker.platform.starts_with(field("platform"));
    if !fits {
        return Ok(Deviations::new());
    }
    let cases = file.get("cases").and_then(serde_json::Value::as_object).ok_or("no `cases` object")?;
    let reason = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    Ok(cases.iter().map(|(id, value)| (id.clone(), reason(value))).collect())
}
