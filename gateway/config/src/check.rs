//! Faults between sections: what is right alone and wrong together.

use std::collections::BTreeMap;

use secrecy::ExposeSecret;

use crate::fault::{list, nearest};
use crate::reader::Loader;
use crate::{Checked, Fault};

pub(crate) fn between_sections(loader: &Loader<'_>, checked: &mut Checked) {
    let note = |path: &str, what: String, mend: String| {
        loader.fault(Fault::new(path, what, mend).at(loader.line_of(path)));
    };
    let server = &checked.server;
    // Port 0 is chosen anew for each listener, so two of them never meet.
    let one_port = server.listen.port() == server.admin_listen.port() && server.listen.port() != 0;
    let (here, there) = (server.listen.ip(), server.admin_listen.ip());
    let meets = here == there || here.is_unspecified() || there.is_unspecified();
    if one_port && meets && !loader.faulty("server.listen") && !loader.faulty("server.admin_listen") {
        let mend = "give it a port of its own".to_owned();
        note(
            "server.admin_listen",
            format!("clashes with server.listen at port {}", here_port(checked)),
            mend,
        );
    }
    if checked.limits.edge.connections_per_address > checked.limits.edge.connections {
        let mend = "make it at most limits.edge.connections".to_owned();
        note("limits.edge.connections_per_address", "is above all connections together".into(), mend);
    }
    unknown_bots(loader, checked, &note);
    equal_aliases(checked, &note);
    equal_tokens(checked, &note);
}

fn here_port(checked: &Checked) -> u16 {
    checked.server.listen.port()
}

fn unknown_bots(loader: &Loader<'_>, checked: &Checked, note: &dyn Fn(&str, String, String)) {
    for (id, installation) in &checked.installations {
        let path = format!("installations.{id}.bot");
        if checked.bots.contains_key(&installation.bot) || loader.faulty(&path) {
            continue;
        }
        let names = || checked.bots.keys().map(String::as_str);
        let mend = match nearest(&installation.bot, names()) {
            Some(near) => format!("did you mean '{near}'?"),
            None if checked.bots.is_empty() => format!("add [bots.{}]", installation.bot),
            None => format!("there are: {}", list(names())),
        };
        note(&path, format!("there is no bot '{}'", installation.bot), mend);
    }
}

/// Tags and events are told apart by their alias, so that of two installations of one bot must differ.
fn equal_aliases(checked: &Checked, note: &dyn Fn(&str, String, String)) {
    let mut first = BTreeMap::new();
    for (id, installation) in &checked.installations {
        if installation.connector.is_empty() {
            continue;
        }
        let key = (installation.bot.as_str(), installation.alias.as_str());
        if let Some(other) = first.insert(key, id) {
            note(
                &format!("installations.{id}.alias"),
                format!("is '{}', as for installation '{other}' of the same bot", installation.alias),
                "write an alias of its own, such as alias = \"shop\"".into(),
            );
        }
    }
}

/// A token names its bot, and an admin token opens everything: no two may be equal.
fn equal_tokens(checked: &Checked, note: &dyn Fn(&str, String, String)) {
    let mut owners: BTreeMap<&str, String> = BTreeMap::new();
    let admin = checked.admin.tokens.iter().map(|token| ("admin".to_owned(), token));
    let bots = checked
        .bots
        .iter()
        .flat_map(|(id, bot)| bot.tokens.iter().map(move |token| (format!("bots.{id}"), token)));
    for (owner, token) in admin.chain(bots) {
        if let Some(other) = owners.insert(token.expose_secret(), owner.clone()) {
            let what = if other == owner {
                "holds a token twice".into()
            } else {
                format!("is also a token of {other}")
            };
            note(&format!("{owner}.token"), what, "give each its own".into());
        }
    }
}
