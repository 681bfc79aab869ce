//! Checks an action's input against the schema of its manifest: types, required fields, enumerations, items.
//!
//! What a connector reads itself it checks itself; this is for the mistakes that a caller makes most, named by
//! the field. Keywords that are not known here are left to the connector.

use serde_json::Value;

/// How deep schemas are followed.
const MAX_DEPTH: usize = 32;

/// Where an input is not what its schema wants, and why. Never holds the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mismatch {
    pub(crate) field: String,
    pub(crate) reason: String,
}

/// Checks a value; `field` is its name in messages.
pub(crate) fn check(schema: &Value, value: &Value, field: &str) -> Result<(), Mismatch> {
    check_at(schema, value, field, 0)
}

fn check_at(schema: &Value, value: &Value, field: &str, depth: usize) -> Result<(), Mismatch> {
    let Some(schema) = schema.as_object().filter(|_| depth < MAX_DEPTH) else { return Ok(()) };
    let wrong = |reason: String| Mismatch { field: field.to_owned(), reason };
    if let Some(wanted) = schema.get("type") {
        let names: Vec<&str> = match wanted {
            Value::String(name) => vec![name],
            Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        if !names.is_empty() && !names.iter().any(|name| is_a(value, name)) {
            return Err(wrong(format!("must be {}, is {}", names.join(" or "), kind_of(value))));
        }
    }
    if let Some(allowed) = schema.get("enum").and_then(Value::as_array)
        && !allowed.contains(value)
    {
        let names: Vec<String> = allowed.iter().map(Value::to_string).collect();
        return Err(wrong(format!("must be one of {}", names.join(", "))));
    }
    if let Some(object) = value.as_object() {
        for name in
            schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
        {
            if !object.contains_key(name) {
                return Err(Mismatch { field: format!("{field}.{name}"), reason: "is missing".into() });
            }
        }
        let properties = schema.get("properties").and_then(Value::as_object);
        for (name, property) in properties.into_iter().flatten() {
            if let Some(inner) = object.get(name) {
                check_at(property, inner, &format!("{field}.{name}"), depth + 1)?;
            }
        }
    }
    if let (Some(items), Some(list)) = (schema.get("items"), value.as_array()) {
        for (index, inner) in list.iter().enumerate() {
            check_at(items, inner, &format!("{field}[{index}]"), depth + 1)?;
        }
    }
    Ok(())
}

fn is_a(value: &Value, name: &str) -> bool {
    match name {
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => {
            value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0)
        }
        "boolean" => value.is_boolean(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        "null" => value.is_null(),
        _ => true,
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn mismatches_name_the_field_and_what_it_should_be() {
        let schema = json!({
            "type": "object", "required": ["code"],
            "properties": {
                "code": { "type": "string" }, "count": { "type": "integer" },
                "size": { "enum": ["s", "m"] }, "tags": { "type": "array", "items": { "type": ["string", "null"] } },
            },
        });
        let wrong = |input| {
            let mismatch = check(&schema, &input, "input").unwrap_err();
            format!("{} {}", mismatch.field, mismatch.reason)
        };
        assert_eq!(wrong(json!([])), "input must be object, is an array");
        assert_eq!(wrong(json!({})), "input.code is missing");
        assert_eq!(wrong(json!({ "code": 1 })), "input.code must be string, is a number");
        assert_eq!(wrong(json!({ "code": "x", "count": 1.5 })), "input.count must be integer, is a number");
        assert_eq!(wrong(json!({ "code": "x", "size": "l" })), "input.size must be one of \"s\", \"m\"");
        assert_eq!(
            wrong(json!({ "code": "x", "tags": ["a", 2] })),
            "input.tags[1] must be string or null, is a number"
        );
        assert_eq!(
            check(&schema, &json!({ "code": "x", "count": 2, "tags": [null], "more": 1 }), "input"),
            Ok(())
        );
        assert_eq!(check(&Value::Null, &json!(1), "input"), Ok(()));
    }
}
