//! Template messages, checked against the templates that the account has.

use serde_json::Value;

use super::graph::{GraphError, text};

/// An approved template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// Its name.
    pub name: String,
    /// Its language, `en_US`.
    pub language: String,
    /// How many parameters its body takes.
    pub body_parameters: usize,
}

impl Template {
    /// A template with so many parameters in its body.
    pub fn new(name: &str, language: &str, body_parameters: usize) -> Self {
        Self { name: name.to_owned(), language: language.to_owned(), body_parameters }
    }
}

/// Checks the `template` part of a message.
pub(super) fn check(part: &Value, templates: &[Template]) -> Result<(), GraphError> {
    let name = text(part, "name", 512)?;
    let language = part.get("language").ok_or_else(|| GraphError::missing("language"))?;
    let code = text(language, "code", 16)?;
    let known = templates.iter().find(|template| template.name == name && template.language == code);
    let known = known
        .ok_or_else(|| GraphError::of(132_001, format!("template name ({name}) does not exist in {code}")))?;
    let components = match part.get("components") {
        None => &[],
        Some(Value::Array(list)) => list.as_slice(),
        Some(_) => return Err(GraphError::value("components must be a list")),
    };
    let mut in_body = 0;
    for component in components {
        let parameters =
            component.get("parameters").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        for parameter in parameters {
            check_parameter(parameter)?;
        }
        match text(component, "type", 16)?.to_ascii_lowercase().as_str() {
            "body" => in_body += parameters.len(),
            "header" | "carousel" | "limited_time_offer" => {}
            "button" => {
                text(component, "sub_type", 32)?;
                if !component.get("index").is_some_and(|index| index.is_u64() || index.is_string()) {
                    return Err(GraphError::missing("index"));
                }
            }
            other => return Err(GraphError::value(format!("component type {other} is not supported"))),
        }
    }
    if in_body != known.body_parameters {
        let details = format!(
            "body: number of localizable_params ({in_body}) does not match the expected number of params ({})",
            known.body_parameters
        );
        return Err(GraphError::of(132_000, details));
    }
    Ok(())
}

fn check_parameter(parameter: &Value) -> Result<(), GraphError> {
    let kind = text(parameter, "type", 32)?;
    let field = match kind {
        "text" => return text(parameter, "text", 32_768).map(|_| ()),
        "payload" => return text(parameter, "payload", 256).map(|_| ()),
        "image" | "video" | "document" | "location" | "currency" | "date_time" | "action" => kind,
        "coupon_code" => "coupon_code",
        other => return Err(GraphError::of(132_012, format!("parameter type {other} is not supported"))),
    };
    parameter
        .get(field)
        .map(|_| ())
        .ok_or_else(|| GraphError::of(132_012, format!("parameter {field} is missing")))
}
