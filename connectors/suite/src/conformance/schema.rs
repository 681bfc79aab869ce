//! Whether a JSON Schema is one, as far as can be told without a validator.

use serde_json::Value;

const TYPES: [&str; 7] = ["object", "array", "string", "number", "integer", "boolean", "null"];

/// What is wrong with a schema, with the place, or nothing.
pub(super) fn broken(schema: &Value) -> Option<String> {
    if schema.to_string().len() > 64 * 1024 {
        return Some("is larger than 64 KiB".into());
    }
    walk(schema, "#", 0)
}

fn walk(schema: &Value, place: &str, depth: usize) -> Option<String> {
    if depth > 32 {
        return Some(format!("{place}: is deeper than 32 levels"));
    }
    let fields = match schema {
        Value::Bool(_) => return None,
        Value::Object(fields) => fields,
        _ => return Some(format!("{place}: a schema must be an object or a boolean")),
    };
    fields.iter().find_map(|(key, value)| keyword(key, value, &format!("{place}/{key}"), depth)).or_else(
        || {
            let required = fields.get("required").and_then(Value::as_array)?;
            let known = fields.get("properties").and_then(Value::as_object);
            required.iter().filter_map(Value::as_str).find_map(|name| {
                let missing = known.is_some_and(|known| !known.contains_key(name));
                missing.then(|| format!("{place}/required: '{name}' is no property"))
            })
        },
    )
}

fn keyword(key: &str, value: &Value, place: &str, depth: usize) -> Option<String> {
    let each = |schemas: &[Value]| {
        schemas
            .iter()
            .enumerate()
            .find_map(|(index, schema)| walk(schema, &format!("{place}/{index}"), depth + 1))
    };
    let wrong = |expected: &str| Some(format!("{place}: must be {expected}"));
    match key {
        "type" => {
            let known = |name: &Value| name.as_str().is_some_and(|name| TYPES.contains(&name));
            let valid = known(value)
                || value.as_array().is_some_and(|names| !names.is_empty() && names.iter().all(known));
            if valid { None } else { wrong("a type of JSON Schema, or a list of them") }
        }
        "properties" | "patternProperties" | "$defs" => match value.as_object() {
            Some(schemas) => {
                schemas.iter().find_map(|(name, schema)| walk(schema, &format!("{place}/{name}"), depth + 1))
            }
            None => wrong("an object of schemas"),
        },
        "items" | "additionalProperties" | "not" | "if" | "then" | "else" | "contains" | "propertyNames" => {
            walk(value, place, depth + 1)
        }
        "anyOf" | "oneOf" | "allOf" | "prefixItems" => match value.as_array() {
            Some(schemas) if !schemas.is_empty() => each(schemas),
            _ => wrong("a list of schemas"),
        },
        "required" => match value.as_array() {
            Some(names) if names.iter().all(Value::is_string) => None,
            _ => wrong("a list of texts"),
        },
        "enum" => value.as_array().is_none_or(Vec::is_empty).then(|| format!("{place}: must be a list")),
        "$ref" => match value.as_str() {
            Some(target) if target.starts_with('#') => None,
            _ => wrong("a local reference"),
        },
        "title" | "description" | "format" | "pattern" | "$comment" if !value.is_string() => wrong("a text"),
        "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf"
            if !value.is_number() =>
        {
            wrong("a number")
        }
        "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties"
            if !value.is_u64() =>
        {
            wrong("a whole number from 0")
        }
        _ => None,
    }
}
