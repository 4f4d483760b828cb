//! The sections of a PEM file (RFC 7468), with the headers that OpenSSL's old format for encrypted keys has (RFC 1421).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// In a line of base64 (RFC 7468 section 2).
const LINE_CHARACTERS: usize = 64;

/// What stands between a BEGIN and its END.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Section {
    /// `CERTIFICATE`, `PRIVATE KEY`, ..
    pub(super) label: String,
    /// `Name: value` lines.
    pub(super) headers: Vec<(String, String)>,
    /// What is encoded in it; `None` if that is no base64.
    pub(super) der: Option<Vec<u8>>,
}

impl Section {
    /// The value of a header.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// All sections of a text, in their order. What stands around them is of no interest, as to every other reader of such files.
pub(super) fn sections(text: &str) -> Vec<Section> {
    let mut found = Vec::new();
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        let Some(label) = line.strip_prefix("-----BEGIN ").and_then(|rest| rest.strip_suffix("-----")) else {
            continue;
        };
        let is_inside = |line: &&str| !line.starts_with("-----END ");
        found.push(section(label, lines.by_ref().take_while(is_inside)));
    }
    found
}

/// A section as text.
pub(super) fn text(label: &str, der: &[u8]) -> String {
    let encoded = STANDARD.encode(der);
    let lines = encoded.as_bytes().chunks(LINE_CHARACTERS).map(String::from_utf8_lossy);
    let lines: String = lines.map(|line| format!("{line}\n")).collect();
    format!("-----BEGIN {label}-----\n{lines}-----END {label}-----\n")
}

fn section<'a>(label: &str, lines: impl Iterator<Item = &'a str>) -> Section {
    let mut headers = Vec::new();
    let mut encoded = String::new();
    for line in lines {
        // There is no colon in base64.
        match line.split_once(':') {
            Some((name, value)) => headers.push((name.trim().to_owned(), value.trim().to_owned())),
            None => encoded.push_str(line),
        }
    }
    Section { label: label.to_owned(), headers, der: STANDARD.decode(encoded).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_found_whatever_stands_around_them() {
        let text = "subject=CN=a\r\n-----BEGIN CERTIFICATE-----\r\nAQID\r\nBA==\r\n-----END CERTIFICATE-----\r\n\
                    -----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00FF\n\nAAAA\n\
                    -----END RSA PRIVATE KEY-----\n-----BEGIN X-----\n%\n-----END X-----";
        let found = sections(text);
        let labels: Vec<_> = found.iter().map(|section| section.label.as_str()).collect();
        assert_eq!(labels, ["CERTIFICATE", "RSA PRIVATE KEY", "X"]);
        assert_eq!(found[0].der, Some(vec![1, 2, 3, 4]));
        assert_eq!(
            (found[1].header("DEK-Info"), &found[1].der),
            (Some("AES-128-CBC,00FF"), &Some(vec![0; 3]))
        );
        assert_eq!(found[2].der, None);
    }

    #[test]
    fn what_is_written_is_read() {
        let der: Vec<u8> = (0..=200).collect();
        let written = text("CERTIFICATE", &der);
        assert!(written.lines().all(|line| line.len() <= LINE_CHARACTERS));
        assert_eq!(sections(&written)[0].der, Some(der));
    }

    #[test]
    fn a_text_without_sections_and_one_without_an_end_are_no_trouble() {
        assert_eq!(sections("hello\n"), []);
        assert_eq!(sections("-----BEGIN CERTIFICATE-----\nAQID")[0].der, Some(vec![1, 2, 3]));
    }
}
