//! The suite finds what it is there to find: a small connector that is right, and the same with one sin each.

mod parts;
mod toy;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::json;

use crate::{Options, Suite, json_answer};
use toy::{Sin, Toy};

/// Fixtures of the toy, in a folder of this test process.
fn fixtures() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("portico-suite-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let folder = std::env::temp_dir().join(name);
    let write = |path: &str, text: &str| {
        let path = folder.join("fixtures").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("inbound/text.json", r#"{"id":"m1","chat":"c1","from":"u1","text":"hi"}"#);
    write("inbound/unreadable_half.json", r#"{"id":"m1","#);
    write(
        "outbound/text.json",
        r#"{"id":"msg_00000000000000000000000000","thread":{"channel":"dm","key":"c1","tags":{"chat":"c1"}},
            "parts":[{"type":"text","payload":{"text":"hello"}}],"attempt":1}"#,
    );
    folder
}

/// One test of the suite.
type Test = fn(&Suite);

fn with_suite(sin: Sin, test: Test) -> Result<(), String> {
    let folder = fixtures();
    let options = Options::new(folder.to_str().unwrap()).answer(|_| json_answer(200, json!({ "id": "p1" })));
    let suite = Suite::new(Toy::connector(sin), options);
    let done = catch_unwind(AssertUnwindSafe(|| test(&suite)));
    std::fs::remove_dir_all(folder).unwrap();
    done.map_err(|cause| {
        let text = cause.downcast_ref::<String>().cloned();
        text.unwrap_or_else(|| (*cause.downcast_ref::<&str>().unwrap_or(&"?")).to_owned())
    })
}

const ALL: [Test; 8] = [
    Suite::manifest,
    Suite::inbound_fixtures,
    Suite::refusals,
    Suite::broken_bodies,
    Suite::outbound_fixtures,
    Suite::declared_kinds,
    Suite::answers,
    Suite::unknown_jobs,
];

#[test]
fn a_connector_without_sin_passes() {
    for (index, test) in ALL.into_iter().enumerate() {
        with_suite(Sin::None, test).unwrap_or_else(|found| panic!("test {index}: {found}"));
    }
}

#[test]
fn each_sin_is_found() {
    let table: [(Sin, Test, &str); 18] = [
        (Sin::NoDescription, Suite::manifest, "needs a description"),
        (Sin::SecretWithoutUse, Suite::manifest, "needs use 'mac'"),
        (Sin::UnstableId, Suite::inbound_fixtures, "a repeat must have the same ids"),
        (Sin::WrongKey, Suite::inbound_fixtures, "identity tags"),
        (Sin::UndeclaredTag, Suite::inbound_fixtures, "no tag of channel 'dm' 'colour'"),
        (Sin::UndeclaredEvent, Suite::inbound_fixtures, "no event 'surprise'"),
        (Sin::NotPure, Suite::inbound_fixtures, "a turn made twice"),
        (Sin::NoVerify, Suite::refusals, "answered 200, must be refused"),
        (Sin::PanicsOnShort, Suite::broken_bodies, "cut at"),
        (Sin::WrongHost, Suite::outbound_fixtures, "goes to https://evil.example"),
        (Sin::MarkerTwice, Suite::outbound_fixtures, "occurs 2 times"),
        (Sin::UndeclaredSecret, Suite::outbound_fixtures, "no secret 'other'"),
        (Sin::HandmadeJson, Suite::declared_kinds, "does not parse"),
        (Sin::CutsText, Suite::declared_kinds, "the end of the text was cut off"),
        (Sin::BelievesHtml, Suite::answers, "answer 200 HTML: expected a fault"),
        (Sin::IgnoresWait, Suite::answers, "asked for 7 s, waits None"),
        (Sin::LargeDetail, Suite::answers, "at most 8 KiB"),
        (Sin::AnyAction, Suite::unknown_jobs, "an action that does not exist went well"),
    ];
    for (sin, test, found) in table {
        let told = with_suite(sin, test).expect_err(&format!("{sin:?} was not found"));
        assert!(told.contains(found), "{sin:?}: {told}");
    }
}
