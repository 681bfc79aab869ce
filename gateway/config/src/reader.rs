//! Reading options one by one: environment before file before defaults, every fault noted, nothing thrown.
//!
//! A getter always returns something: after a fault a stand-in, which nobody sees because
//! [`Loader::into_result`] then gives the faults.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;
use serde_json::Value as Json;

use crate::fault::{list, nearest};
use crate::tree::{self, Node, Table, Value};
use crate::units::{self, Rate};
use crate::{DEFAULTS, Environment, Fault, Faults};

/// Prefix of variables that stand for options.
const PREFIX: &str = "PORTICO_";

/// Largest file that a secret may come from.
const SECRET_FILE: u64 = 64 * 1024;

pub(crate) struct Loader<'e> {
    env: &'e dyn Environment,
    folder: PathBuf,
    defaults: Table,
    file: Table,
    faults: RefCell<Vec<Fault>>,
    /// Variables that were asked for, set or not.
    asked: RefCell<BTreeSet<String>>,
}

impl<'e> Loader<'e> {
    pub(crate) fn new(text: &str, folder: PathBuf, env: &'e dyn Environment) -> Result<Self, Faults> {
        let defaults = tree::read(DEFAULTS).map_err(Faults)?;
        let file = tree::read(text).map_err(Faults)?;
        Ok(Self { env, folder, defaults, file, faults: RefCell::default(), asked: RefCell::default() })
    }

    pub(crate) fn root(&self) -> Section<'_> {
        Section {
            loader: self,
            path: String::new(),
            line: None,
            defaults: Some(&self.defaults),
            file: Some(&self.file),
            seen: RefCell::default(),
        }
    }

    pub(crate) fn fault(&self, fault: Fault) {
        self.faults.borrow_mut().push(fault);
    }

    /// Whether a fault was noted at or below this path, so that a check on top of it would only confuse.
    pub(crate) fn faulty(&self, path: &str) -> bool {
        self.faults.borrow().iter().any(|fault| {
            fault.path.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        })
    }

    /// Line of a key in the operator's file.
    pub(crate) fn line_of(&self, path: &str) -> Option<usize> {
        let mut table = &self.file;
        let mut line = None;
        for key in path.split('.') {
            let Some(node) = table.get(key) else { return line };
            line = Some(node.line);
            match &node.value {
                Value::Table(inner) => table = inner,
                _ => return line,
            }
        }
        line
    }

    /// Variables of our form that no option answers to.
    pub(crate) fn unused_variables(&self) {
        let asked = self.asked.borrow();
        for name in self.env.names() {
            if !name.starts_with(PREFIX) || !name.contains("__") || asked.contains(&name) {
                continue;
            }
            let mend = match nearest(&name, asked.iter().map(String::as_str)) {
                Some(near) => format!("did you mean {near}?"),
                None => "remove it, or see config/README.md for how options are named".into(),
            };
            self.fault(Fault::new(name, "no option has this name", mend));
        }
    }

    pub(crate) fn into_result<T>(self, value: T) -> Result<T, Faults> {
        let mut faults = self.faults.into_inner();
        if faults.is_empty() {
            return Ok(value);
        }
        faults.sort_by_key(|fault| fault.line.unwrap_or(usize::MAX));
        let mut noted: Vec<Fault> = Vec::with_capacity(faults.len());
        for fault in faults {
            if !noted.contains(&fault) {
                noted.push(fault);
            }
        }
        Err(Faults(noted))
    }

    /// A path as written in the file: relative ones start at its folder.
    pub(crate) fn file_path(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.asked.borrow_mut().insert(name.to_owned());
        self.env.get(name)
    }

    /// Replaces `${NAME}`; `$${` stands for `${`. The error is a fault's text.
    fn fill(&self, text: &str) -> Result<String, (String, String)> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            let (before, after) = rest.split_at(at);
            if let Some(kept) = before.strip_suffix('$') {
                out.push_str(kept);
                out.push_str("${");
                rest = after.strip_prefix("${").unwrap_or_default();
                continue;
            }
            out.push_str(before);
            let inner = after.strip_prefix("${").unwrap_or_default();
            let Some((name, tail)) = inner.split_once('}') else {
                return Err((
                    "'${' has no '}'".into(),
                    "close it, or write $${ for the characters themselves".into(),
                ));
            };
            if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                return Err((
                    "the name between '${' and '}' is no variable name".into(),
                    "use letters, digits and underscores, or write $${ for the characters themselves".into(),
                ));
            }
            match self.variable(name) {
                Some(value) => out.push_str(&value),
                None => {
                    return Err((
                        format!("variable {name} is not set"),
                        "set it before starting Portico".into(),
                    ));
                }
            }
            rest = tail;
        }
        out.push_str(rest);
        Ok(out)
    }
}

/// A value on its way into a typed option.
pub(crate) struct Found {
    pub(crate) value: Value,
    pub(crate) line: Option<usize>,
    /// Whether it came from a variable: then never repeated in messages, and read as any type.
    loose: bool,
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
    fn find_as(&self, key: &str, written: &str) -> Option<Found> {
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

    /// One secret, or several with the newest first: texts or `file:` references.
    pub(crate) fn secrets(&self, key: &str) -> Option<Vec<SecretString>> {
        self.secrets_as(key, key)
    }

    /// As [`Section::secrets`], for a key that the operator may have written in another spelling.
    pub(crate) fn secrets_as(&self, key: &str, written: &str) -> Option<Vec<SecretString>> {
        let found = self.find_as(key, written)?;
        let texts: Option<Vec<&str>> = match &found.value {
            Value::Text(text) => Some(vec![text.as_str()]),
            Value::List(items) => items
                .iter()
                .map(|item| match &item.value {
                    Value::Text(text) => Some(text.as_str()),
                    _ => None,
                })
                .collect(),
            _ => None,
        };
        let wrong = |what: &str| {
            let mend = "write \"${VARIABLE}\", \"file:/path\" or a list of these, newest first";
            self.loader.fault(Fault::new(self.path_of(written), what, mend).at(found.line));
        };
        let Some(texts) = texts.filter(|texts| !texts.is_empty()) else {
            wrong(&format!("is {}, not a secret", found.value.kind()));
            return None;
        };
        let mut secrets = Vec::with_capacity(texts.len());
        for text in texts {
            match self.secret(text) {
                Ok(secret) => secrets.push(secret),
                Err(what) => {
                    wrong(&what);
                    return None;
                }
            }
        }
        Some(secrets)
    }

    fn secret(&self, text: &str) -> Result<SecretString, String> {
        let value = match text.strip_prefix("file:") {
            Some(path) => read_secret(&self.loader.folder.join(Path::new(path)))?,
            None => text.to_owned(),
        };
        if value.is_empty() { Err("the secret is empty".into()) } else { Ok(SecretString::from(value)) }
    }
}

fn read_secret(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let unread = |error: std::io::Error| format!("file {shown} can't be read: {error}");
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(unread)?;
    // Its stated size is no bound: a device has none.
    file.take(SECRET_FILE + 1).read_to_string(&mut text).map_err(unread)?;
    if text.len() as u64 > SECRET_FILE {
        return Err(format!("file {shown} is too large for a secret"));
    }
    // Editors and `echo` end files with a line break, which is no part of the secret.
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}
