//! Every dependency has a licence that `deny.toml` takes; checked here too, so that it needs no tool.

use std::collections::BTreeSet;

use crate::{metadata, read};

#[test]
fn every_dependency_has_a_licence_that_is_taken() {
    let deny = read("deny.toml");
    let start = deny.find("allow = [").unwrap();
    let taken: BTreeSet<&str> =
        deny[start..start + deny[start..].find(']').unwrap()].split('"').skip(1).step_by(2).collect();
    let metadata = metadata(true);
    let mut wrong = Vec::new();
    for package in metadata["packages"].as_array().unwrap() {
        let expression = package["license"].as_str().unwrap_or("none stated").replace('/', " OR ");
        // An expression is taken when one of its alternatives is, all of whose parts are.
        let fits = expression.split(" OR ").any(|alternative| {
            alternative.split(" AND ").all(|part| taken.contains(part.trim().trim_matches(['(', ')'])))
        });
        if !fits {
            wrong.push(format!("{}: {expression}", package["name"]));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
