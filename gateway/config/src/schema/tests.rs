use serde_json::json;

use super::*;

#[test]
fn keys_turn_to_snake_case() {
    for (key, snake) in [
        ("botToken", "bot_token"),
        ("BotToken", "bot_token"),
        ("bot_token", "bot_token"),
        ("apiURL", "api_url"),
        ("URLOfAPI", "url_of_api"),
        ("phoneNumberId", "phone_number_id"),
        ("oauth2Token", "oauth2_token"),
        ("api-url", "api_url"),
        ("x", "x"),
        ("", ""),
        ("Größe", "größe"),
    ] {
        assert_eq!(snake_case(key), snake, "{key}");
        assert_eq!(snake_case(&snake_case(key)), snake_case(key), "{key} twice");
    }
}

fn told(value: Json, schema: Json) -> Vec<String> {
    check(&value, &schema).into_iter().map(|one| format!("{} {}", one.pointer, one.message)).collect()
}

#[test]
fn each_rule_refuses_what_breaks_it_and_passes_what_keeps_it() {
    for (schema, right, wrong) in [
        (json!({ "type": "string" }), json!("a"), json!(1)),
        (json!({ "type": "integer" }), json!(3), json!(3.5)),
        (json!({ "type": "integer" }), json!(3.0), json!("3")),
        (json!({ "type": "number" }), json!(0.5), json!(true)),
        (json!({ "type": "boolean" }), json!(false), json!("false")),
        (json!({ "type": ["string", "null"] }), json!(null), json!([])),
        (json!({ "enum": ["a", 1] }), json!(1), json!("b")),
        (json!({ "const": "x" }), json!("x"), json!("y")),
        (json!({ "minimum": 1 }), json!(1), json!(0)),
        (json!({ "maximum": 1 }), json!(1), json!(2)),
        (json!({ "exclusiveMinimum": 1 }), json!(2), json!(1)),
        (json!({ "exclusiveMaximum": 1 }), json!(0), json!(1)),
        (json!({ "minLength": 2 }), json!("üü"), json!("ü")),
        (json!({ "maxLength": 2 }), json!("üü"), json!("üüü")),
        (json!({ "pattern": "^[a-z]{2}$" }), json!("ab"), json!("a1")),
        (json!({ "format": "uri" }), json!("http://a/"), json!("a/b")),
        (json!({ "format": "uri" }), json!("https://a"), json!("file:///etc")),
        (json!({ "minItems": 1 }), json!([0]), json!([])),
        (json!({ "maxItems": 1 }), json!([0]), json!([0, 0])),
        (json!({ "items": { "type": "string" } }), json!(["a"]), json!(["a", 1])),
        (json!({ "required": ["a"] }), json!({ "a": 1 }), json!({})),
        (json!({ "minProperties": 1 }), json!({ "a": 1 }), json!({})),
        (json!({ "additionalProperties": false }), json!({}), json!({ "a": 1 })),
        (json!({ "additionalProperties": { "type": "string" } }), json!({ "a": "" }), json!({ "a": 1 })),
        (json!({ "properties": { "a": { "type": "string" } } }), json!({ "b": 1 }), json!({ "a": 1 })),
    ] {
        assert_eq!(told(right.clone(), schema.clone()), Vec::<String>::new(), "{right} {schema}");
        assert_eq!(told(wrong.clone(), schema.clone()).len(), 1, "{wrong} {schema}");
    }
}

#[test]
fn faults_point_to_their_place_and_a_value_is_never_repeated() {
    let schema = json!({
        "type": "object",
        "additionalProperties": false,
        "properties": { "list": { "items": { "properties": { "name": { "maxLength": 2 } } } }, "place": { "enum": ["x"] } },
    });
    let value = json!({ "list": [{ "name": "a" }, { "name": "CANARY" }], "place": "CANARY", "plaec": 1 });
    assert_eq!(
        told(value, schema),
        [
            "/list/1/name has 6 characters, more than 2",
            "/place is none of the values that are known; write \"x\"",
            "/plaec no such option; did you mean 'place'?",
        ]
    );
}

#[test]
fn odd_schemas_allow_rather_than_panic() {
    for schema in
        [json!(null), json!(true), json!([]), json!({ "type": 5, "enum": 1, "pattern": "(", "minimum": "a" })]
    {
        assert_eq!(told(json!({ "a": [1] }), schema), Vec::<String>::new());
    }
    let mut deep = json!(1);
    for _ in 0..100 {
        deep = json!([deep]);
    }
    assert_eq!(told(deep.clone(), json!({ "items": {} })), Vec::<String>::new());
    assert_eq!(normal(deep.clone(), &json!({}), true), deep);
}
