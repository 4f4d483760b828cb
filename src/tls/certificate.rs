//! What the broker has to know of a certificate (RFC 5280).

use std::net::IpAddr;

use rustls::pki_types::CertificateDer;
use x509_cert::certificate::{CertificateInner, Raw, TbsCertificateInner};
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::{DateTime, Decode as _};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::distinguished_name;
use crate::config::AlternativeNameKind;
use crate::time::Timestamp;

const SUBJECT_ALTERNATIVE_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");

/// What stands in a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Whose it is, as RFC 4514 writes it.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// `from - until`, in UTC.
    pub validity: String,
    /// The end of its time, `2027-06-17 7:07:02` in UTC.
    pub expires_on: String,
    /// From when on it holds.
    pub(super) not_before: Timestamp,
    /// Until when it holds.
    pub not_after: Timestamp,
    /// The common names of its subject.
    pub(super) common_names: Vec<String>,
    /// Its alternative names, of the kinds that there are settings for.
    pub(super) alternative_names: Vec<(AlternativeNameKind, String)>,
}

impl Certificate {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(der: &CertificateDer<'_>) -> Result<Self, String> {
        let parsed = CertificateInner::<Raw>::from_der(der).map_err(|error| error.to_string())?;
        let content = &parsed.tbs_certificate;
        let (from, until) =
            (content.validity.not_before.to_date_time(), content.validity.not_after.to_date_time());
        Ok(Self {
            subject: distinguished_name::text(&content.subject),
            issuer: distinguished_name::text(&content.issuer),
            validity: format!("{from} - {until}"),
            expires_on: date_and_time(until),
            not_before: timestamp(from),
            not_after: timestamp(until),
            common_names: distinguished_name::common_names(&content.subject),
            alternative_names: alternative_names(content),
        })
    }
}

fn timestamp(time: DateTime) -> Timestamp {
    Timestamp::from_millis(u64::try_from(time.unix_duration().as_millis()).unwrap_or(u64::MAX))
}

/// As RabbitMQ writes it.
fn date_and_time(time: DateTime) -> String {
    format!(
        "{}-{:02}-{:02} {}:{:02}:{:02}",
        time.year(),
        time.month(),
        time.day(),
        time.hour(),
        time.minutes(),
        time.seconds()
    )
}

fn alternative_names(content: &TbsCertificateInner<Raw>) -> Vec<(AlternativeNameKind, String)> {
    let extensions = content.extensions.iter().flatten();
    let of_kind = extensions.filter(|extension| extension.extn_id == SUBJECT_ALTERNATIVE_NAME);
    let parsed =
        of_kind.filter_map(|extension| SubjectAltName::from_der(extension.extn_value.as_bytes()).ok());
    parsed.flat_map(|names| names.0).filter_map(|name| alternative_name(&name)).collect()
}

fn alternative_name(name: &GeneralName) -> Option<(AlternativeNameKind, String)> {
    Some(match name {
        GeneralName::DnsName(name) => (AlternativeNameKind::Dns, name.to_string()),
        GeneralName::Rfc822Name(address) => (AlternativeNameKind::Email, address.to_string()),
        GeneralName::UniformResourceIdentifier(uri) => (AlternativeNameKind::Uri, uri.to_string()),
        GeneralName::IpAddress(bytes) => (AlternativeNameKind::Ip, address(bytes.as_bytes())?.to_string()),
        _ => return None,
    })
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::pem;

    fn certificate(name: &str) -> Certificate {
        let text = std::fs::read_to_string(format!("tests/data/keys/{name}.pem")).unwrap();
        let der = pem::sections(&text).into_iter().find_map(|section| section.der).unwrap();
        Certificate::parse(&CertificateDer::from(der)).unwrap()
    }

    /// What RabbitMQ 4.0.5 shows of this certificate.
    #[test]
    fn names_are_written_as_rabbitmq_writes_them() {
        let odd = certificate("odd-names-cert");
        assert_eq!(
            odd.subject,
            "CN=\\ lead,CN=first+OU=multi,O=\\#Ac'me\\\\ \\<\\C3\\A9\\;\\>=\\+\\ ,2.5.4.17=123,2.5.4.15=bc,2.5.4.46=dq,PSEUDONYM=ps,\
             2.5.4.9=Way 1,SERIALNUMBER=77,GENERATIONQUALIFIER=III,INITIALS=I,GIVENNAME=Given,SN=Sur,TITLE=Dr,UID=u1,DC=example,\
             DC=org"
        );
        assert_eq!(odd.issuer, "O=Coney,CN=Test CA");
        assert_eq!(odd.common_names, ["first", " lead"]);
        let (from, until) = odd.validity.split_once(" - ").unwrap();
        assert!(from.starts_with("2026-11-29T07:") && until.ends_with('Z'), "{}", odd.validity);
        assert!(odd.expires_on.starts_with("2027-06-17 7:"), "{}", odd.expires_on);
        assert!(odd.not_before < odd.not_after);
    }
}
