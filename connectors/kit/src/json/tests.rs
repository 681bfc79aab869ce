use proptest::prelude::*;
use serde::Deserialize;
use serde_json::Value;

use super::{JsonError, from_slice};

#[derive(Debug, PartialEq, Deserialize)]
struct Update {
    entry: Vec<Entry>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Entry {
    id: u64,
    #[serde(default)]
    kind: Option<Kind>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Text,
    Image,
}

fn error(json: &str) -> JsonError {
    from_slice::<Update>(json.as_bytes()).unwrap_err()
}

#[test]
fn good_json_is_read_borrowed_or_owned() {
    let update: Update = from_slice(br#"{"entry":[{"id":1,"kind":"image"}],"extra":{}}"#).unwrap();
    assert_eq!(update.entry[0], Entry { id: 1, kind: Some(Kind::Image) });
    assert_eq!(from_slice::<&str>(b"\"abc\"").unwrap(), "abc");
}

#[test]
fn a_bad_field_is_named_and_its_value_is_not() {
    let wrong = error(r#"{"entry":[{"id":1},{"id":"s3cret, expected nothing"}]}"#);
    assert_eq!(wrong.path, "entry[1].id");
    assert_eq!(wrong.reason, "invalid type: string, expected u64");
    assert_eq!(wrong.to_string(), "JSON field `entry[1].id`: invalid type: string, expected u64");

    assert_eq!(error(r#"{"entry":[{"id":-77}]}"#).reason, "invalid value: integer, expected u64");
    assert_eq!(error(r#"{"entry":[{"id":7.5}]}"#).reason, "invalid type: floating point, expected u64");
    let variant = error(r#"{"entry":[{"id":1,"kind":"s3cret"}]}"#);
    assert_eq!(variant.path, "entry[0].kind");
    assert_eq!(variant.reason, "unknown variant, expected `text` or `image`");
    let missing = error(r#"{"entry":[{}]}"#);
    assert_eq!((missing.path.as_str(), missing.reason.as_str()), ("entry[0]", "missing field `id`"));
}

#[test]
fn a_message_that_a_type_makes_itself_is_not_passed_on() {
    #[derive(Debug)]
    struct Picky;
    impl<'de> Deserialize<'de> for Picky {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let text = String::deserialize(deserializer)?;
            Err(serde::de::Error::custom(format!("not good: {text}")))
        }
    }
    assert_eq!(from_slice::<Picky>(b"\"s3cret\"").unwrap_err().reason, "value not accepted");
}

#[test]
fn what_is_not_json_says_where() {
    let cut = error(r#"{"entry":["#);
    assert_eq!(cut.path, "entry");
    assert!(cut.reason.starts_with("EOF while parsing a list"), "{}", cut.reason);
    let trailing = from_slice::<Value>(b"{} x").unwrap_err();
    assert_eq!(trailing.reason, "trailing characters at line 1 column 4");
    assert!(from_slice::<Value>(b"").is_err());
    assert!(from_slice::<Value>(b"\xff").is_err());
}

#[test]
fn depth_is_at_most_32() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert!(from_slice::<Value>(nested(32).as_bytes()).is_ok());
    let deep = from_slice::<Value>(format!("{{\"a\":{{\"b\":{}}}}}", nested(31)).as_bytes()).unwrap_err();
    assert_eq!(deep.reason, "JSON nests at most 32 levels");
    assert!(deep.path.starts_with("a.b[0][0]"), "{}", deep.path);
    assert!(from_slice::<Value>("[".repeat(1_000_000).as_bytes()).is_err());
}

#[test]
fn arrays_strings_and_numbers_are_bounded() {
    let items = |count: usize| format!("{{\"a\":[{}]}}", vec!["1"; count].join(","));
    assert!(from_slice::<Value>(items(10_000).as_bytes()).is_ok());
    let many = from_slice::<Value>(items(10_001).as_bytes()).unwrap_err();
    assert_eq!(many.to_string(), "JSON field `a`: an array has at most 10000 items");

    let string = |length: usize| format!("{{\"a\":[\"x\",\"{}\"]}}", "x".repeat(length));
    assert!(from_slice::<Value>(string(256 * 1024).as_bytes()).is_ok());
    let long = from_slice::<Value>(string(256 * 1024 + 1).as_bytes()).unwrap_err();
    assert_eq!(long.to_string(), "JSON field `a[1]`: a string has at most 262144 bytes");

    assert!(from_slice::<Value>("1".repeat(64).as_bytes()).is_ok());
    let digits = from_slice::<Value>("1".repeat(65).as_bytes()).unwrap_err();
    assert_eq!(digits.to_string(), "JSON body: a number has at most 64 digits");
}

#[test]
fn brackets_and_quotes_inside_strings_do_not_count() {
    let json = format!("[\"{}\", \"\\\\\", \"{}\"]", "[".repeat(100), "\\\"".repeat(50));
    assert!(from_slice::<Value>(json.as_bytes()).is_ok());
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _unread = from_slice::<Value>(&bytes);
    }

    #[test]
    fn no_near_json_makes_it_panic(text in "([\\[\\]{}\",:0-9eE.\\\\-]|true|entry|id|é){0,80}") {
        let _unread = from_slice::<Update>(text.as_bytes());
    }

    #[test]
    fn whatever_serde_reads_within_bounds_is_read(numbers in proptest::collection::vec(any::<i64>(), 0..50), text: String) {
        let value = serde_json::json!({"n": numbers, "t": text});
        let bytes = serde_json::to_vec(&value).unwrap();
        prop_assert_eq!(from_slice::<Value>(&bytes).unwrap(), value);
    }

    #[test]
    fn no_value_is_ever_in_the_error(secret in "[a-z\"`, ]{0,12}SECRET[a-z\"`, ]{0,12}") {
        for json in [serde_json::json!({"entry": secret}), serde_json::json!({"entry": [{"id": 1, "kind": secret}]})] {
            let error = from_slice::<Update>(json.to_string().as_bytes()).unwrap_err();
            prop_assert!(!error.to_string().contains("SECRET"), "{}", error);
        }
    }
}
