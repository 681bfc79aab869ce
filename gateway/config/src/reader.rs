//! The three layers (defaults, file, environment) and the list of faults, while a configuration is read.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::fault::nearest;
use crate::section::Section;
use crate::tree::{self, Table, Value};
use crate::{DEFAULTS, Environment, Fault, Faults};

/// Prefix of variables that stand for options.
pub(crate) const PREFIX: &str = "PORTICO_";

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
        Section::root(self, &self.defaults, &self.file)
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

    /// A variable's value; that it was asked for is remembered.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        self.asked.borrow_mut().insert(name.to_owned());
        self.env.get(name)
    }

    /// Replaces `${NAME}`; `$${` stands for `${`. The error is a fault's text.
    pub(crate) fn fill(&self, text: &str) -> Result<String, (String, String)> {
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
