//! Reads a connector's fixtures.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::Method;
use portico_contract::{InboundRequest, InboundResponse, OutboundMessage};
use serde::de::DeserializeOwned;

use crate::sign::{post, set_header};

/// A webhook as a file.
#[derive(Clone, Debug)]
pub struct InboundCase {
    /// File name without its ending.
    pub name: String,
    /// The request, not signed.
    pub request: InboundRequest,
}

/// The folder `fixtures/` of a crate.
///
/// - `inbound/<case>.json`, `.form` or `.txt`: the body. Beside it, optionally, `<case>.headers`: first a
///   line `GET /path?query` where it isn't `POST /`, then lines `name: value`. A case may be `.headers` alone.
///   A case whose name begins with `unreadable_` must give an `unreadable` fault.
/// - `outbound/<case>.json`: an `OutboundMessage`.
/// - `answers/<case>.json`: an `InboundResponse`.
#[derive(Clone, Debug)]
pub struct Fixtures(PathBuf);

impl Fixtures {
    /// The fixtures of a crate: pass `env!("CARGO_MANIFEST_DIR")`.
    pub fn of(crate_dir: &str) -> Self {
        Self(Path::new(crate_dir).join("fixtures"))
    }

    /// Every inbound case, by name.
    pub fn inbound(&self) -> Vec<InboundCase> {
        let mut names: Vec<String> = files(&self.0.join("inbound"), &["json", "form", "txt", "headers"])
            .iter()
            .map(|path| stem(path))
            .collect();
        names.dedup();
        names.into_iter().map(|name| self.inbound_case(&name)).collect()
    }

    /// One inbound case; panics when there is none of that name.
    #[track_caller]
    pub fn inbound_case(&self, name: &str) -> InboundCase {
        let file = |ending: &str| self.0.join("inbound").join(format!("{name}.{ending}"));
        let types = [
            ("json", "application/json"),
            ("form", "application/x-www-form-urlencoded"),
            ("txt", "text/plain; charset=utf-8"),
        ];
        let found = types.iter().find(|(ending, _)| file(ending).exists());
        let mut request = match found {
            Some((ending, media_type)) => {
                let body = bytes_of(&file(ending));
                // Editors end a file with a line break; a form or text does not mean it.
                let body =
                    if *ending == "json" { body } else { Bytes::copy_from_slice(body.trim_ascii_end()) };
                let mut request = post(body);
                set_header(&mut request, "content-type", media_type);
                request
            }
            None => {
                let mut request = post(Bytes::new());
                request.headers.clear();
                request
            }
        };
        if file("headers").exists() {
            read_headers(&mut request, &String::from_utf8_lossy(&bytes_of(&file("headers"))));
        } else {
            assert!(found.is_some(), "no fixture {}", file("json").display());
        }
        InboundCase { name: name.to_owned(), request }
    }

    /// Every outbound case, by name.
    pub fn outbound(&self) -> Vec<(String, OutboundMessage)> {
        files(&self.0.join("outbound"), &["json"]).iter().map(|path| (stem(path), read(path))).collect()
    }

    /// One outbound case; panics when there is none of that name.
    #[track_caller]
    pub fn outbound_case(&self, name: &str) -> OutboundMessage {
        read(&self.0.join("outbound").join(format!("{name}.json")))
    }

    /// A scripted answer; panics when there is none of that name.
    #[track_caller]
    pub fn answer(&self, name: &str) -> InboundResponse {
        read(&self.0.join("answers").join(format!("{name}.json")))
    }

    /// Every scripted answer, by name.
    pub fn answers(&self) -> Vec<(String, InboundResponse)> {
        files(&self.0.join("answers"), &["json"]).iter().map(|path| (stem(path), read(path))).collect()
    }
}

fn read_headers(request: &mut InboundRequest, text: &str) {
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let method = line.split_once(' ').filter(|(method, target)| {
            method.bytes().all(|letter| letter.is_ascii_uppercase()) && target.starts_with('/')
        });
        if let Some((method, target)) = method {
            let (path, query) = target.split_once('?').unwrap_or((target, ""));
            request.method = Method::from_bytes(method.as_bytes()).expect("letters are a method");
            request.path = path.into();
            request.query = query.to_owned();
            continue;
        }
        let (name, value) = line
            .split_once(':')
            .unwrap_or_else(|| panic!("'{line}' is neither 'name: value' nor 'GET /path?query'"));
        set_header(request, name.trim(), value.trim());
    }
}

fn files(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    found.retain(|path| {
        path.extension().and_then(|ending| ending.to_str()).is_some_and(|ending| endings.contains(&ending))
    });
    found.sort();
    found
}

fn stem(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

fn bytes_of(path: &Path) -> Bytes {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).into()
}

fn read<T: DeserializeOwned>(path: &Path) -> T {
    serde_json::from_slice(&bytes_of(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
