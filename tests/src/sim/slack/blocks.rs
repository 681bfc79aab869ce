//! The limits of Block Kit, as `invalid_blocks` with a JSON pointer for each fault.
//!
//! Source: docs.slack.dev, "Block Kit" reference, pages of blocks, elements and composition objects (2026).

use std::collections::HashSet;

use serde_json::Value;

use super::answer::{Refused, refused};

/// Most characters of the blocks' JSON before `msg_blocks_too_long` (bolt-js, issue 2509).
const JSON_MAX: usize = 13_200;

/// Checks the `blocks` of one message.
pub(super) fn check(blocks: &Value) -> Result<(), Refused> {
    let Some(list) = blocks.as_array() else {
        return Err(refused("invalid_blocks_format"));
    };
    let mut faults = Faults::default();
    if list.len() > 50 {
        faults.add("no more than 50 items allowed", "/blocks");
    }
    let mut block_ids = HashSet::new();
    for (index, block) in list.iter().enumerate() {
        let at = format!("/blocks/{index}");
        check_block(block, &at, &mut faults);
        if let Some(id) = block.get("block_id").and_then(Value::as_str)
            && !block_ids.insert(id)
        {
            faults.add("block_id must be unique", &format!("{at}/block_id"));
        }
    }
    if !faults.0.is_empty() {
        return Err(Refused::Error("invalid_blocks".to_owned(), faults.0));
    }
    let markdown: usize = list
        .iter()
        .filter(|block| kind(block) == "markdown")
        .filter_map(|block| block.get("text").and_then(Value::as_str))
        .map(|text| text.chars().count())
        .sum();
    if markdown > 12_000 {
        return Err(refused("msg_too_long"));
    }
    if markdown == 0 && blocks.to_string().chars().count() > JSON_MAX {
        return Err(refused("msg_blocks_too_long"));
    }
    Ok(())
}

#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn add(&mut self, what: &str, at: &str) {
        self.0.push(format!("[ERROR] {what} [json-pointer:{at}]"));
    }

    /// A text field: present if `required`, of 1 to `max` characters.
    fn text(&mut self, object: &Value, name: &str, max: usize, required: bool, at: &str) {
        match object.get(name) {
            None if required => self.add(&format!("missing required field: {name}"), at),
            None => {}
            Some(Value::String(text)) => self.length(text, max, &format!("{at}/{name}")),
            Some(_) => self.add("must be a string", &format!("{at}/{name}")),
        }
    }

    fn length(&mut self, text: &str, max: usize, at: &str) {
        let length = text.chars().count();
        if length > max {
            self.add(&format!("must be less than {} characters", max + 1), at);
        }
        if length == 0 {
            self.add("must be more than 0 characters", at);
        }
    }

    /// A text object: `plain_text`, or also `mrkdwn` where `mrkdwn` is allowed.
    fn text_object(
        &mut self,
        object: &Value,
        name: &str,
        max: usize,
        mrkdwn: bool,
        required: bool,
        at: &str,
    ) {
        let here = format!("{at}/{name}");
        match object.get(name) {
            None if required => self.add(&format!("missing required field: {name}"), at),
            None => {}
            Some(value) => self.text_value(value, max, mrkdwn, &here),
        }
    }

    fn text_value(&mut self, value: &Value, max: usize, mrkdwn: bool, at: &str) {
        match kind(value) {
            "plain_text" => {
                if value.get("verbatim").is_some() {
                    self.add("invalid additional property: verbatim", at);
                }
            }
            "mrkdwn" if mrkdwn => {
                if value.get("emoji").is_some() {
                    self.add("invalid additional property: emoji", at);
                }
            }
            other => self.add(&format!("unsupported type: {other}"), &format!("{at}/type")),
        }
        self.text(value, "text", max, true, at);
    }

    fn url(&mut self, object: &Value, name: &str, required: bool, at: &str) {
        self.text(object, name, 3000, required, at);
        if let Some(text) = object.get(name).and_then(Value::as_str) {
            let ok = url::Url::parse(text)
                .is_ok_and(|url| matches!(url.scheme(), "http" | "https" | "mailto" | "tel"));
            if !ok {
                self.add("must be a valid URL", &format!("{at}/{name}"));
            }
        }
    }

    fn count(&mut self, list: &[Value], min: usize, max: usize, at: &str) {
        if list.len() > max {
            self.add(&format!("no more than {max} items allowed"), at);
        }
        if list.len() < min {
            self.add(&format!("no fewer than {min} items allowed"), at);
        }
    }
}

fn kind(value: &Value) -> &str {
    value.get("type").and_then(Value::as_str).unwrap_or_default()
}

fn list<'v>(object: &'v Value, name: &str) -> &'v [Value] {
    object.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn check_block(block: &Value, at: &str, faults: &mut Faults) {
    faults.text(block, "block_id", 255, false, at);
    match kind(block) {
        "section" => {
            let fields = list(block, "fields");
            if block.get("text").is_none() && fields.is_empty() {
                faults.add("missing required field: text", at);
            }
            faults.text_object(block, "text", 3000, true, false, at);
            faults.count(fields, 0, 10, &format!("{at}/fields"));
            for (index, field) in fields.iter().enumerate() {
                faults.text_value(field, 2000, true, &format!("{at}/fields/{index}"));
            }
            if let Some(accessory) = block.get("accessory") {
                check_element(accessory, &format!("{at}/accessory"), faults);
            }
        }
        "header" => faults.text_object(block, "text", 150, false, true, at),
        "image" => check_image(block, at, faults),
        "actions" => {
            let elements = list(block, "elements");
            faults.count(elements, 1, 25, &format!("{at}/elements"));
            let mut ids = HashSet::new();
            for (index, element) in elements.iter().enumerate() {
                let here = format!("{at}/elements/{index}");
                check_element(element, &here, faults);
                if kind(element) == "image" {
                    faults.add("unsupported type: image", &format!("{here}/type"));
                }
                if let Some(id) = element.get("action_id").and_then(Value::as_str)
                    && !ids.insert(id)
                {
                    faults.add(&format!("action_id `{id}` already exists"), &format!("{here}/action_id"));
                }
            }
        }
        "context" => {
            let elements = list(block, "elements");
            faults.count(elements, 1, 10, &format!("{at}/elements"));
            for (index, element) in elements.iter().enumerate() {
                let here = format!("{at}/elements/{index}");
                if kind(element) == "image" {
                    check_image(element, &here, faults);
                } else {
                    faults.text_value(element, 3000, true, &here);
                }
            }
        }
        "markdown" => faults.text(block, "text", 12_000, true, at),
        "input" => {
            faults.text_object(block, "label", 2000, false, true, at);
            match block.get("element") {
                Some(element) => check_element(element, &format!("{at}/element"), faults),
                None => faults.add("missing required field: element", at),
            }
        }
        "video" => {
            faults.url(block, "video_url", true, at);
            faults.url(block, "thumbnail_url", true, at);
            faults.text(block, "alt_text", 2000, true, at);
            faults.text_object(block, "title", 199, false, true, at);
        }
        "table" => faults.count(list(block, "rows"), 1, 100, &format!("{at}/rows")),
        "rich_text" => faults.count(list(block, "elements"), 1, usize::MAX, &format!("{at}/elements")),
        "divider" | "file" | "context_actions" => {}
        other => faults.add(&format!("unsupported type: {other}"), &format!("{at}/type")),
    }
}

fn check_image(image: &Value, at: &str, faults: &mut Faults) {
    if image.get("slack_file").is_none() {
        faults.url(image, "image_url", true, at);
    }
    faults.text(image, "alt_text", 2000, true, at);
    faults.text_object(image, "title", 2000, false, false, at);
}

fn check_element(element: &Value, at: &str, faults: &mut Faults) {
    if kind(element) == "image" {
        return check_image(element, at, faults);
    }
    faults.text(element, "action_id", 255, false, at);
    match kind(element) {
        "button" => {
            faults.text_object(element, "text", 75, false, true, at);
            faults.text(element, "value", 2000, false, at);
            faults.url(element, "url", false, at);
            if let Some(style) = element.get("style")
                && style != "primary"
                && style != "danger"
            {
                faults.add("must be one of: primary, danger", &format!("{at}/style"));
            }
        }
        "static_select" | "multi_static_select" => {
            faults.text_object(element, "placeholder", 150, false, false, at);
            check_options(element, 1, 100, at, faults);
            let groups = list(element, "option_groups");
            faults.count(groups, 0, 100, &format!("{at}/option_groups"));
            for (index, group) in groups.iter().enumerate() {
                let here = format!("{at}/option_groups/{index}");
                faults.text_object(group, "label", 75, false, true, &here);
                check_options(group, 1, 100, &here, faults);
            }
        }
        "overflow" => check_options(element, 1, 5, at, faults),
        "radio_buttons" | "checkboxes" => check_options(element, 1, 10, at, faults),
        "users_select"
        | "conversations_select"
        | "channels_select"
        | "external_select"
        | "multi_users_select"
        | "multi_conversations_select"
        | "multi_channels_select"
        | "multi_external_select"
        | "datepicker"
        | "timepicker"
        | "plain_text_input" => {
            faults.text_object(element, "placeholder", 150, false, false, at);
        }
        "datetimepicker" | "workflow_button" | "email_text_input" | "url_text_input" | "number_input"
        | "rich_text_input" | "file_input" | "feedback_buttons" | "icon_button" => {}
        other => faults.add(&format!("unsupported type: {other}"), &format!("{at}/type")),
    }
}

fn check_options(element: &Value, min: usize, max: usize, at: &str, faults: &mut Faults) {
    if element.get("options").is_none() && element.get("option_groups").is_some() {
        return;
    }
    let options = list(element, "options");
    faults.count(options, min, max, &format!("{at}/options"));
    for (index, option) in options.iter().enumerate() {
        let here = format!("{at}/options/{index}");
        faults.text_object(option, "text", 75, true, true, &here);
        faults.text(option, "value", 150, true, &here);
        faults.text_object(option, "description", 75, true, false, &here);
    }
}
