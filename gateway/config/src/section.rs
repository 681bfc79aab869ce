//! Reading options one by one: environment before file before defaults, every fault noted, nothing thrown.
//!
//! A getter gives nothing after a fault; its caller puts a stand-in there, which nobody sees because
//! [`Loader::into_result`] then gives the faults.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value as Json;

use crate::Fault;
use crate::fault::{list, nearest};
use crate::reader::{Loader, PREFIX};
use crate::tree::{Node, Table, Value};
use crate::units::{self, Rate};

/// A value on its way into a typed option.
pub(crate) struct Found {
    pub(crate) value: Value,
    pub(crate) line: Option<usize>,
    /// Whether it came from a variable: then never repeated in messages, and read as any type.
    pub(crate) loose: bool,
}

impl Found {
    fn show(&self) -> String {
        match &self.value {
            _ if self.loose => "the variable's value".into(),
            Value::Text(text) if text.chars().count() <= 60 => format!("'{text}'"),
            Value::Integer(number) => number.to_string(),
            Value::Float(number) => number.to_string(),
            Value::Boolean(flag) => flag.to_string(),
            other => other.kind().into(),
        }
    }
}

/// A table of options.
pub(crate) struct Section<'a> {
    pub(crate) loader: &'a Loader<'a>,
    pub(crate) path: String,
    line: Option<usize>,
    defaults: Option<&'a Table>,
    file: Option<&'a Table>,
    seen: RefCell<BTreeSet<String>>,
}

impl<'a> Section<'a> {
    /// The file itself.
    pub(crate) fn root(loader: &'a Loader<'a>, defaults: &'a Table, file: &'a Table) -> Self {
        Self {
            loader,
            path: String::new(),
            line: None,
            defaults: Some(defaults),
            file: Some(file),
            seen: RefCell::default(),
        }
    }

    pub(crate) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Says that a key is no misspelling, though nothing reads it.
    pub(crate) fn known(&self, key: &str) {
        self.saw(key);
    }

    fn saw(&self, key: &str) {
        self.seen.borrow_mut().insert(key.to_owned());
    }

    pub(crate) fn fault(&self, key: &str, what: impl Into<String>, mend: impl Into<String>) {
        let path = self.path_of(key);
        let line = self.file.and_then(|file| file.get(key)).map(|node| node.line).or(self.line);
        self.loader.fault(Fault::new(path, what, mend).at(line));
    }

    /// The table under a key; an empty one when there is none.
    pub(crate) fn section(&self, key: &str) -> Section<'a> {
        self.saw(key);
        let node = self.file.and_then(|file| file.get(key));
        let file = match node.map(|node| &node.value) {
            Some(Value::Table(table)) => Some(table),
            Some(other) => {
                let path = self.path_of(key);
                self.fault(key, format!("is {}, not a table", other.kind()), format!("write [{path}]"));
                None
            }
            None => None,
        };
        let defaults = match self.defaults.and_then(|table| table.get(key)).map(|node| &node.value) {
            Some(Value::Table(table)) => Some(table),
            _ => None,
        };
        Section {
            loader: self.loader,
            path: self.path_of(key),
            line: node.map(|node| node.line),
            defaults,
            file,
            seen: RefCell::default(),
        }
    }

    /// The tables under freely chosen names.
    pub(crate) fn named(&self) -> Vec<(String, Section<'a>)> {
        let names: Vec<String> = self.file.into_iter().flat_map(|file| file.keys().cloned()).collect();
        names.into_iter().map(|name| (name.clone(), self.section(&name))).collect()
    }

    /// The keys that the operator wrote.
    pub(crate) fn keys(&self) -> Vec<String> {
        self.file.into_iter().flat_map(|file| file.keys().cloned()).collect()
    }

    /// Notes every key that no getter asked for.
    pub(crate) fn finish(&self) {
        let seen = self.seen.borrow();
        for (key, node) in self.file.into_iter().flatten() {
            if seen.contains(key) {
                continue;
            }
            let mend = match nearest(key, seen.iter().map(String::as_str)) {
                Some(near) => format!("did you mean '{near}'?"),
                None => format!("known here: {}", list(seen.iter().map(String::as_str))),
            };
            self.loader.fault(Fault::new(self.path_of(key), "no such option", mend).at(Some(node.line)));
        }
    }

    fn variable_name(&self, key: &str) -> String {
        let path = self.path_of(key).replace('.', "__");
        let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
        PREFIX.chars().chain(path.chars().map(plain)).collect()
    }

    /// The value of a key, wherever it comes from; faults in references are noted.
    pub(crate) fn find(&self, key: &str) -> Option<Found> {
        self.find_as(key, key)
    }

    /// As [`Section::find`], for a key that the operator may have written in another spelling.
    pub(crate) fn find_as(&self, key: &str, written: &str) -> Option<Found> {
        self.saw(key);
        self.saw(written);
        if let Some(value) = self.loader.variable(&self.variable_name(key)) {
            return Some(Found { value: Value::Text(value), line: None, loose: true });
        }
        if let Some(node) = self.file.and_then(|file| file.get(written)) {
            let mut node = node.clone();
            return match self.fill(written, &mut node) {
                Ok(filled) => Some(Found { value: node.value, line: Some(node.line), loose: filled }),
                Err(()) => None,
            };
        }
        let node = self.defaults.and_then(|table| table.get(key))?;
        Some(Found { value: node.value.clone(), line: None, loose: false })
    }

    /// Replaces references in a value and all below it; says whether there was one.
    fn fill(&self, key: &str, node: &mut Node) -> Result<bool, ()> {
        match &mut node.value {
            Value::Text(text) if text.contains("${") => match self.loader.fill(text) {
                Ok(filled) => {
                    *text = filled;
                    Ok(true)
                }
                Err((what, mend)) => {
                    self.loader.fault(Fault::new(self.path_of(key), what, mend).at(Some(node.line)));
                    Err(())
                }
            },
            Value::List(items) => {
                let all: Vec<_> = items.iter_mut().map(|item| self.fill(key, item)).collect();
                all.into_iter().try_fold(false, |any, one| Ok(any | one?))
            }
            Value::Table(table) => {
                let all: Vec<_> = table
                    .iter_mut()
                    .map(|(inner, node)| self.fill(&format!("{key}.{inner}"), node))
                    .collect();
                all.into_iter().try_fold(false, |any, one| Ok(any | one?))
            }
            _ => Ok(false),
        }
    }

    /// An option in any type. `None` when it is not there or faulty; the fault is noted.
    fn typed<T>(&self, key: &str, expected: &str, read: impl FnOnce(&Found) -> Option<T>) -> Option<T> {
        let found = self.find(key)?;
        let value = read(&found);
        if value.is_none() {
            let fault = Fault::new(self.path_of(key), format!("{} is not right", found.show()), expected);
            self.loader.fault(fault.at(found.line));
        }
        value
    }

    /// Notes that an option must be there, unless a fault says why it is not.
    pub(crate) fn required<T>(&self, key: &str, value: Option<T>, mend: &str) -> Option<T> {
        if value.is_none() && !self.loader.faulty(&self.path_of(key)) {
            self.fault(key, "is missing", mend);
        }
        value
    }

    /// An option that always has a value; a stand-in after a fault.
    pub(crate) fn or<T>(&self, key: &str, value: Option<T>, stand_in: T) -> T {
        self.required(key, value, "give it a value").unwrap_or(stand_in)
    }

    pub(crate) fn text(&self, key: &str) -> Option<String> {
        self.typed(key, "write a text in quotes", |found| match &found.value {
            Value::Text(text) if !text.trim().is_empty() => Some(text.clone()),
            _ => None,
        })
    }

    pub(crate) fn flag(&self, key: &str) -> Option<bool> {
        self.typed(key, "write true or false", |found| match &found.value {
            Value::Boolean(flag) => Some(*flag),
            Value::Text(text) if found.loose => text.trim().parse().ok(),
            _ => None,
        })
    }

    pub(crate) fn number(&self, key: &str, lowest: u64, highest: u64) -> Option<u64> {
        let expected = format!("write a whole number from {lowest} to {highest}");
        self.typed(key, &expected, |found| {
            let number = match &found.value {
                Value::Integer(number) => u64::try_from(*number).ok(),
                Value::Text(text) if found.loose => text.trim().replace('_', "").parse().ok(),
                _ => None,
            };
            number.filter(|number| (lowest..=highest).contains(number))
        })
    }

    pub(crate) fn size(&self, key: &str, lowest: u64, highest: u64) -> Option<u64> {
        let (least, most) = (units::show_bytes(lowest), units::show_bytes(highest));
        self.typed(key, &format!("write a size like \"64KiB\", from {least} to {most}"), |found| {
            let size = match &found.value {
                Value::Integer(number) => u64::try_from(*number).ok(),
                Value::Text(text) => units::bytes(text),
                _ => None,
            };
            size.filter(|size| (lowest..=highest).contains(size))
        })
    }

    pub(crate) fn duration(&self, key: &str, lowest: Duration, highest: Duration) -> Option<Duration> {
        let (least, most) = (units::show_duration(lowest), units::show_duration(highest));
        self.typed(key, &format!("write a time like \"15s\", from {least} to {most}"), |found| {
            match &found.value {
                Value::Text(text) => units::duration(text).filter(|time| (lowest..=highest).contains(time)),
                _ => None,
            }
        })
    }

    pub(crate) fn rate(&self, key: &str) -> Option<Rate> {
        let expected = "write a rate like \"100/s\", \"30/min\" or \"1000/s burst 5000\"";
        self.typed(key, expected, |found| match &found.value {
            Value::Text(text) => units::rate(text),
            _ => None,
        })
    }

    pub(crate) fn choice<T: Copy>(&self, key: &str, choices: &[(&str, T)]) -> Option<T> {
        let names: Vec<String> = choices.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        let one_of = if names.len() > 1 { "one of " } else { "" };
        self.typed(key, &format!("write {one_of}{}", names.join(", ")), |found| match &found.value {
            Value::Text(text) => choices.iter().find(|(name, _)| name == text).map(|(_, choice)| *choice),
            _ => None,
        })
    }

    /// A value that its type can read from text.
    pub(crate) fn parsed<T: std::str::FromStr>(&self, key: &str, expected: &str) -> Option<T> {
        self.typed(key, expected, |found| match &found.value {
            Value::Text(text) => text.trim().parse().ok(),
            _ => None,
        })
    }

    /// A list of texts; one text alone is a list of one, and a variable's value is split at commas.
    pub(crate) fn texts<T>(
        &self,
        key: &str,
        expected: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Option<Vec<T>> {
        let found = self.find(key)?;
        let items: Vec<Node> = match found.value {
            Value::List(items) => items,
            Value::Text(text) if found.loose => {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                items.map(|item| Node { value: Value::Text(item.to_owned()), line: 0 }).collect()
            }
            other => vec![Node { value: other, line: found.line.unwrap_or_default() }],
        };
        let alone = items.len() == 1;
        let mut texts = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            let text = match &item.value {
                Value::Text(text) => read(text),
                _ => None,
            };
            match text {
                Some(text) => texts.push(text),
                None => {
                    let path =
                        if alone { self.path_of(key) } else { format!("{}[{index}]", self.path_of(key)) };
                    let item =
                        Found { value: item.value, line: found.line.map(|_| item.line), loose: found.loose };
                    let what = format!("{} is not right", item.show());
                    self.loader.fault(Fault::new(path, what, expected).at(item.line));
                }
            }
        }
        Some(texts)
    }

    /// An option of any shape, as JSON, and whether it came from a variable, so that any text in it may stand
    /// for a number or a flag.
    pub(crate) fn json(&self, key: &str, written: &str) -> Option<(Json, bool)> {
        let found = self.find_as(key, written)?;
        Some((Node { value: found.value, line: 0 }.to_json(), found.loose))
    }
}
