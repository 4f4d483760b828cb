//! `docs/http-api.html` is made from the OpenAPI document: one page that needs nothing else, to be read in a browser.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Map, Value};

use super::schema::Document;

const PAGE: &str = "docs/http-api.html";
/// With this variable set the test writes the page instead of comparing it.
const WRITE: &str = "CONEY_WRITE_REFERENCE";

#[test]
fn the_reference_is_what_the_document_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = std::fs::read_to_string(root.join("src/management/openapi/openapi.json")).unwrap();
    let made = page(&Document(serde_json::from_str(&document).unwrap()));
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(root.join(PAGE), &made).unwrap();
    }
    let kept = std::fs::read_to_string(root.join(PAGE)).unwrap_or_default();
    assert!(made == kept, "{PAGE} is out of date: run this test again with {WRITE}=1");
    assert_links(&made);
}

/// Each link leads to something on the page, and nothing is fetched from elsewhere.
fn assert_links(page: &str) {
    let after = |mark: &'static str| {
        page.split(mark).skip(1).map(|rest| rest.split('"').next().unwrap()).collect::<Vec<_>>()
    };
    let ids: BTreeSet<&str> = after(" id=\"").into_iter().collect();
    assert_eq!(ids.len(), after(" id=\"").len(), "an id is there twice");
    for link in after("href=\"#") {
        assert!(ids.contains(link), "#{link}");
    }
    assert!(after(" src=\"").is_empty() && !page.contains("url(") && !page.contains("@import"));
}

fn page(document: &Document) -> String {
    let info = &document.0["info"];
    let title = escaped(text(&info["title"]));
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>\n{}</style>\n</head>\n<body>\n<div class=\"page\">\n",
        include_str!("reference.css")
    );
    put_navigation(&mut out, document);
    let summary = escaped(text(&info["summary"]));
    let version = escaped(text(&info["version"]));
    writeln!(out, "<main>\n<h1>{title}</h1>\n<p>{summary} <span class=\"type\">{version}</span></p>")
        .unwrap();
    put_text(&mut out, text(&info["description"]));
    for scheme in ["basic", "session"] {
        let schemes = &document.0["components"]["securitySchemes"];
        put_text(&mut out, text(&schemes[scheme]["description"]));
    }
    for tag in document.0["tags"].as_array().unwrap() {
        let name = text(&tag["name"]);
        writeln!(out, "<h2 id=\"{}\">{}</h2>", slug(name), escaped(name)).unwrap();
        for (path, method, operation) in document.operations() {
            if operation["tags"][0] == name {
                put_operation(&mut out, document, path, method, operation);
            }
        }
    }
    put_parameters(&mut out, document);
    put_schemas(&mut out, document);
    out.push_str("</main>\n</div>\n</body>\n</html>\n");
    out
}

fn put_navigation(out: &mut String, document: &Document) {
    out.push_str("<nav>\n");
    let tags = document.0["tags"].as_array().unwrap().iter().map(|tag| text(&tag["name"]));
    for name in tags.chain(["Parameters of queries", "Schemas"]) {
        writeln!(out, "<a href=\"#{}\">{}</a>", slug(name), escaped(name)).unwrap();
    }
    out.push_str("</nav>\n");
}

fn put_operation(out: &mut String, document: &Document, path: &str, method: &str, operation: &Value) {
    writeln!(
        out,
        "<details id=\"{}\">\n<summary><span class=\"method {method}\">{}</span> <code>{}</code>\
         <span class=\"what\">{}</span></summary>\n<div class=\"body\">",
        text(&operation["operationId"]),
        method.to_uppercase(),
        escaped(path),
        escaped(text(&operation["summary"]))
    )
    .unwrap();
    if let Some(description) = operation["description"].as_str() {
        put_text(out, description);
    }
    match operation["x-needs"].as_str() {
        Some(tag) => writeln!(out, "<p>Needs the tag <code>{tag}</code>.</p>").unwrap(),
        None => out.push_str("<p>For everybody.</p>\n"),
    }
    put_operation_parameters(out, document, operation);
    if operation["requestBody"].is_object() {
        let may_miss = operation["requestBody"]["required"] == false;
        writeln!(out, "<h4>Body{}</h4>", if may_miss { " (may be absent)" } else { "" }).unwrap();
        put_content(out, &operation["requestBody"]["content"]);
    }
    out.push_str("<h4>Answers</h4>\n<dl>\n");
    for (status, answer) in operation["responses"].as_object().unwrap() {
        let answer = document.resolve(answer);
        writeln!(out, "<dt>{status}</dt><dd>{}", escaped(text(&answer["description"]))).unwrap();
        put_content(out, &answer["content"]);
        out.push_str("</dd>\n");
    }
    out.push_str("</dl>\n</div>\n</details>\n");
}

/// Those in the path and of the head are told here; those of the query are the same for many, and stand in one place.
fn put_operation_parameters(out: &mut String, document: &Document, operation: &Value) {
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let parameters: Vec<(&str, &Value)> = parameters
        .map(|parameter| (text(&parameter["$ref"]).rsplit('/').next().unwrap(), document.resolve(parameter)))
        .collect();
    let (in_query, others): (Vec<_>, Vec<_>) =
        parameters.into_iter().partition(|(_, parameter)| parameter["in"] == "query");
    if !others.is_empty() {
        out.push_str("<h4>Path and head</h4>\n<dl>\n");
        for (_, parameter) in others {
            put_entry(out, text(&parameter["name"]), parameter, &parameter["schema"], true);
        }
        out.push_str("</dl>\n");
    }
    if !in_query.is_empty() {
        let links = in_query.iter().map(|(key, parameter)| {
            format!("<a href=\"#query-{key}\"><code>{}</code></a>", text(&parameter["name"]))
        });
        writeln!(out, "<h4>Query</h4>\n<p>{}</p>", links.collect::<Vec<_>>().join(", ")).unwrap();
    }
}

fn put_content(out: &mut String, content: &Value) {
    for (kind, media) in content.as_object().into_iter().flatten() {
        let kind = if kind == "application/json" { String::new() } else { format!("<code>{kind}</code>: ") };
        writeln!(out, "<div>{kind}<span class=\"type\">{}</span></div>", kind_of(&media["schema"])).unwrap();
        put_fields(out, &media["schema"]);
    }
}

fn put_parameters(out: &mut String, document: &Document) {
    writeln!(out, "<h2 id=\"{}\">Parameters of queries</h2>\n<dl>", slug("Parameters of queries")).unwrap();
    for (key, parameter) in document.0["components"]["parameters"].as_object().unwrap() {
        if parameter["in"] == "query" {
            write!(out, "<dt id=\"query-{key}\">{}</dt>", text(&parameter["name"])).unwrap();
            let kind = kind_of(&parameter["schema"]);
            let description = escaped(text(&parameter["description"]));
            writeln!(out, "<dd><span class=\"type\">{kind}</span> {description}</dd>").unwrap();
        }
    }
    out.push_str("</dl>\n");
}

fn put_schemas(out: &mut String, document: &Document) {
    out.push_str("<h2 id=\"schemas\">Schemas</h2>\n");
    for (name, schema) in document.0["components"]["schemas"].as_object().unwrap() {
        writeln!(out, "<h3 id=\"schema-{name}\"><code>{name}</code></h3>").unwrap();
        if let Some(description) = schema["description"].as_str() {
            put_text(out, description);
        }
        let kind = kind_of(schema);
        if kind != "object" {
            writeln!(out, "<p class=\"type\">{kind}</p>").unwrap();
        }
        put_fields(out, schema);
    }
}

/// The fields that the schema itself names; those of other schemas stand with them.
fn put_fields(out: &mut String, schema: &Value) {
    if let Some(properties) = schema["properties"].as_object() {
        put_properties(out, properties, &schema["required"]);
    }
    let own = schema["allOf"].as_array().into_iter().flatten().filter(|part| part["$ref"].is_null());
    own.for_each(|part| put_fields(out, part));
    if schema["items"].is_object() {
        put_fields(out, &schema["items"]);
    }
}

fn put_properties(out: &mut String, properties: &Map<String, Value>, required: &Value) {
    if properties.is_empty() {
        return;
    }
    out.push_str("<dl class=\"nested\">\n");
    for (name, schema) in properties {
        let is_required =
            required.as_array().is_some_and(|required| required.contains(&name.as_str().into()));
        put_entry(out, name, schema, schema, is_required);
    }
    out.push_str("</dl>\n");
}

fn put_entry(out: &mut String, name: &str, described: &Value, schema: &Value, is_required: bool) {
    let mark = if is_required { "" } else { "?" };
    let description = escaped(described["description"].as_str().unwrap_or_default());
    let kind = kind_of(schema);
    writeln!(out, "<dt>{}{mark}</dt><dd><span class=\"type\">{kind}</span> {description}", escaped(name))
        .unwrap();
    put_fields(out, schema);
    out.push_str("</dd>\n");
}

/// A type in words, with links to schemas.
fn kind_of(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap();
        return format!("<a href=\"#schema-{name}\">{name}</a>");
    }
    for (keyword, between) in [("allOf", " with "), ("anyOf", " or "), ("oneOf", " or ")] {
        if let Some(choices) = schema[keyword].as_array() {
            let is_part = |choice: &Value| keyword == "allOf" && choice["$ref"].is_null();
            let words = choices.iter().map(|choice| match is_part(choice) {
                true => "these fields".to_owned(),
                false => kind_of(choice),
            });
            return words.collect::<Vec<_>>().join(between);
        }
    }
    if let Some(values) = schema["enum"].as_array() {
        return values.iter().map(constant).collect::<Vec<_>>().join(", ");
    }
    if let Some(value) = schema.get("const") {
        return constant(value);
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().map(text).collect::<Vec<_>>().join(" or "),
        Value::String(kind) => kind.clone(),
        _ => "anything".to_owned(),
    };
    match (schema.get("items"), &schema["maxItems"]) {
        (Some(_), none) if *none == 0 => "an empty array".to_owned(),
        (Some(items), _) if kind == "array" => format!("array of {}", kind_of(items)),
        _ if schema["additionalProperties"].is_object() => {
            format!("{kind} of {}", kind_of(&schema["additionalProperties"]))
        }
        _ => kind,
    }
}

fn constant(value: &Value) -> String {
    format!("<code>{}</code>", escaped(&value.to_string()))
}

/// Paragraphs, with `code` in them.
fn put_text(out: &mut String, description: &str) {
    for paragraph in description.split("\n\n") {
        let parts = paragraph.split('`').enumerate().map(|(index, part)| match index % 2 {
            0 => escaped(part),
            _ => format!("<code>{}</code>", escaped(part)),
        });
        writeln!(out, "<p>{}</p>", parts.collect::<String>()).unwrap();
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn slug(name: &str) -> String {
    name.to_lowercase().replace([',', ' '], "-")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
