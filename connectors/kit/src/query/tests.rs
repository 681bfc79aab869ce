use proptest::prelude::*;
use serde_json::{Value, json};

use super::parse;

#[track_caller]
fn check(query: &str, expected: Value) {
    assert_eq!(parse(query), expected, "{query}");
}

#[test]
fn plain_nested_and_repeated_names() {
    check("", json!({}));
    check("a=1&b[c]=2&d=x&d=y", json!({"a": "1", "b": {"c": "2"}, "d": ["x", "y"]}));
    check("a[b][c]=1&a[b][d]=2", json!({"a": {"b": {"c": "1", "d": "2"}}}));
    check("a%5Bb%5D=1", json!({"a": {"b": "1"}}));
    check("a=1=2&b[c]=3=4", json!({"a": "1=2", "b": {"c": "3=4"}}));
    check("a&b=", json!({"a": "", "b": ""}));
    check("=1&&a=2", json!({"a": "2"}));
}

#[test]
fn arrays_by_brackets_and_by_index() {
    check("a[]=1", json!({"a": ["1"]}));
    check("a[]=1&a[]=2", json!({"a": ["1", "2"]}));
    check("a[1]=y&a[0]=x", json!({"a": ["x", "y"]}));
    check("a[1]=b&a[15]=c", json!({"a": ["b", "c"]}));
    check("a[20]=x", json!({"a": ["x"]}));
    check("a[21]=x", json!({"a": {"21": "x"}}));
    check("a[01]=x", json!({"a": {"01": "x"}}));
    check("a[-1]=x", json!({"a": {"-1": "x"}}));
    check("a[][b]=1", json!({"a": [{"b": "1"}]}));
    check("a[0][b]=1&a[0][c]=2&a[1][b]=3", json!({"a": [{"b": "1", "c": "2"}, {"b": "3"}]}));
    check("[]=a&[]=b", json!({"0": "a", "1": "b"}));
}

#[test]
fn mixed_kinds_under_one_name() {
    check("a=b&a[]=c", json!({"a": ["b", "c"]}));
    check("a[]=b&a=c", json!({"a": ["b", "c"]}));
    check("a[0]=b&a=c", json!({"a": ["b", "c"]}));
    check("a[]=b&a[t]=u", json!({"a": {"0": "b", "t": "u"}}));
    check("a[b]=c&a=d", json!({"a": {"b": "c", "d": "true"}}));
    check("a=1&a[b]=2", json!({"a": ["1", {"b": "2"}]}));
}

#[test]
fn depth_count_and_inherited_names_are_bounded() {
    check("a[b][c][d][e][f][g][h]=x", json!({"a": {"b": {"c": {"d": {"e": {"f": {"[g][h]": "x"}}}}}}}));
    let many: Vec<String> = (0..1500).map(|n| format!("k{n}=v")).collect();
    let read = parse(&many.join("&"));
    assert_eq!(read.as_object().map(serde_json::Map::len), Some(1000));
    assert_eq!(read.get("k999"), Some(&json!("v")));
    check("__proto__[x]=1&a[__proto__][x]=1&toString=1&ok=1", json!({"ok": "1"}));
}

#[test]
fn escapes_are_decoded_and_bad_ones_kept() {
    check("a+b=c+d&e=%C3%A9&f=%zz&g=%ff", json!({"a b": "c d", "e": "é", "f": "%zz", "g": "%ff"}));
    check("a[b=1&c]=2&d[e]f[g]=3", json!({"a[b": "1", "c]": "2", "d": {"e": {"g": "3"}}}));
}

fn strings_only(value: &Value) -> bool {
    match value {
        Value::String(_) => true,
        Value::Array(items) => items.iter().all(strings_only),
        Value::Object(fields) => fields.values().all(strings_only),
        _ => false,
    }
}

proptest! {
    #[test]
    fn any_text_is_an_object_of_strings(query in "([ab0-9%=&+\\[\\]]|.){0,60}") {
        let value = parse(&query);
        prop_assert!(value.is_object());
        prop_assert!(strings_only(&value));
    }
}
