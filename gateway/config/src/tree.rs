//! TOML as a tree whose every value knows its line.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::Fault;

/// Keys of a table with their values.
pub(crate) type Table = BTreeMap<String, Node>;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) value: Value,
    /// Line of the key, from 1.
    pub(crate) line: usize,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    List(Vec<Node>),
    Table(Table),
}

impl Value {
    /// Kind of value, for fault messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Integer(_) => "a whole number",
            Self::Float(_) => "a number",
            Self::Boolean(_) => "true or false",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

impl Node {
    /// The value as JSON. Numbers that JSON lacks (infinity) become null.
    pub(crate) fn to_json(&self) -> Json {
        match &self.value {
            Value::Text(text) => Json::from(text.as_str()),
            Value::Integer(number) => Json::from(*number),
            Value::Float(number) => Json::from(*number),
            Value::Boolean(flag) => Json::from(*flag),
            Value::List(items) => Json::Array(items.iter().map(Self::to_json).collect()),
            Value::Table(table) => {
                Json::Object(table.iter().map(|(key, node)| (key.clone(), node.to_json())).collect())
            }
        }
    }
}

/// Reads TOML.
///
/// # Errors
/// Each place where it is not TOML, with its line.
pub(crate) fn read(text: &str) -> Result<Table, Vec<Fault>> {
    let lines = Lines::new(text);
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut faults: Vec<Fault> = errors
        .iter()
        .map(|error| {
            let line = error.span().map(|span| lines.at(span.start));
            // The parser's sentence is about syntax; it does not repeat values.
            Fault::new("file", format!("is not TOML here: {}", error.message().trim()), "mend the line")
                .at(line)
        })
        .collect();
    let table = convert_table(root.get_ref(), &lines, "", &mut faults);
    if faults.is_empty() { Ok(table) } else { Err(faults) }
}

fn convert_table(table: &DeTable<'_>, lines: &Lines, path: &str, faults: &mut Vec<Fault>) -> Table {
    let mut out = Table::new();
    for (key, value) in table {
        let name = key.get_ref().to_string();
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        if let Some(node) = convert(value, lines.at(key.span().start), lines, &path, faults) {
            out.insert(name, node);
        }
    }
    out
}

fn convert(
    value: &Spanned<DeValue<'_>>,
    line: usize,
    lines: &Lines,
    path: &str,
    faults: &mut Vec<Fault>,
) -> Option<Node> {
    let mut wrong = |what: &str, mend: &str| {
        // A key that is missing altogether has no name to show.
        let path = if path.is_empty() { "file" } else { path };
        faults.push(Fault::new(path, what, mend).at(Some(line)));
        None
    };
    let value = match value.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Boolean(flag) => Value::Boolean(*flag),
        DeValue::Integer(number) => {
            match i64::from_str_radix(&number.as_str().replace('_', ""), number.radix()) {
                Ok(number) => Value::Integer(number),
                Err(_) => return wrong("the number is too large", "stay below 2^63"),
            }
        }
        DeValue::Float(number) => match number.as_str().replace('_', "").parse() {
            Ok(number) => Value::Float(number),
            Err(_) => return wrong("the number can't be read", "write it like 0.5"),
        },
        DeValue::Datetime(_) => return wrong("no option is a date", "write a text in quotes"),
        DeValue::Array(items) => Value::List(
            items
                .iter()
                .enumerate()
                .filter_map(|(index, item)| {
                    convert(item, lines.at(item.span().start), lines, &format!("{path}[{index}]"), faults)
                })
                .collect(),
        ),
        DeValue::Table(table) => Value::Table(convert_table(table, lines, path, faults)),
    };
    Some(Node { value, line })
}

/// Byte offset to line number.
struct Lines(Vec<usize>);

impl Lines {
    fn new(text: &str) -> Self {
        Self(text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect())
    }

    fn at(&self, offset: usize) -> usize {
        self.0.partition_point(|newline| *newline < offset) + 1
    }
}
