//! Checks a connector's configuration against its JSON Schema: the part of 2020-12 that manifests use.
//!
//! `type`, `enum`, `const`, `required`, `properties`, `additionalProperties`, `items`, the bounds of numbers,
//! texts, lists and objects, `pattern`, and `format` of `uri`. Other keywords describe and are passed over;
//! what they would forbid is the connector's own check to find.

use serde_json::{Map, Value as Json};

use crate::facts::ConfigComplaint;
use crate::fault::{list, nearest};

/// Deepest nesting that is looked at.
const DEEPEST: usize = 32;

/// `botToken` and `BotToken` to `bot_token`, `apiURL` to `api_url`; snake_case stays.
pub(crate) fn snake_case(key: &str) -> String {
    let letters: Vec<char> = key.chars().collect();
    let mut out = String::with_capacity(key.len() + 4);
    for (index, letter) in letters.iter().enumerate() {
        if !letter.is_ascii_uppercase() {
            out.push(if *letter == '-' { '_' } else { *letter });
            continue;
        }
        let before = index.checked_sub(1).and_then(|before| letters.get(before));
        let after = letters.get(index + 1);
        let begins = before.is_some_and(|before| before.is_ascii_lowercase() || before.is_ascii_digit())
            || before.is_some_and(char::is_ascii_uppercase) && after.is_some_and(char::is_ascii_lowercase);
        if begins {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

/// A value with its keys as the schema spells them. Keys of free maps stay as they are.
///
/// `loose`: variables are part of it, and know only text; where the schema wants no text, it is read as JSON.
pub(crate) fn normal(value: Json, schema: &Json, loose: bool) -> Json {
    normal_at(value, schema, loose, 0)
}

fn normal_at(value: Json, schema: &Json, loose: bool, depth: usize) -> Json {
    if depth > DEEPEST {
        return value;
    }
    match value {
        Json::Object(fields) => {
            let properties = schema.get("properties");
            let named = fields.into_iter().map(|(key, value)| {
                let inner = |key: &str| properties.and_then(|all| all.get(key));
                let snake = snake_case(&key);
                match (inner(&key), inner(&snake)) {
                    (Some(schema), _) => (key, normal_at(value, schema, loose, depth + 1)),
                    (None, Some(schema)) => (snake, normal_at(value, schema, loose, depth + 1)),
                    (None, None) => (key, value),
                }
            });
            Json::Object(named.collect())
        }
        Json::Array(items) => {
            let of_items = schema.get("items").unwrap_or(&Json::Null);
            Json::Array(items.into_iter().map(|item| normal_at(item, of_items, loose, depth + 1)).collect())
        }
        Json::String(text) if loose && !takes_text(schema) => match serde_json::from_str::<Json>(&text) {
            Ok(read) => normal_at(read, schema, false, depth + 1),
            Err(_) => Json::String(text),
        },
        other => other,
    }
}

fn takes_text(schema: &Json) -> bool {
    match schema.get("type") {
        Some(Json::String(kind)) => kind == "string",
        Some(Json::Array(kinds)) => kinds.iter().any(|kind| kind == "string"),
        _ => true,
    }
}

/// Everything in a value that its schema does not allow, by JSON pointer.
pub(crate) fn check(value: &Json, schema: &Json) -> Vec<ConfigComplaint> {
    let mut complaints = Vec::new();
    check_at(value, schema, "", 0, &mut complaints);
    complaints
}

fn check_at(value: &Json, schema: &Json, pointer: &str, depth: usize, out: &mut Vec<ConfigComplaint>) {
    let Some(rules) = schema.as_object().filter(|_| depth <= DEEPEST) else { return };
    let mut complain = |message: String| out.push(ConfigComplaint { pointer: pointer.to_owned(), message });
    let kinds: Vec<&str> = match rules.get("type") {
        Some(Json::String(kind)) => vec![kind.as_str()],
        Some(Json::Array(kinds)) => kinds.iter().filter_map(Json::as_str).collect(),
        _ => Vec::new(),
    };
    if !kinds.is_empty() && !kinds.iter().any(|kind| is_a(value, kind)) {
        let kinds: Vec<&str> = kinds.iter().map(|kind| in_words(kind)).collect();
        return complain(format!("is {}; write {}", in_words(kind_of(value)), kinds.join(" or ")));
    }
    if let Some(allowed) = rules.get("enum").and_then(Json::as_array)
        && !allowed.contains(value)
    {
        let allowed: Vec<String> = allowed.iter().map(Json::to_string).collect();
        complain(format!("is none of the values that are known; write {}", allowed.join(" or ")));
    }
    if let Some(only) = rules.get("const")
        && only != value
    {
        complain(format!("can only be {only}"));
    }
    match value {
        Json::String(text) => text_rules(text, rules, &mut complain),
        Json::Number(number) => number_rules(number.as_f64().unwrap_or_default(), rules, &mut complain),
        Json::Array(items) => {
            count_rules(items.len(), "minItems", "maxItems", "entries", rules, &mut complain);
            for (index, item) in items.iter().enumerate() {
                let inner = rules.get("items").unwrap_or(&Json::Null);
                check_at(item, inner, &format!("{pointer}/{index}"), depth + 1, out);
            }
        }
        Json::Object(fields) => object_rules(fields, rules, pointer, depth, out),
        Json::Null | Json::Bool(_) => {}
    }
}

fn object_rules(
    fields: &Map<String, Json>,
    rules: &Map<String, Json>,
    pointer: &str,
    depth: usize,
    out: &mut Vec<ConfigComplaint>,
) {
    let none = Map::new();
    let properties = rules.get("properties").and_then(Json::as_object).unwrap_or(&none);
    for key in rules.get("required").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str) {
        if !fields.contains_key(key) {
            out.push(ConfigComplaint { pointer: format!("{pointer}/{key}"), message: "is missing".into() });
        }
    }
    count_rules(fields.len(), "minProperties", "maxProperties", "entries", rules, &mut |message| {
        out.push(ConfigComplaint { pointer: pointer.to_owned(), message });
    });
    for (key, value) in fields {
        let inner = format!("{pointer}/{key}");
        match (properties.get(key), rules.get("additionalProperties")) {
            (Some(schema), _) => check_at(value, schema, &inner, depth + 1, out),
            (None, Some(Json::Bool(false))) => {
                let message = match nearest(&snake_case(key), properties.keys().map(String::as_str)) {
                    Some(near) => format!("no such option; did you mean '{near}'?"),
                    None => {
                        format!("no such option; known here: {}", list(properties.keys().map(String::as_str)))
                    }
                };
                out.push(ConfigComplaint { pointer: inner, message });
            }
            (None, Some(schema)) => check_at(value, schema, &inner, depth + 1, out),
            (None, None) => {}
        }
    }
}

fn text_rules(text: &str, rules: &Map<String, Json>, complain: &mut impl FnMut(String)) {
    count_rules(text.chars().count(), "minLength", "maxLength", "characters", rules, complain);
    if rules.get("format").and_then(Json::as_str) == Some("uri") {
        let fits =
            url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if !fits {
            complain("is no http or https address; write one like \"https://api.example.com\"".into());
        }
    }
    if let Some(pattern) = rules.get("pattern").and_then(Json::as_str)
        && let Ok(regex) = regex::RegexBuilder::new(pattern).size_limit(1 << 18).build()
        && !regex.is_match(text)
    {
        complain(format!("does not have the form {pattern}"));
    }
}

fn number_rules(number: f64, rules: &Map<String, Json>, complain: &mut impl FnMut(String)) {
    let rule = |name: &str| rules.get(name).and_then(Json::as_f64);
    if let Some(least) = rule("minimum").filter(|least| number < *least) {
        complain(format!("is below {least}"));
    }
    if let Some(most) = rule("maximum").filter(|most| number > *most) {
        complain(format!("is above {most}"));
    }
    if let Some(least) = rule("exclusiveMinimum").filter(|least| number <= *least) {
        complain(format!("is not above {least}"));
    }
    if let Some(most) = rule("exclusiveMaximum").filter(|most| number >= *most) {
        complain(format!("is not below {most}"));
    }
}

fn count_rules(
    count: usize,
    least: &str,
    most: &str,
    what: &str,
    rules: &Map<String, Json>,
    complain: &mut impl FnMut(String),
) {
    let rule = |name: &str| rules.get(name).and_then(Json::as_u64);
    let count = count as u64;
    if let Some(least) = rule(least).filter(|least| count < *least) {
        complain(format!("has {count} {what}, fewer than {least}"));
    }
    if let Some(most) = rule(most).filter(|most| count > *most) {
        complain(format!("has {count} {what}, more than {most}"));
    }
}

fn is_a(value: &Json, kind: &str) -> bool {
    let is_whole =
        || value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0);
    kind == kind_of(value) || kind == "integer" && value.is_number() && is_whole()
}

fn kind_of(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "boolean",
        Json::Number(_) => "number",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    }
}

fn in_words(kind: &str) -> &str {
    match kind {
        "null" => "nothing",
        "boolean" => "true or false",
        "number" => "a number",
        "integer" => "a whole number",
        "string" => "a text",
        "array" => "a list",
        "object" => "a table",
        other => other,
    }
}

#[cfg(test)]
mod tests;
