//! Message templates: the only thing that may be sent outside the 24 hours after a person's last message.

use portico_contract::{Fault, FaultCode};
use serde_json::{Value, json};

/// Language of a template where none is given.
const LANGUAGE: &str = "en_US";

/// A template with its parameters.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Template {
    name: String,
    language: String,
    components: Vec<Value>,
}

fn bad(field: String, reason: &str) -> Fault {
    Fault::new(FaultCode::BadInput, reason).at(field)
}

impl Template {
    /// Reads an action's input or a `template` message.
    ///
    /// - `templateName` (or `name`), `templateLanguage` (or `language`, default `en_US`);
    /// - `components`: the provider's own form, taken as it is; or
    /// - `templateVariables`, or `templateVariablesJson` as JSON in a text: a list fills `{{1}}`, `{{2}}`…
    ///   of the body, an object fills named parameters;
    /// - `templateHeader`: `{ "type": "text" | "image" | "video" | "document" | "location", … }`;
    /// - `templateButtons`: `[{ "type": "quick_reply" | "url" | "copy_code" | "flow", "index"?, "value" }]`.
    ///
    /// # Errors
    /// `bad-input` naming the field as a JSON pointer below `place`.
    pub(crate) fn read(input: &Value, place: &str) -> Result<Self, Fault> {
        let name = text(input, &["templateName", "name"]).ok_or_else(|| {
            bad(format!("{place}/templateName"), "is missing, must be the name of an approved template")
        })?;
        let language = match input.get("language") {
            Some(Value::Object(language)) => language.get("code").and_then(Value::as_str),
            _ => text(input, &["templateLanguage", "language"]),
        };
        let components = match input.get("components") {
            Some(Value::Array(components)) => components.clone(),
            None | Some(Value::Null) => components(input, place)?,
            Some(_) => return Err(bad(format!("{place}/components"), "must be a list")),
        };
        Ok(Self { name: name.to_owned(), language: language.unwrap_or(LANGUAGE).to_owned(), components })
    }

    /// The message without its addressee.
    pub(crate) fn body(&self) -> Value {
        let mut template = json!({ "name": self.name, "language": { "code": self.language } });
        if let (false, Some(fields)) = (self.components.is_empty(), template.as_object_mut()) {
            fields.insert("components".into(), self.components.clone().into());
        }
        json!({ "type": "template", "template": template })
    }
}

fn text<'v>(input: &'v Value, names: &[&str]) -> Option<&'v str> {
    names
        .iter()
        .find_map(|name| input.get(name).and_then(Value::as_str))
        .map(str::trim)
        .filter(|text| !text.is_empty())
}

fn components(input: &Value, place: &str) -> Result<Vec<Value>, Fault> {
    let mut components = Vec::new();
    if let Some(header) = input.get("templateHeader").filter(|header| !header.is_null()) {
        components.push(json!({ "type": "header", "parameters": [header_parameter(header, place)?] }));
    }
    let parsed;
    let variables = match text(input, &["templateVariablesJson"]) {
        Some(written) => {
            parsed = serde_json::from_str(written).map_err(|_| {
                bad(format!("{place}/templateVariablesJson"), "must be JSON: a list or an object of texts")
            })?;
            Some((&parsed, "templateVariablesJson"))
        }
        None => input.get("templateVariables").map(|variables| (variables, "templateVariables")),
    };
    if let Some((variables, name)) = variables {
        let parameters = body_parameters(variables, &format!("{place}/{name}"))?;
        if !parameters.is_empty() {
            components.push(json!({ "type": "body", "parameters": parameters }));
        }
    }
    if let Some(buttons) = input.get("templateButtons").filter(|buttons| !buttons.is_null()) {
        let field = format!("{place}/templateButtons");
        let list = buttons.as_array().ok_or_else(|| bad(field.clone(), "must be a list"))?;
        for (index, button) in list.iter().enumerate() {
            components.push(button_component(button, index, &format!("{field}/{index}"))?);
        }
    }
    Ok(components)
}

fn written(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

fn body_parameters(variables: &Value, field: &str) -> Result<Vec<Value>, Fault> {
    let wrong = |at: String| bad(at, "must be a text or a number");
    match variables {
        Value::Null => Ok(Vec::new()),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(index, item)| {
                let text = written(item).ok_or_else(|| wrong(format!("{field}/{index}")))?;
                Ok(json!({ "type": "text", "text": text }))
            })
            .collect(),
        Value::Object(items) => items
            .iter()
            .map(|(name, item)| {
                let text = written(item).ok_or_else(|| wrong(format!("{field}/{name}")))?;
                Ok(json!({ "type": "text", "parameter_name": name, "text": text }))
            })
            .collect(),
        _ => Err(bad(field.to_owned(), "must be a list of texts and numbers, or an object of named ones")),
    }
}

fn header_parameter(header: &Value, place: &str) -> Result<Value, Fault> {
    let field = |name: &str| format!("{place}/templateHeader/{name}");
    let kind = header.get("type").and_then(Value::as_str).unwrap_or_default();
    match kind {
        "text" => {
            let text = header
                .get("text")
                .and_then(written)
                .ok_or_else(|| bad(field("text"), "is missing, must be a text"))?;
            let mut parameter = json!({ "type": "text", "text": text });
            if let (Some(name), Some(fields)) =
                (header.get("parameterName").and_then(Value::as_str), parameter.as_object_mut())
            {
                fields.insert("parameter_name".into(), name.into());
            }
            Ok(parameter)
        }
        "image" | "video" | "document" => {
            let url = header.get("url").and_then(Value::as_str);
            let id = header.get("id").and_then(Value::as_str);
            let mut media = match (id, url) {
                (Some(id), _) => json!({ "id": id }),
                (None, Some(url)) => json!({ "link": url }),
                (None, None) => {
                    return Err(bad(field("url"), "is missing, must be the address of the media"));
                }
            };
            if let (Some(name), Some(fields)) =
                (header.get("filename").and_then(Value::as_str), media.as_object_mut())
            {
                fields.insert("filename".into(), name.into());
            }
            Ok(json!({ "type": kind, kind: media }))
        }
        "location" => {
            let location = header.get("location").filter(|location| location.is_object());
            let location = location.ok_or_else(|| bad(field("location"), "is missing, must be an object"))?;
            Ok(json!({ "type": "location", "location": location }))
        }
        _ => Err(bad(field("type"), "must be one of text, image, video, document, location")),
    }
}

fn button_component(button: &Value, position: usize, field: &str) -> Result<Value, Fault> {
    let kind = button.get("type").and_then(Value::as_str).unwrap_or_default();
    let index = button.get("index").and_then(Value::as_u64).unwrap_or(position as u64);
    let value = || {
        button
            .get("value")
            .and_then(written)
            .ok_or_else(|| bad(format!("{field}/value"), "is missing, must be a text"))
    };
    let parameter = match kind {
        "quick_reply" => json!({ "type": "payload", "payload": value()? }),
        "url" => json!({ "type": "text", "text": value()? }),
        "copy_code" => json!({ "type": "coupon_code", "coupon_code": value()? }),
        "flow" => json!({ "type": "action", "action": { "flow_token": value()? } }),
        _ => return Err(bad(format!("{field}/type"), "must be one of quick_reply, url, copy_code, flow")),
    };
    Ok(json!({ "type": "button", "sub_type": kind, "index": index.to_string(), "parameters": [parameter] }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_fill_the_body_by_position_or_by_name() {
        let body = |input| Template::read(&input, "").unwrap().body();
        assert_eq!(
            body(json!({ "templateName": "order", "templateVariablesJson": "[\"Ann\", 7]" })),
            json!({ "type": "template", "template": { "name": "order", "language": { "code": "en_US" }, "components": [
                { "type": "body", "parameters": [{ "type": "text", "text": "Ann" }, { "type": "text", "text": "7" }] }
            ] } })
        );
        assert_eq!(
            body(json!({ "name": "order", "language": { "code": "de" }, "templateVariables": { "who": "Ann" } }))
                .pointer("/template/components/0/parameters/0"),
            Some(&json!({ "type": "text", "parameter_name": "who", "text": "Ann" }))
        );
        assert_eq!(
            body(json!({ "templateName": "plain" })),
            json!({ "type": "template", "template": { "name": "plain", "language": { "code": "en_US" } } })
        );
    }

    #[test]
    fn header_and_buttons_take_their_forms() {
        let template = Template::read(
            &json!({
                "templateName": "t",
                "templateHeader": { "type": "document", "url": "https://files.example/a.pdf", "filename": "a.pdf" },
                "templateButtons": [{ "type": "quick_reply", "value": "yes" }, { "type": "url", "value": "42", "index": 3 }]
            }),
            "",
        );
        assert_eq!(
            template.unwrap().components,
            [
                json!({ "type": "header", "parameters": [{ "type": "document",
                    "document": { "link": "https://files.example/a.pdf", "filename": "a.pdf" } }] }),
                json!({ "type": "button", "sub_type": "quick_reply", "index": "0",
                    "parameters": [{ "type": "payload", "payload": "yes" }] }),
                json!({ "type": "button", "sub_type": "url", "index": "3", "parameters": [{ "type": "text", "text": "42" }] }),
            ]
        );
    }

    #[test]
    fn faults_name_the_field() {
        let field = |input| Template::read(&input, "/input").unwrap_err().field.unwrap();
        assert_eq!(field(json!({})), "/input/templateName");
        assert_eq!(
            field(json!({ "name": "t", "templateVariablesJson": "{" })),
            "/input/templateVariablesJson"
        );
        assert_eq!(
            field(json!({ "name": "t", "templateVariables": ["a", {}] })),
            "/input/templateVariables/1"
        );
        assert_eq!(
            field(json!({ "name": "t", "templateHeader": { "type": "image" } })),
            "/input/templateHeader/url"
        );
        assert_eq!(
            field(json!({ "name": "t", "templateButtons": [{ "type": "x" }] })),
            "/input/templateButtons/0/type"
        );
        assert_eq!(field(json!({ "name": "t", "components": 1 })), "/input/components");
    }
}
